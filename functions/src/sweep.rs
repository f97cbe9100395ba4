//! The bucket against what is deployed, on a schedule: whatever notification was lost, the next sweep finds what it
//! was about. For every workspace that differs it sends the command that the notification would have led to.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::archive::{self, ArchiveResult};
use cloudyknight_core::command::{Cause, Command};
use cloudyknight_core::commit::Gate;
use cloudyknight_core::origin::Origin;
use cloudyknight_core::status::{Outcome, State, WorkspaceStatus};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::{InvalidName, WorkspaceName};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow, Object};
use cloudyknight_store::listing::{self, Listing};
use cloudyknight_store::queue::{Queue, QueueError};
use futures::{StreamExt, TryStreamExt, stream};

use crate::chain::Chain;
use crate::object_changed::outgoing;
use crate::{clock, trace};

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
    /// Folders of the bucket that can be no workspaces, and archives of such.
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
    let top = workspaces.top_level().await.map_err(SweepError::Compare)?;
    for folder in top.folders {
        match folder.parse() {
            Ok(name) => drop(names.insert(name)),
            Err(why) => swept.strange.push((folder, why)),
        }
    }
    let archives = archives(top.objects, &mut swept.strange);
    names.extend(archives.keys().cloned());
    swept.workspaces = names.len();
    let compared: Vec<_> = stream::iter(names)
        .map(|name| {
            let archive = archives.get(&name);
            async move { settled(compare(workspaces, platform, &name, archive).await, name) }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(SweepError::Compare)?;
    let mut repairs = Vec::new();
    for (name, compared) in compared {
        match compared {
            Ok(None) => {}
            Ok(Some(Repair { cause, dedup })) => {
                let origin = Origin { decided_at: Some(clock::moment()), ..Origin::default() };
                let command = Command { origin: Some(origin), ..Command::reconcile(name, cause) };
                repairs.push((trace::traced(command, outer), dedup));
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

/// The archive of each workspace that has one, or the last uploaded of several.
fn archives(
    objects: Vec<Object>,
    strange: &mut Vec<(String, InvalidName)>,
) -> BTreeMap<WorkspaceName, Object> {
    let mut all: BTreeMap<WorkspaceName, Vec<Object>> = BTreeMap::new();
    for object in objects {
        match archive::workspace(&object.key) {
            Some(Ok(name)) => all.entry(name).or_default().push(object),
            Some(Err(why)) => strange.push((object.key, why)),
            None => {}
        }
    }
    let latest = |objects| archive::latest(objects, |one: &Object| (one.modified_ms, one.key.clone()));
    all.into_iter().filter_map(|(name, objects)| Some((name, latest(objects)?))).collect()
}

/// What is to be sent for a workspace. The same drift, seen again while its command may still be under way, has the same
/// deduplication id.
struct Repair {
    cause: Cause,
    dedup: String,
}

async fn compare(
    workspaces: &dyn Bucket,
    platform: &dyn Bucket,
    name: &WorkspaceName,
    archive: Option<&Object>,
) -> Result<Option<Repair>, BucketError> {
    // The status first: one that is written after the listing would tell of a newer release than we saw.
    let status = status(platform, name).await?;
    let listing = listing::listing(workspaces, name).await?;
    let seen = status.as_ref().map(|status| status.updated_at.clone()).unwrap_or_default();
    let repair = |cause, what: String| {
        let dedup = blake3::hash(format!("sweep {name} {what} {seen}").as_bytes()).to_hex().to_string();
        Some(Repair { cause, dedup })
    };
    if let Some(Object { key, etag, modified_ms, .. }) = archive
        && !is_refused(status.as_ref(), key, etag, *modified_ms)
    {
        return Ok(repair(Cause::Archive { key: key.clone() }, format!("{key} {etag} {modified_ms}")));
    }
    if let (None, Some(gone)) = (archive, withdrawn(status.as_ref())) {
        return Ok(repair(Cause::Archive { key: gone.to_owned() }, format!("{gone} is gone")));
    }
    let drifted = drifted(&listing, status.as_ref());
    Ok(drifted.then(|| repair(Cause::Sweep, listing.manifest.digest().to_string())).flatten())
}

/// Whether that upload was looked at, and will not become better.
fn is_refused(status: Option<&WorkspaceStatus>, key: &str, etag: &str, modified_ms: i64) -> bool {
    let archive = status.and_then(|status| status.archive.as_ref());
    archive.is_some_and(|archive| archive.refused().is_some() && archive.is_of(key, etag, modified_ms))
}

/// The archive that is told of, and that lies in the bucket unless somebody took it away.
fn withdrawn(status: Option<&WorkspaceStatus>) -> Option<&str> {
    let archive = status?.archive.as_ref()?;
    (!matches!(archive.result, ArchiveResult::Published { .. })).then_some(&archive.key)
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
fn drifted(listing: &Listing, status: Option<&WorkspaceStatus>) -> bool {
    let manifest = &listing.manifest;
    let Some(status) = status else {
        return !manifest.is_empty();
    };
    if manifest.is_empty() {
        return status.state != State::Removed && !status.only_refused();
    }
    if manifest.entries.contains_key(NO_MONITOR) {
        return status.state != State::Ignored;
    }
    if matches!(status.state, State::Removed | State::Ignored) {
        return true;
    }
    let attempted = match status.last() {
        // It has not listed yet, and will see what we see.
        Some(deployment) if deployment.release.is_none() && deployment.outcome == Outcome::Running => {
            return false;
        }
        Some(deployment) => deployment.release.as_ref(),
        None => status.release.as_ref(),
    };
    let release = manifest.digest();
    match listing.gate(status) {
        Gate::Open => attempted != Some(&release),
        // A commit of what was deployed before is one to take note of.
        Gate::Committed => attempted != Some(&release) || !listing.is_taken(status),
        // Nothing is to be done, but to be told.
        Gate::Closed => {
            attempted != Some(&release)
                && status.uncommitted.as_ref().map(|waiting| &waiting.release) != Some(&release)
        }
    }
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
        for (name, why) in &self.strange {
            tracing::warn!(?name, %why, "a folder or an archive of the bucket is of no workspace; nothing in it is deployed");
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
