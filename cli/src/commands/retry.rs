//! `cloudyknight retry`: tries a release that failed, or an archive that was refused, once more. The bucket did not change, so nothing else would.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cloudyknight_core::status::{Outcome, WorkspaceStatus};

use super::wait;
use crate::client::{Client, segment};
use crate::errors::{hinted, timed_out};
use crate::home::Home;
use crate::output::Output;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub async fn run(home: &Home, name: &str, timeout: u64, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let before: WorkspaceStatus = client.get(&path(name)).await?;
    if !failed(&before) {
        return Err(hinted(
            format!("the last deployment of `{name}` did not fail"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        ));
    }
    client.post(&format!("{}/reconcile", path(name))).await?;
    match another(&client, name, &before, timeout).await? {
        Some(status) => wait::tell(&status, output),
        None => Err(timed_out(
            format!("`{name}` is being tried again, but was neither live nor failed after {timeout} s"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        )),
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/workspaces/{}", segment(name))
}

fn failed(status: &WorkspaceStatus) -> bool {
    let refused = status.archive.as_ref().is_some_and(|archive| archive.refused().is_some());
    refused || status.deployment.as_ref().is_some_and(|last| matches!(last.outcome, Outcome::Failed(_)))
}

/// The status after a deployment that came after `before`; `None` when the time was over first.
async fn another(
    client: &Client,
    name: &str,
    before: &WorkspaceStatus,
    timeout: u64,
) -> anyhow::Result<Option<WorkspaceStatus>> {
    let id = |status: &WorkspaceStatus| status.deployment.as_ref().map(|deployment| deployment.id.clone());
    let give_up = Instant::now() + Duration::from_secs(timeout);
    while Instant::now() < give_up {
        let now: WorkspaceStatus = client.get(&path(name)).await?;
        let ended = now.deployment.as_ref().is_some_and(|last| last.outcome != Outcome::Running);
        if ended && id(&now) != id(before) {
            return Ok(Some(now));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(None)
}
