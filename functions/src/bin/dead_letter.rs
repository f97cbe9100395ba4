//! The function behind the dead-letter queues, on AWS Lambda: exhausted messages in, documents out.
//!
//! Environment: `WORKSPACES_BUCKET`, `PLATFORM_BUCKET`.

use std::convert::Infallible;

use cloudyknight_functions::lambda::{self, SqsAnswer, SqsEvent};
use cloudyknight_functions::{clock, dead_letter};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let bucket = lambda::setting("WORKSPACES_BUCKET")?;
    let platform = lambda::clients().await?.bucket(lambda::setting("PLATFORM_BUCKET")?);
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let event = event.payload;
        let failed =
            dead_letter::handle(&event.incoming(), event.queue(), &bucket, &clock::now(), &platform).await;
        Ok::<_, Infallible>(SqsAnswer::failed(failed))
    });
    lambda_runtime::run(handler).await
}
