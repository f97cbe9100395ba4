//! What a queue does on a bad day, which no real one does on demand: a stand-in for SQS that answers what it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::function::Function;
use crate::{batch, notification};

/// The one call of SQS that `object_changed` makes.
struct Sqs {
    address: SocketAddr,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    /// The body of each call of SendMessageBatch.
    batches: Vec<Value>,
    /// What the next calls are answered, first to last; then all is accepted.
    planned: Vec<(StatusCode, Value)>,
}

impl Sqs {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Calls::default()));
        let shared = calls.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let calls = shared.clone();
                let service = service_fn(move |request| {
                    let calls = calls.clone();
                    async move { Ok::<_, Infallible>(answer(&calls, request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { address, calls }
    }

    async fn function(&self) -> Function {
        let queue = format!("http://{}/000000000000/commands.fifo", self.address);
        let endpoint = format!("http://{}", self.address);
        Function::start("object_changed", &endpoint, &[("COMMANDS_QUEUE_URL", &queue)]).await
    }

    fn plan(&self, status: StatusCode, answer: Value) {
        self.calls.lock().unwrap().planned.push((status, answer));
    }

    fn batches(&self) -> Vec<Value> {
        self.calls.lock().unwrap().batches.clone()
    }
}

async fn answer(calls: &Mutex<Calls>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    assert_eq!(request.headers()["x-amz-target"], "AmazonSQS.SendMessageBatch");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, answer) = calls.lock().unwrap().accept(serde_json::from_slice(&body).unwrap());
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Bytes::from(answer.to_string()).into()).unwrap()
}

impl Calls {
    fn accept(&mut self, batch: Value) -> (StatusCode, Value) {
        let accepted = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0"});
        let all: Vec<_> = batch["Entries"].as_array().unwrap().iter().map(accepted).collect();
        self.batches.push(batch);
        if self.planned.is_empty() {
            (StatusCode::OK, json!({"Successful": all, "Failed": []}))
        } else {
            self.planned.remove(0)
        }
    }
}

fn groups(batch: &Value) -> Vec<&str> {
    let entries = batch["Entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["MessageGroupId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_the_commands_queue_accepts_in_part_is_completed() {
    let sqs = Sqs::start().await;
    let mut function = sqs.function().await;
    let failed = json!({"Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "try again"});
    let accepted = json!({"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"});
    sqs.plan(StatusCode::OK, json!({"Successful": [accepted], "Failed": [failed]}));

    let event = batch("events", &[("1", &notification(&["a/1", "b/1"]))]);
    assert_eq!(function.invoke(event).await, json!({"batchItemFailures": []}));
    let batches = sqs.batches();
    assert_eq!((groups(&batches[0]), groups(&batches[1])), (vec!["a", "b"], vec!["b"]));
    assert_eq!(batches[0]["Entries"][1], batches[1]["Entries"][0]);
}

#[tokio::test]
async fn when_the_commands_queue_refuses_the_whole_batch_comes_again() {
    let sqs = Sqs::start().await;
    let mut function = sqs.function().await;
    sqs.plan(StatusCode::FORBIDDEN, json!({"__type": "com.amazonaws.sqs#AccessDenied", "message": "no"}));

    let event = batch("events", &[("1", &notification(&["a/1"])), ("2", &notification(&["b/1"]))]);
    let failures = json!([{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]);
    assert_eq!(function.invoke(event).await, json!({"batchItemFailures": failures}));
}

#[tokio::test]
async fn what_marks_nothing_asks_nothing_of_the_commands_queue() {
    let sqs = Sqs::start().await;
    let mut function = sqs.function().await;
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"workspaces"}"#;
    let answer = function.invoke(batch("events", &[("3", test)])).await;
    assert_eq!((answer, sqs.batches()), (json!({"batchItemFailures": []}), vec![]));
}
