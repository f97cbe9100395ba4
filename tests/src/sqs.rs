//! A queue of SQS, used from outside: for what no client of S3 can do, such as losing a notification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::python;
use crate::run::{run_with_input, succeeded};
use crate::server;

pub struct Sqs {
    endpoint: String,
    url: String,
    certificate: Option<PathBuf>,
}

const PROGRAM: &str = r#"
import json, sys, boto3
sqs, url, given = boto3.client("sqs"), sys.argv[2], json.load(sys.stdin)

def send():
    for body in given["bodies"]:
        sqs.send_message(QueueUrl=url, MessageBody=body, **given["more"])

def take():
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    for message in taken:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in taken]

def attributes():
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

def set_attributes():
    sqs.set_queue_attributes(QueueUrl=url, Attributes=given)

print(json.dumps({"send": send, "take": take, "attributes": attributes, "set_attributes": set_attributes}[sys.argv[1]]()))
"#;

impl Sqs {
    /// `url` begins with the endpoint of its server.
    pub fn at(endpoint: &str, url: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), url: url.to_owned(), certificate: None }
    }

    /// One on a server that speaks TLS.
    #[must_use]
    pub fn trusting(self, certificate: &Path) -> Self {
        Self { certificate: Some(certificate.to_owned()), ..self }
    }

    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Puts messages on the queue, one after another.
    #[track_caller]
    pub fn send(&self, bodies: &[String]) {
        self.run("send", &serde_json::json!({"bodies": bodies, "more": {}}));
    }

    /// Puts a message on a FIFO queue.
    #[track_caller]
    pub fn send_in_group(&self, group: &str, deduplication: &str, body: &str) {
        let more = serde_json::json!({"MessageGroupId": group, "MessageDeduplicationId": deduplication});
        self.run("send", &serde_json::json!({"bodies": [body], "more": more}));
    }

    /// Takes up to ten messages off the queue, for good; waits a second for the first.
    #[track_caller]
    pub fn take(&self) -> Vec<String> {
        let bodies = self.run("take", &Value::Null);
        bodies.as_array().into_iter().flatten().filter_map(|body| body.as_str().map(str::to_owned)).collect()
    }

    /// How many messages it holds, in flight or not.
    #[track_caller]
    pub fn depth(&self) -> u64 {
        let attributes = self.run("attributes", &Value::Null);
        let count = |name: &str| attributes[name].as_str().and_then(|text| text.parse::<u64>().ok());
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            .into_iter()
            .filter_map(count)
            .sum()
    }

    /// What it says of itself.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.run("attributes", &Value::Null)[name].as_str().map(str::to_owned)
    }

    #[track_caller]
    pub fn set(&self, attributes: &BTreeMap<&str, &str>) {
        self.run("set_attributes", &serde_json::json!(attributes));
    }

    #[track_caller]
    fn run(&self, what: &str, given: &Value) -> Value {
        let mut command = python();
        command.args(["-c", PROGRAM, what, &self.url]).envs(server::variables(&self.endpoint));
        command.envs(self.certificate.iter().map(|path| ("AWS_CA_BUNDLE", path)));
        let output = run_with_input(&mut command, given.to_string().as_bytes());
        let answer = succeeded(&format!("{what} at {}", self.url), &output);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{what}: {error}: {answer}"))
    }
}
