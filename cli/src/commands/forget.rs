//! `cloudyknight forget`: deletes what is kept of a removed workspace.

use std::process::ExitCode;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::confirmed;
use crate::client::{Client, workspace};
use crate::home::Home;
use crate::output::Output;

/// What `forget --json` prints.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    version: u32,
    workspace: String,
    /// How many of them are deleted.
    releases: usize,
    /// How many contents of files that no other release needs.
    contents: usize,
}

pub async fn run(home: &Home, name: &str, yes: bool, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let question =
        format!("Delete every release and the history of `{name}`, so that it cannot be restored?");
    if !confirmed(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let answer = client.delete(&workspace(name, "releases")).await?;
    if output.is_json() {
        let forgotten: Forgotten =
            serde_json::from_slice(&answer).context("the API answered something else than was expected")?;
        anstream::println!("{}", serde_json::to_string(&forgotten)?);
    } else if output.talks() {
        anstream::println!("The releases and the history of {name} are deleted.");
    }
    Ok(ExitCode::SUCCESS)
}
