//! `cloudyknight unpin`, `restart`, `stop` and `start`: something is asked of a workspace beyond its files, and is followed
//! to its end.

use std::process::ExitCode;

use cloudyknight_core::desired::Taken;

use super::follow::{Before, follow};
use super::wait;
use crate::args::Patience;
use crate::client::{Client, workspace};
use crate::errors::timed_out;
use crate::home::Home;
use crate::output::Output;

pub async fn run(
    home: &Home,
    name: &str,
    wish: &str,
    patience: Patience,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let before = Before::of(&client, name).await;
    let taken: Taken = client.ask(&workspace(name, wish)).await?;
    if !taken.changed && output.talks() {
        anstream::eprintln!("{name}: there was nothing to change");
    }
    to_the_end(&client, name, &before, patience, output).await
}

/// Until what was asked of a workspace is so, or has failed.
pub async fn to_the_end(
    client: &Client,
    name: &str,
    before: &Before,
    patience: Patience,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let Patience { timeout } = patience;
    match follow(client, name, before, timeout, output).await? {
        Some(status) => wait::tell(&status, output),
        None => Err(timed_out(
            format!("it is written down, but was neither done nor had failed after {timeout} s"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        )),
    }
}
