//! `cloudyknight unpin`, `restart`, `stop` and `start`: something is asked of a workspace beyond its files, and is waited
//! for.

use std::process::ExitCode;

use cloudyknight_core::desired::Taken;

use super::wait;
use crate::args::Patience;
use crate::client::{Client, workspace};
use crate::errors::hinted;
use crate::home::Home;

pub async fn run(
    home: &Home,
    name: &str,
    wish: &str,
    patience: Patience,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let taken: Taken = client.ask(&workspace(name, wish)).await?;
    if !taken.changed && !json {
        anstream::eprintln!("{name}: there was nothing to change");
    }
    follow(&client, name, patience, json).await
}

/// Waits until what was asked of a workspace is so, or has failed.
pub async fn follow(client: &Client, name: &str, patience: Patience, json: bool) -> anyhow::Result<ExitCode> {
    let Patience { timeout } = patience;
    match wait::wait(client, name, None, timeout).await? {
        Some(status) => wait::tell(&status, json),
        None => Err(hinted(
            format!("it is written down, but was neither done nor had failed after {timeout} s"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        )),
    }
}
