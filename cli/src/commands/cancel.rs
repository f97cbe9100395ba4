//! `cloudyknight cancel`: ends the deployment that is under way. What serves, serves on.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::client::{Client, workspace};
use crate::home::Home;
use crate::output::Output;

/// What `cancel --json` prints.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    version: u32,
    workspace: String,
    /// Of the deployment that is ended; null where the bucket had not been listed yet.
    release: Option<String>,
}

pub async fn run(home: &Home, name: &str, output: Output) -> anyhow::Result<ExitCode> {
    let cancelled: Cancelled = Client::new(home)?.ask(&workspace(name, "cancel")).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&cancelled)?);
    } else if output.talks() {
        anstream::println!(
            "The deployment of {name} is cancelled. A push, or `cloudyknight retry {name}`, deploys again."
        );
    }
    Ok(ExitCode::SUCCESS)
}
