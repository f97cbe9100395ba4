//! The webhook on AWS Lambda, behind a function URL: the events of MinIO and its relatives onto the events queue.
//!
//! Environment: `WORKSPACES_BUCKET`, `EVENTS_QUEUE_URL`, `INGEST_TOKEN`.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use cloudyknight_functions::ingest::Ingest;
use cloudyknight_functions::lambda::{self, UrlAnswer, UrlRequest};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(function()).await
}

async fn function() -> Result<(), lambda_runtime::Error> {
    let (token, bucket) = (lambda::setting("INGEST_TOKEN")?, lambda::setting("WORKSPACES_BUCKET")?);
    let events = lambda::clients().await?.queue(lambda::setting("EVENTS_QUEUE_URL")?);
    let ingest = Ingest::new(token, Arc::new(events), bucket);
    let handler = service_fn(async |event: LambdaEvent<UrlRequest>| {
        let request = event.payload;
        Ok::<_, Infallible>(UrlAnswer::from(ingest.answer(request.head(), request.body()).await))
    });
    lambda_runtime::run(handler).await
}
