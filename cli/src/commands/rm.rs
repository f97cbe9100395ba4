//! `cloudyknight rm`: deletes a workspace from the bucket, through S3 as any client could or through the API, and waits until it is gone.

use std::process::ExitCode;

use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;

use super::ls::nothing_of;
use super::push::target::Target;
use super::{confirmed, wait};
use crate::client::{Client, workspace};
use crate::errors::timed_out;
use crate::home::Home;
use crate::output::Output;

const TIMEOUT: u64 = 120;

pub async fn run(home: &Home, name: &str, yes: bool, output: Output) -> anyhow::Result<ExitCode> {
    let name: WorkspaceName = name.parse()?;
    let client = Client::new(home)?;
    let target = Target::of(home).await?;
    let there = target.list(&client, &name).await?;
    // Nobody may know of it yet, which is no reason not to delete it.
    let status: anyhow::Result<WorkspaceStatus> = client.get(&format!("/api/v1/workspaces/{name}")).await;
    let pinned = status.is_ok_and(|status| status.pinned.is_some());
    if there.is_empty() && !pinned {
        return Err(nothing_of(home, &name).await);
    }
    let question = format!("Delete the {} files of `{name}` from the bucket?", there.len());
    if !confirmed(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    target.delete_all(&client, &name).await?;
    // Pinned, it would serve on whatever the bucket holds, and that is not what was asked.
    if pinned {
        client.post(&workspace(name.as_str(), "unpin")).await?;
    }
    wait::hurry(home, &client, name.as_str()).await?;
    match wait::wait(&client, name.as_str(), None, TIMEOUT).await? {
        Some(status) => wait::tell(&status, output),
        None => Err(timed_out(
            format!("the files of `{name}` are deleted, but its containers still run after {TIMEOUT} s"),
            "`cloudyknight doctor` looks for the reason",
        )),
    }
}
