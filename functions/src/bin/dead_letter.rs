//! The function behind the dead-letter queues, on AWS Lambda: exhausted messages in, documents out.
//!
//! Environment: `WORKSPACES_BUCKET`, `PLATFORM_BUCKET`.

use std::convert::Infallible;
use std::process::ExitCode;

use cloudyknight_functions::lambda::{self, SqsAnswer, SqsEvent};
use cloudyknight_functions::observe::Nobody;
use cloudyknight_functions::{clock, dead_letter};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(function()).await
}

async fn function() -> Result<(), lambda_runtime::Error> {
    let bucket = lambda::setting("WORKSPACES_BUCKET")?;
    let platform = lambda::clients().await?.bucket(lambda::setting("PLATFORM_BUCKET")?);
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let event = event.payload;
        let (incoming, queue, at) = (event.incoming(), event.queue(), clock::now());
        let failed = dead_letter::handle(&incoming, queue, &bucket, &at, &platform, &Nobody).await;
        Ok::<_, Infallible>(SqsAnswer::failed(failed))
    });
    lambda_runtime::run(handler).await
}
