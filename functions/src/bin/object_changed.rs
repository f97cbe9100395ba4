//! The function behind the events queue, on AWS Lambda: a batch of notifications in, commands out.
//!
//! Environment: `WORKSPACES_BUCKET`, `COMMANDS_QUEUE_URL`.

use std::convert::Infallible;
use std::process::ExitCode;

use cloudyknight_functions::lambda::{self, SqsAnswer, SqsEvent};
use cloudyknight_functions::{clock, object_changed};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(function()).await
}

async fn function() -> Result<(), lambda_runtime::Error> {
    let bucket = lambda::setting("WORKSPACES_BUCKET")?;
    let commands = lambda::clients().await?.queue(lambda::setting("COMMANDS_QUEUE_URL")?);
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let notified_at = clock::moment();
        let trace = lambda::trace(&event.context);
        let incoming = event.payload.incoming();
        let outcome =
            object_changed::handle(&incoming, &bucket, &commands, trace.as_ref(), notified_at).await;
        outcome.log();
        Ok::<_, Infallible>(SqsAnswer::failed(outcome.failed))
    });
    lambda_runtime::run(handler).await
}
