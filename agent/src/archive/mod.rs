//! Uploaded archives: `NAME.tar.gz` and its like at the first level of the workspaces bucket are pushes of the whole
//! workspace `NAME`. One is unpacked in memory, its files are made the workspace's folder in the bucket, and it is deleted;
//! what is deployed is then what the bucket lists, as always.
//!
//! Guarantee: an archive that is bad changes nothing. One that is good ends as the content of the workspace's folder,
//! whatever interrupts us: it is deleted last, and only as what was read, so a newer one is never lost. Assumption: the
//! workspace is not deployed meanwhile. Caveat: what is pushed to the folder while an archive is taken may be replaced by
//! what the archive holds.

use std::path::{Path, PathBuf};

use cloudyknight_core::archive::{self, Archive, ArchiveResult};
use cloudyknight_core::commit::Committed;
use cloudyknight_core::status::Failure;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError, Follow, Object};
use cloudyknight_store::listing::{Listing, listing};
use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;

use crate::board::{Board, now};
use crate::deploy::{Tools, with_causes};
use crate::publish::{PublishError, Published, publish};
use crate::source;

mod refusal;
mod tar;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod zip;
mod zstd;

pub use refusal::{Refusal, UnpackError};
pub use tree::{Limits, Unpacked};
pub use unpack::unpack;

/// The most entries that an archive may have.
const ENTRIES: usize = 100_000;

/// How often an archive is published in a row, to a folder that somebody else pushes to as well.
const PUBLISH_LIMIT: u32 = 3;

/// What archives are taken with.
pub struct Intake<'a> {
    pub workspaces: &'a dyn Bucket,
    pub board: &'a Board,
    /// In memory: a folder beside the sources of releases.
    pub source_dir: &'a Path,
    /// The largest workspace that is deployed, in bytes. An archive may be as large itself, and so may what it holds.
    pub max_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// There is none that was not looked at before.
    None,
    /// The workspace's folder holds what it held.
    Published,
    /// Nothing was changed.
    Refused(Failure),
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("could not work with the archive in the bucket")]
    Bucket(#[from] BucketError),
    #[error("could not make the archive's files the workspace's")]
    Publish(#[from] PublishError),
    #[error("could not keep the archive below the source directory")]
    Disk(#[source] std::io::Error),
    #[error("could not unpack the archive")]
    Unpack(#[source] UnpackError),
    #[error("other files are being pushed to the workspace's folder at the same time")]
    Busy,
    #[error("could not save what became of the archive")]
    Report(#[source] BucketError),
}

impl<'a> Intake<'a> {
    pub fn of(tools: &'a Tools, board: &'a Board) -> Self {
        Self {
            workspaces: tools.workspaces.as_ref(),
            board,
            source_dir: &tools.settings.source_dir,
            max_bytes: tools.settings.max_source_bytes,
        }
    }

    /// Whether there is one that was not refused.
    pub async fn is_expected(&self, workspace: &WorkspaceName) -> Result<bool, BucketError> {
        let latest = latest(&self.find(workspace).await?);
        Ok(latest.is_some_and(|latest| !self.was_refused(workspace, &latest)))
    }

    /// Takes the archive of a workspace, if there is one; of several, the last that was uploaded. One that was refused
    /// before is looked at only `again`.
    pub async fn take(&self, workspace: &WorkspaceName, again: bool) -> Result<Taken, ArchiveError> {
        loop {
            let mut found = self.find(workspace).await?;
            let Some(latest) = latest(&found) else {
                self.forget(workspace).await?;
                return Ok(Taken::None);
            };
            found.retain(|one| *one != latest);
            if !again && self.was_refused(workspace, &latest) {
                return Ok(Taken::None);
            }
            if !self.was_published(workspace, &latest) {
                self.tell(workspace, &latest, ArchiveResult::Unpacking);
            }
            let scratch = Scratch::new(self.source_dir, workspace);
            scratch.discard().await;
            let taken = self.take_one(workspace, &latest, &scratch).await;
            scratch.discard().await;
            match taken {
                Ok(Step::Done) => {}
                Ok(Step::Again) => continue,
                Ok(Step::Refused(failure)) => {
                    tracing::warn!(%workspace, key = latest.key, error = failure.message, "the archive was refused");
                    self.tell(workspace, &latest, ArchiveResult::Refused(failure.clone()));
                    return Ok(Taken::Refused(failure));
                }
                Err(error) => {
                    let failure = Failure {
                        message: with_causes(&error),
                        service: None,
                        hint: error.hint(),
                        log: Vec::new(),
                    };
                    self.tell(workspace, &latest, ArchiveResult::Waiting(failure));
                    return Err(error);
                }
            }
            // Those before it were meant to be replaced by it.
            for older in found {
                match self.workspaces.delete_if(&older.key, &older.etag).await {
                    // It was replaced meanwhile, and is looked at when that is told.
                    Ok(()) | Err(BucketError::Changed { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match self.workspaces.delete_if(&latest.key, &latest.etag).await {
                Ok(()) => return Ok(Taken::Published),
                Err(BucketError::Changed { .. }) => {
                    tracing::info!(%workspace, key = latest.key, "the archive was replaced meanwhile: looking again");
                    if self.find(workspace).await?.is_empty() {
                        return Ok(Taken::Published);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn find(&self, workspace: &WorkspaceName) -> Result<Vec<Object>, BucketError> {
        let mut found = self.workspaces.list(&format!("{workspace}.")).await?;
        found.retain(|object| {
            archive::workspace(&object.key).is_some_and(|name| name.as_ref() == Ok(workspace))
        });
        Ok(found)
    }

    async fn take_one(
        &self,
        workspace: &WorkspaceName,
        object: &Object,
        scratch: &Scratch,
    ) -> Result<Step, ArchiveError> {
        if self.was_published(workspace, object) {
            // All that was missing is that it is deleted. What was pushed since then stays.
            return Ok(Step::Done);
        }
        if object.size > self.max_bytes {
            return Ok(Step::refused(object, &Refusal::TooLarge { limit: self.max_bytes }));
        }
        match self.fetch(object, scratch).await {
            // It was replaced, or taken away.
            Err(ArchiveError::Bucket(error)) if error.follow() == Follow::ListAgain => {
                return Ok(Step::Again);
            }
            fetched => fetched?,
        }
        let limits = Limits { bytes: self.max_bytes, entries: ENTRIES };
        let (file, files) = (scratch.file(), scratch.files());
        let unpacked = tokio::task::spawn_blocking(move || unpack(&file, &files, limits)).await;
        let unpacked = match unpacked {
            Ok(Ok(unpacked)) => unpacked,
            Ok(Err(UnpackError::Refused(refusal))) => return Ok(Step::refused(object, &refusal)),
            Ok(Err(error)) => return Err(ArchiveError::Unpack(error)),
            // A decoder that gave up in the worst way did so because of what it read.
            Err(_) => {
                let why = "its content made the decoder give up".to_owned();
                return Ok(Step::refused(object, &Refusal::Damaged { entry: String::new(), why }));
            }
        };
        let (published, now) = self.publish(workspace, &unpacked.folder).await?;
        let Published { put, deleted, unchanged } = published;
        tracing::info!(%workspace, key = object.key, put, deleted, unchanged, "the archive is the workspace now");
        self.board.update(workspace, |status| {
            // All of it was pushed at once, as with a commit: nothing of it waits for one.
            status.committed =
                now.map(|now| Committed { commit: now.commit, release: now.manifest.digest() });
        });
        let left_out = unpacked.left_out;
        self.tell(workspace, object, ArchiveResult::Published { put, deleted, unchanged, left_out });
        // Before the archive is gone: it would be forgotten that it was one push.
        self.board.save(workspace).await.map_err(ArchiveError::Report)?;
        Ok(Step::Done)
    }

    /// Makes the folder the workspace's, and answers the listing that holds nothing else; `None` where somebody pushes there
    /// and nobody commits, so that it is for the quiet window to say when that is complete.
    async fn publish(
        &self,
        workspace: &WorkspaceName,
        folder: &Path,
    ) -> Result<(Published, Option<Listing>), ArchiveError> {
        let mut total = Published::default();
        for _ in 0..PUBLISH_LIMIT {
            let (published, made) = publish(self.workspaces, workspace, folder).await?;
            let now = listing(self.workspaces, workspace).await?;
            total.put += published.put;
            total.deleted += published.deleted;
            total.unchanged = published.unchanged;
            if now.manifest == made {
                return Ok((total, Some(now)));
            }
            if now.commit.is_none() {
                return Ok((total, None));
            }
            tracing::info!(%workspace, "files were pushed while the archive was taken, and nobody committed them");
        }
        Err(ArchiveError::Busy)
    }

    /// To a file in memory: what reads a zip archive goes back and forth in it.
    async fn fetch(&self, object: &Object, scratch: &Scratch) -> Result<(), ArchiveError> {
        tokio::fs::create_dir_all(scratch.files()).await.map_err(ArchiveError::Disk)?;
        let mut body = self.workspaces.get(&object.key, Some(&object.etag)).await?.body;
        let mut file = tokio::fs::File::create(scratch.file()).await.map_err(ArchiveError::Disk)?;
        let mut size = 0;
        while let Some(piece) = body.try_next().await? {
            size += piece.len() as u64;
            if size > self.max_bytes {
                // More than was listed: not what was asked for.
                let (bucket, key) = (String::new(), object.key.clone());
                return Err(BucketError::Changed { bucket, key }.into());
            }
            file.write_all(&piece).await.map_err(ArchiveError::Disk)?;
        }
        file.flush().await.map_err(ArchiveError::Disk)
    }

    fn was_published(&self, workspace: &WorkspaceName, object: &Object) -> bool {
        let last = self.board.get(workspace).and_then(|status| status.archive);
        last.is_some_and(|last| {
            matches!(last.result, ArchiveResult::Published { .. })
                && last.is_of(&object.key, &object.etag, object.modified_ms)
        })
    }

    fn was_refused(&self, workspace: &WorkspaceName, object: &Object) -> bool {
        let last = self.board.get(workspace).and_then(|status| status.archive);
        last.is_some_and(|last| {
            last.refused().is_some() && last.is_of(&object.key, &object.etag, object.modified_ms)
        })
    }

    /// What was said of an archive that is no longer there, and never became the workspace.
    async fn forget(&self, workspace: &WorkspaceName) -> Result<(), ArchiveError> {
        let last = self.board.get(workspace).and_then(|status| status.archive);
        let stale = |last: &Archive| !matches!(last.result, ArchiveResult::Published { .. });
        if last.as_ref().is_some_and(stale) {
            self.board.update(workspace, |status| status.archive = None);
            self.board.save(workspace).await.map_err(ArchiveError::Report)?;
        }
        Ok(())
    }

    fn tell(&self, workspace: &WorkspaceName, object: &Object, result: ArchiveResult) {
        let Object { key, etag, size, modified_ms } = object.clone();
        let archive = Archive { key, etag, modified_ms, size, at: now(), result };
        self.board.update(workspace, |status| status.archive = Some(archive));
    }
}

fn latest(found: &[Object]) -> Option<Object> {
    archive::latest(found, |one| (one.modified_ms, one.key.clone())).cloned()
}

enum Step {
    Done,
    Again,
    Refused(Failure),
}

impl Step {
    fn refused(object: &Object, refusal: &Refusal) -> Self {
        Self::Refused(Failure {
            message: format!("the archive `{}` was refused: {refusal}", object.key),
            service: None,
            hint: Some(refusal.hint().to_owned()),
            log: Vec::new(),
        })
    }
}

impl ArchiveError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bucket(error) | Self::Publish(PublishError::Bucket(error)) => match error.follow() {
                Follow::Human => Some(
                    "archives need an agent that may write and delete in the workspaces bucket (`PublishFiles` in \
                     `infra/template.yaml`)"
                        .to_owned(),
                ),
                _ => cloudyknight_store::hint::of(error),
            },
            Self::Report(error) => cloudyknight_store::hint::of(error),
            Self::Busy => Some("it is taken once nobody else pushes there".to_owned()),
            Self::Publish(_) | Self::Disk(_) | Self::Unpack(_) => {
                Some("is the memory of the source directory full? `df` tells".to_owned())
            }
        }
    }
}

/// Where one archive is worked on.
struct Scratch(PathBuf);

impl Scratch {
    /// Not a name that begins with a workspace's: what clears away after deployments must not find it.
    fn new(source_dir: &Path, workspace: &WorkspaceName) -> Self {
        Self(source_dir.join(format!(".archive-{workspace}")))
    }

    fn file(&self) -> PathBuf {
        self.0.join("archive")
    }

    fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    async fn discard(&self) {
        source::discard(&self.0).await;
    }
}
