//! The four binaries as Lambda runs them: each a process that asks a runtime API for its next event. The queues and
//! buckets are those of a real server; only what no server does on demand is played by a stand-in.

mod faults;
mod function;
mod servers;
mod start;

use serde_json::{Value, json};

/// A notification as S3 sends it, about objects of the bucket `workspaces`.
fn notification(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key}},
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

/// A batch of (message id, body) as the event source mapping of a queue hands it over.
fn batch(queue: &str, messages: &[(&str, &str)]) -> Value {
    let record = |(id, body): &(&str, &str)| {
        json!({
            "messageId": id, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}
