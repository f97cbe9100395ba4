//! The sweep on AWS Lambda, started by a schedule: the bucket against what is deployed.
//!
//! Environment: `WORKSPACES_BUCKET`, `PLATFORM_BUCKET`, `COMMANDS_QUEUE_URL`.

use std::process::ExitCode;

use cloudyknight_functions::{lambda, sweep};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(function()).await
}

async fn function() -> Result<(), lambda_runtime::Error> {
    let clients = lambda::clients().await?;
    let workspaces = clients.bucket(lambda::setting("WORKSPACES_BUCKET")?);
    let platform = clients.bucket(lambda::setting("PLATFORM_BUCKET")?);
    let commands = clients.queue(lambda::setting("COMMANDS_QUEUE_URL")?);
    let handler = service_fn(async |event: LambdaEvent<Value>| {
        let trace = lambda::trace(&event.context);
        let swept = sweep::handle(&workspaces, &platform, &commands, trace.as_ref())
            .await
            .map_err(|error| lambda::told(&error))?;
        swept.log();
        Ok::<_, Diagnostic>(json!({"workspaces": swept.workspaces, "drifted": swept.drifted()}))
    });
    lambda_runtime::run(handler).await
}
