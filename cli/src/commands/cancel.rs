//! `cloudyknight cancel`: ends the deployment that is under way. What serves, serves on.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, workspace};
use crate::home::Home;

pub async fn run(home: &Home, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let cancelled: Value = Client::new(home)?.ask(&workspace(name, "cancel")).await?;
    if json {
        anstream::println!("{cancelled}");
    } else {
        anstream::println!(
            "The deployment of {name} is cancelled. A push, or `cloudyknight retry {name}`, deploys again."
        );
    }
    Ok(ExitCode::SUCCESS)
}
