//! The bucket against what is deployed, on a schedule: whatever notification was lost, the next sweep finds what it
//! was about. For every workspace that differs it sends the command that the notification would have led to.

use std::collections::BTreeSet;

use cloudyknight_core::command::{Cause, Command};
use cloudyknight_core::manifest::Manifest;
use cloudyknight_core::status::{Outcome, State, WorkspaceStatus};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::{InvalidName, WorkspaceName};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow};
use cloudyknight_store::listing;
use cloudyknight_store::queue::{Queue, QueueError};
use futures::{StreamExt, TryStreamExt, stream};

use crate::chain::Chain;
use crate::object_changed::outgoing;
use crate::trace;

/// How many workspaces are compared at once.
const AT_ONCE: usize = 8;
/// The largest status document that is read, in bytes; the platform writes none near it.
const MAX_STATUS: u64 = 1 << 20;
const STATUS: &str = "status/";
/// A file of this name in a workspace means: leave it alone.
const NO_MONITOR: &str = ".nomonitor";

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    pub workspaces: usize,
    /// What was sent for those that differed.
    pub sent: Vec<Command>,
    /// Folders of the bucket that can be no workspaces.
    pub strange: Vec<(String, InvalidName)>,
    /// Workspaces that could not be compared because the bucket refused.
    pub refused: Vec<(WorkspaceName, BucketError)>,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("the sweep could not compare what is in the bucket with what is deployed")]
    Compare(#[source] BucketError),
    #[error("the sweep found {drifted} workspaces to repair and could not say so")]
    Send {
        drifted: usize,
        #[source]
        source: QueueError,
    },
}

/// Compares every workspace once. Each command begins a trace, unless `outer` goes on already.
///
/// A workspace whose newest release was tried and failed is left alone: it would fail again, and its status says why.
pub async fn handle(
    workspaces: &dyn Bucket,
    platform: &dyn Bucket,
    commands: &dyn Queue,
    outer: Option<&TraceParent>,
) -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    let mut names = known(platform).await.map_err(SweepError::Compare)?;
    for folder in workspaces.folders().await.map_err(SweepError::Compare)? {
        match folder.parse() {
            Ok(name) => drop(names.insert(name)),
            Err(why) => swept.strange.push((folder, why)),
        }
    }
    swept.workspaces = names.len();
    let compared: Vec<_> = stream::iter(names)
        .map(|name| async move { settled(compare(workspaces, platform, &name).await, name) })
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(SweepError::Compare)?;
    let mut repairs = Vec::new();
    for (name, compared) in compared {
        match compared {
            Ok(None) => {}
            Ok(Some(dedup)) => {
                repairs.push((trace::traced(Command::reconcile(name, Cause::Sweep), outer), dedup));
            }
            Err(error) => swept.refused.push((name, error)),
        }
    }
    send(&repairs, commands).await?;
    swept.sent = repairs.into_iter().map(|(command, _)| command).collect();
    Ok(swept)
}

/// A refusal concerns one workspace and is told with the others; anything else concerns the bucket.
fn settled<T>(
    result: Result<T, BucketError>,
    name: WorkspaceName,
) -> Result<(WorkspaceName, Result<T, BucketError>), BucketError> {
    match result {
        Err(error) if error.follow() != Follow::Human => Err(error),
        result => Ok((name, result)),
    }
}

/// The workspaces that have a status.
async fn known(platform: &dyn Bucket) -> Result<BTreeSet<WorkspaceName>, BucketError> {
    let name = |key: &str| key.strip_prefix(STATUS)?.strip_suffix(".json")?.parse().ok();
    Ok(platform.list(STATUS).await?.iter().filter_map(|object| name(&object.key)).collect())
}

/// The deduplication id of the repair, if one is due. The same drift, seen again while its command may still be under
/// way, has the same id.
async fn compare(
    workspaces: &dyn Bucket,
    platform: &dyn Bucket,
    name: &WorkspaceName,
) -> Result<Option<String>, BucketError> {
    // The status first: one that is written after the listing would tell of a newer release than we saw.
    let status = status(platform, name).await?;
    let manifest = listing::manifest(workspaces, name).await?;
    Ok(drifted(&manifest, status.as_ref()).then(|| {
        let seen = status.map(|status| status.updated_at).unwrap_or_default();
        blake3::hash(format!("sweep {name} {} {seen}", manifest.digest()).as_bytes()).to_hex().to_string()
    }))
}

/// None where there is no status, or none that can be understood: then the agent had better write a new one.
async fn status(platform: &dyn Bucket, name: &WorkspaceName) -> Result<Option<WorkspaceStatus>, BucketError> {
    let content = match platform.get(&format!("{STATUS}{name}.json"), None).await {
        Ok(content) => content,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = content.object.size;
    if size > MAX_STATUS {
        tracing::warn!(workspace = %name, size, "the status is too large to be one; asking for a new one");
        return Ok(None);
    }
    match serde_json::from_slice::<WorkspaceStatus>(&content.bytes().await?) {
        Ok(status) if status.version == WorkspaceStatus::VERSION => Ok(Some(status)),
        Ok(WorkspaceStatus { version, .. }) => {
            tracing::warn!(workspace = %name, version, "the status is of an unknown version; asking for a new one");
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(workspace = %name, error = %Chain(&error), "the status is malformed; asking for a new one");
            Ok(None)
        }
    }
}

/// Whether the agent should look at a workspace that is in this state.
fn drifted(manifest: &Manifest, status: Option<&WorkspaceStatus>) -> bool {
    let Some(status) = status else {
        return !manifest.is_empty();
    };
    if manifest.is_empty() {
        return status.state != State::Removed;
    }
    if manifest.entries.contains_key(NO_MONITOR) {
        return status.state != State::Ignored;
    }
    if matches!(status.state, State::Removed | State::Ignored) {
        return true;
    }
    let attempted = match &status.deployment {
        // It has not listed yet, and will see what we see.
        Some(deployment) if deployment.release.is_none() && deployment.outcome == Outcome::Running => {
            return false;
        }
        Some(deployment) => deployment.release.as_ref(),
        None => status.release.as_ref(),
    };
    attempted != Some(&manifest.digest())
}

async fn send(repairs: &[(Command, String)], commands: &dyn Queue) -> Result<(), SweepError> {
    if repairs.is_empty() {
        return Ok(());
    }
    let outgoing = repairs.iter().map(|(command, dedup)| outgoing(command, Some(dedup.clone()))).collect();
    commands.send(outgoing).await.map_err(|source| SweepError::Send { drifted: repairs.len(), source })
}

impl Swept {
    /// Writes to the log what somebody may have to act on.
    pub fn log(&self) {
        for (folder, why) in &self.strange {
            tracing::warn!(?folder, %why, "a folder of the bucket can be no workspace; nothing in it is deployed");
        }
        for (workspace, error) in &self.refused {
            tracing::error!(%workspace, error = %Chain(error), "could not compare a workspace with what is deployed");
        }
        for command in &self.sent {
            tracing::info!(
                workspace = %command.workspace,
                trace_id = trace::id(command),
                "the bucket differs from what is deployed: sent a command"
            );
        }
    }

    /// The workspaces that differed.
    pub fn drifted(&self) -> Vec<&WorkspaceName> {
        self.sent.iter().map(|command| &command.workspace).collect()
    }
}

#[cfg(test)]
mod tests;
