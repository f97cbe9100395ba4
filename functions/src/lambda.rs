//! What the mains for AWS Lambda share: settings from the environment, the clients, and the shape of an SQS batch and of
//! a request to a function URL.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

mod url;

use std::env;
use std::future::Future;
use std::process::ExitCode;

use cloudyknight_core::trace::TraceParent;
use cloudyknight_store::aws::{self, Clients, ConnectError, ConnectSettings};
use lambda_runtime::{Context, Diagnostic};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

pub use url::{UrlAnswer, UrlRequest};

use crate::Incoming;
use crate::chain::Chain;
use crate::sweep::SweepError;

/// A batch of messages, as an event source mapping hands it over; of its many fields those that we use.
#[derive(Debug, Deserialize)]
pub struct SqsEvent {
    #[serde(rename = "Records")]
    records: Vec<SqsRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord {
    message_id: String,
    #[serde(default)]
    body: String,
    /// Ends in the name of the queue.
    #[serde(rename = "eventSourceARN", default)]
    source: String,
}

/// The messages that stay on the queue. The mapping needs `ReportBatchItemFailures`; without it Lambda takes every
/// message off whatever is answered here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsAnswer {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl SqsEvent {
    pub fn incoming(&self) -> Vec<Incoming<'_>> {
        self.records.iter().map(|record| Incoming { id: &record.message_id, body: &record.body }).collect()
    }

    /// The name of the queue; all messages of a batch are from one.
    pub fn queue(&self) -> &str {
        self.records.first().and_then(|record| record.source.rsplit(':').next()).unwrap_or_default()
    }
}

impl SqsAnswer {
    pub fn failed(ids: Vec<String>) -> Self {
        let failure = |item_identifier| ItemFailure { item_identifier };
        Self { batch_item_failures: ids.into_iter().map(failure).collect() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} must be set, and not empty")]
pub struct MissingSetting(&'static str);

/// Runs a main to its end, which comes only when it cannot start or Lambda is gone, and says why in the log: what Rust
/// itself would print is made for programmers.
pub async fn run(main: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    start_logging();
    match main.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %Chain(&*error), "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

/// A setting that the function cannot do without.
pub fn setting(name: &'static str) -> Result<String, MissingSetting> {
    env::var(name).ok().filter(|value| !value.is_empty()).ok_or(MissingSetting(name))
}

/// Clients as Lambda sets them up: region, credentials and endpoint come from its environment.
pub async fn clients() -> Result<Clients, ConnectError> {
    // An endpoint of their own have only servers that stand in for AWS, and those know buckets by their path.
    let path_style =
        ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().any(|name| env::var_os(name).is_some());
    aws::connect(ConnectSettings { path_style, ..ConnectSettings::default() }).await
}

/// Logs as JSON, which CloudWatch takes apart; `RUST_LOG` chooses what.
fn start_logging() {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
}

/// The trace that Lambda made the invocation part of, if it traces at all.
pub fn trace(context: &Context) -> Option<TraceParent> {
    // Lambda names a parent; another runtime that does not costs us nothing but a link.
    TraceParent::from_xray(context.xray_trace_id.as_deref()?, getrandom::u64().ok()?.to_be_bytes())
}

/// The error of an invocation, with its causes: Lambda records only what the error itself says.
pub fn told(error: &SweepError) -> Diagnostic {
    Diagnostic { error_type: "SweepError".to_owned(), error_message: Chain(error).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqs_batch_is_read_as_lambda_writes_it() {
        let text = r#"{"Records":[{"messageId":"059f36b4","receiptHandle":"AQEB","body":"Test message.",
            "attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183"},"messageAttributes":{},
            "md5OfBody":"e4e6","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion":"us-east-2"}]}"#;
        let event: SqsEvent = serde_json::from_str(text).unwrap();
        assert_eq!(event.incoming(), [Incoming { id: "059f36b4", body: "Test message." }]);
        assert_eq!(event.queue(), "my-queue");
    }

    #[test]
    fn failures_are_named_as_lambda_reads_them() {
        let answer = |ids: &[&str]| {
            serde_json::to_string(&SqsAnswer::failed(ids.iter().map(|id| (*id).to_owned()).collect()))
                .unwrap()
        };
        assert_eq!(answer(&["a"]), r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
        assert_eq!(answer(&[]), r#"{"batchItemFailures":[]}"#);
    }
}
