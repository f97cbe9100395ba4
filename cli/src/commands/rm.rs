//! `cloudyknight rm`: deletes a workspace from the bucket, as any S3 client could, and waits until it is gone.

use std::process::ExitCode;

use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;
use futures::{StreamExt, TryStreamExt};

use super::{confirmed, wait};
use crate::client::{Client, workspace};
use crate::errors::hinted;
use crate::home::Home;
use crate::s3;

const PARALLEL: usize = 8;
const TIMEOUT: u64 = 120;

pub async fn run(home: &Home, name: &str, yes: bool, json: bool) -> anyhow::Result<ExitCode> {
    let name: WorkspaceName = name.parse()?;
    let bucket = s3::workspaces(home).await?;
    let objects = bucket.list(&name.prefix()).await?;
    let client = Client::new(home)?;
    // Nobody may know of it yet, which is no reason not to delete it.
    let status: anyhow::Result<WorkspaceStatus> = client.get(&format!("/api/v1/workspaces/{name}")).await;
    let pinned = status.is_ok_and(|status| status.pinned.is_some());
    if objects.is_empty() && !pinned {
        return Err(hinted(
            format!("the bucket holds nothing of `{name}`"),
            "`cloudyknight ls` lists the workspaces",
        ));
    }
    let question = format!("Delete the {} files of `{name}` from the bucket?", objects.len());
    if !confirmed(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let deletions = objects.iter().map(|object| bucket.delete(&object.key));
    futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    // Pinned, it would serve on whatever the bucket holds, and that is not what was asked.
    if pinned {
        client.post(&workspace(name.as_str(), "unpin")).await?;
    }
    wait::hurry(home, &client, name.as_str()).await?;
    match wait::wait(&client, name.as_str(), None, TIMEOUT).await? {
        Some(status) => wait::tell(&status, json),
        None => Err(hinted(
            format!("the files of `{name}` are deleted, but its containers still run after {TIMEOUT} s"),
            "`cloudyknight doctor` looks for the reason",
        )),
    }
}
