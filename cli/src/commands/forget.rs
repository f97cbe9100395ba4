//! `cloudyknight forget`: deletes what is kept of a removed workspace.

use std::process::ExitCode;

use super::confirmed;
use crate::client::{Client, workspace};
use crate::home::Home;
use crate::output::Output;

pub async fn run(home: &Home, name: &str, yes: bool, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let question =
        format!("Delete every release and the history of `{name}`, so that it cannot be restored?");
    if !confirmed(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let answer = client.delete(&workspace(name, "releases")).await?;
    if output.is_json() {
        anstream::println!("{}", String::from_utf8_lossy(&answer));
    } else if output.talks() {
        anstream::println!("The releases and the history of {name} are deleted.");
    }
    Ok(ExitCode::SUCCESS)
}
