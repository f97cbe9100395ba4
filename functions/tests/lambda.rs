//! The real `object_changed` binary against stand-ins for what surrounds it on AWS: Lambda's runtime API, which hands
//! out invocations, and the one call of SQS that it makes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

const SOON: Duration = Duration::from_secs(30);

/// Both servers on one port: their paths do not meet.
struct Cloud {
    address: SocketAddr,
    invocations: mpsc::UnboundedSender<Value>,
    answers: AsyncMutex<mpsc::UnboundedReceiver<Value>>,
    sqs: Arc<Mutex<Sqs>>,
}

#[derive(Default)]
struct Sqs {
    /// The body of each call of SendMessageBatch.
    batches: Vec<Value>,
    /// What the next calls are answered, first to last; then all is accepted.
    planned: Vec<(StatusCode, Value)>,
}

struct Doors {
    invocations: AsyncMutex<mpsc::UnboundedReceiver<Value>>,
    answers: mpsc::UnboundedSender<Value>,
    sqs: Arc<Mutex<Sqs>>,
}

impl Cloud {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, next) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let sqs = Arc::new(Mutex::new(Sqs::default()));
        let doors = Arc::new(Doors { invocations: AsyncMutex::new(next), answers: answer, sqs: sqs.clone() });
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let doors = doors.clone();
                let service = service_fn(move |request| {
                    let doors = doors.clone();
                    async move { Ok::<_, Infallible>(doors.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { address, invocations, answers: AsyncMutex::new(answers), sqs }
    }

    fn function(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_object_changed"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "object_changed")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("COMMANDS_QUEUE_URL", format!("http://{}/000000000000/commands.fifo", self.address))
            .env("WORKSPACES_BUCKET", "workspaces")
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// What the function answers to a batch of (message id, body).
    async fn invoke(&self, messages: &[(&str, String)]) -> Value {
        let records: Vec<_> = messages
            .iter()
            .map(|(id, body)| {
                json!({
                    "messageId": id, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:events",
                })
            })
            .collect();
        self.invocations.send(json!({ "Records": records })).unwrap();
        let mut answers = self.answers.lock().await;
        tokio::time::timeout(SOON, answers.recv()).await.expect("the function answers").unwrap()
    }
}

impl Doors {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let target = request.headers().get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let (status, answer) = match (path.strip_prefix("/2018-06-01/runtime/invocation/"), target.as_deref())
        {
            (Some("next"), _) => {
                let event = self.invocations.lock().await.recv().await.expect("the test runs");
                return Response::builder()
                    .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                    .header("lambda-runtime-deadline-ms", "4102444800000")
                    .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:0:function:f")
                    .body(Bytes::from(event.to_string()).into())
                    .unwrap();
            }
            (Some(_), _) => {
                self.answers.send(serde_json::from_slice(&body).unwrap()).unwrap();
                (StatusCode::ACCEPTED, Value::Null)
            }
            (None, Some("AmazonSQS.SendMessageBatch")) => {
                self.sqs.lock().unwrap().accept(serde_json::from_slice(&body).unwrap())
            }
            (None, _) => (StatusCode::NOT_FOUND, Value::Null),
        };
        let response =
            Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
        response.body(Bytes::from(answer.to_string()).into()).unwrap()
    }
}

impl Sqs {
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

fn notification(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key}},
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

fn entries(batch: &Value) -> Vec<(&str, Value)> {
    let entries = batch["Entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let command: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
            assert_eq!(entry["MessageDeduplicationId"].as_str().unwrap().len(), 64);
            (entry["MessageGroupId"].as_str().unwrap(), command["cause"].clone())
        })
        .collect()
}

#[tokio::test]
async fn the_function_turns_batches_of_notifications_into_commands() {
    let cloud = Cloud::start().await;
    let _function = cloud.function();

    let answer = cloud.invoke(&[("1", notification(&["b/x", "a/1", "a/2"])), ("2", "hello".into())]).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
    {
        let sqs = cloud.sqs.lock().unwrap();
        assert_eq!(sqs.batches.len(), 1);
        let expected = [
            ("a", json!({"kind": "put", "path": "1", "more": 1})),
            ("b", json!({"kind": "put", "path": "x", "more": 0})),
        ];
        assert_eq!(entries(&sqs.batches[0]), expected);
    }

    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"workspaces"}"#;
    assert_eq!(cloud.invoke(&[("3", test.into())]).await, json!({"batchItemFailures": []}));
    assert_eq!(cloud.sqs.lock().unwrap().batches.len(), 1);
}

#[tokio::test]
async fn what_the_commands_queue_accepts_in_part_is_completed() {
    let cloud = Cloud::start().await;
    let _function = cloud.function();
    let failed = json!({"Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "try again"});
    let accepted = json!({"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"});
    cloud.sqs.lock().unwrap().planned =
        vec![(StatusCode::OK, json!({"Successful": [accepted], "Failed": [failed]}))];

    let answer = cloud.invoke(&[("1", notification(&["a/1", "b/1"]))]).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let sqs = cloud.sqs.lock().unwrap();
    let groups = |batch| entries(batch).into_iter().map(|(group, _)| group.to_owned()).collect::<Vec<_>>();
    assert_eq!(groups(&sqs.batches[0]), ["a", "b"]);
    assert_eq!(groups(&sqs.batches[1]), ["b"]);
    assert_eq!(sqs.batches[0]["Entries"][1], sqs.batches[1]["Entries"][0]);
}

#[tokio::test]
async fn when_the_commands_queue_refuses_the_whole_batch_comes_again() {
    let cloud = Cloud::start().await;
    let _function = cloud.function();
    let denied = json!({"__type": "com.amazonaws.sqs#AccessDenied", "message": "no"});
    cloud.sqs.lock().unwrap().planned = vec![(StatusCode::FORBIDDEN, denied)];

    let answer = cloud.invoke(&[("1", notification(&["a/1"])), ("2", notification(&["b/1"]))]).await;
    let failures = json!([{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]);
    assert_eq!(answer, json!({"batchItemFailures": failures}));
}
