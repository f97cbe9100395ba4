//! `cloudyknight cancel`: ends the deployment that is under way. What serves, serves on.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, workspace};
use crate::home::Home;
use crate::output::Output;

pub async fn run(home: &Home, name: &str, output: Output) -> anyhow::Result<ExitCode> {
    let cancelled: Value = Client::new(home)?.ask(&workspace(name, "cancel")).await?;
    if output.is_json() {
        anstream::println!("{cancelled}");
    } else if output.talks() {
        anstream::println!(
            "The deployment of {name} is cancelled. A push, or `cloudyknight retry {name}`, deploys again."
        );
    }
    Ok(ExitCode::SUCCESS)
}
