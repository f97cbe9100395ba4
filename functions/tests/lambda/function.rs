//! A function under a stand-in for Lambda's runtime API, which hands out one event after another and takes the answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_tests::server;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

pub const SOON: Duration = Duration::from_secs(60);

pub struct Function {
    events: mpsc::UnboundedSender<(Value, Option<String>)>,
    answers: mpsc::UnboundedReceiver<Value>,
    _process: Child,
}

struct RuntimeApi {
    events: Mutex<mpsc::UnboundedReceiver<(Value, Option<String>)>>,
    answers: mpsc::UnboundedSender<Value>,
}

impl Function {
    /// `settings` in addition to those that all of them have.
    pub async fn start(name: &str, endpoint: &str, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, next) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi { events: Mutex::new(next), answers: answer });
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let api = api.clone();
                let service = service_fn(move |request| {
                    let api = api.clone();
                    async move { Ok::<_, Infallible>(api.serve(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        let mut process = command(name, address);
        process.envs(server::variables(endpoint)).env("WORKSPACES_BUCKET", "workspaces");
        process.envs(settings.iter().copied());
        Self { events, answers, _process: process.spawn().unwrap() }
    }

    /// What the function answers.
    pub async fn invoke(&mut self, event: Value) -> Value {
        self.invoke_traced(event, None).await
    }

    /// The same, in a trace of AWS X-Ray.
    pub async fn invoke_traced(&mut self, event: Value, trace: Option<&str>) -> Value {
        self.events.send((event, trace.map(str::to_owned))).unwrap();
        tokio::time::timeout(SOON, self.answers.recv()).await.expect("the function answers").unwrap()
    }
}

/// The binary of a function with what Lambda itself puts into its environment, and nothing else.
pub fn command(name: &str, runtime_api: SocketAddr) -> Command {
    let binary = match name {
        "object_changed" => env!("CARGO_BIN_EXE_object_changed"),
        "sweep" => env!("CARGO_BIN_EXE_sweep"),
        "dead_letter" => env!("CARGO_BIN_EXE_dead_letter"),
        "ingest" => env!("CARGO_BIN_EXE_ingest"),
        other => panic!("there is no function {other}"),
    };
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_REGION", server::REGION)
        .env("AWS_ACCESS_KEY_ID", server::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", server::SECRET_KEY)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

impl RuntimeApi {
    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        if !path.ends_with("/invocation/next") {
            // The answer, or the error instead of it.
            self.answers.send(serde_json::from_slice(&body).unwrap()).unwrap();
            return Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap();
        }
        let Some((event, trace)) = self.events.lock().await.recv().await else {
            // The test is over.
            return Response::builder().status(StatusCode::GONE).body(Full::default()).unwrap();
        };
        let mut response = Response::builder()
            .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("lambda-runtime-deadline-ms", "4102444800000")
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:0:function:f");
        if let Some(trace) = trace {
            response = response.header("lambda-runtime-trace-id", trace);
        }
        response.body(Bytes::from(event.to_string()).into()).unwrap()
    }
}
