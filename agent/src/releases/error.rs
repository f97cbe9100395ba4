//! What can go wrong with a release that is kept, and what follows from it.

use bytes::Bytes;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{BucketError, Follow};

use crate::source::SourceError;

#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("could not keep release {} of `{workspace}` in the platform bucket", .release.short())]
    Keep {
        workspace: WorkspaceName,
        release: ReleaseDigest,
        #[source]
        source: BucketError,
    },
    #[error("could not read release {} of `{workspace}` from the platform bucket", .release.short())]
    Read {
        workspace: WorkspaceName,
        release: ReleaseDigest,
        #[source]
        source: BucketError,
    },
    #[error("release {} of `{workspace}` is damaged in the platform bucket: {why}", .release.short())]
    Damaged { workspace: WorkspaceName, release: ReleaseDigest, why: String },
    #[error("could not make the files of release {} of `{workspace}`", .release.short())]
    Source {
        workspace: WorkspaceName,
        release: ReleaseDigest,
        #[source]
        source: SourceError,
    },
    #[error("release {} of `{workspace}` is not kept", .release.short())]
    Unknown { workspace: WorkspaceName, release: ReleaseDigest },
    #[error("could not list the releases of `{workspace}` in the platform bucket")]
    List {
        workspace: WorkspaceName,
        #[source]
        source: BucketError,
    },
    #[error("releases of `{workspace}` are being read or written just now")]
    InUse { workspace: WorkspaceName },
    #[error("could not pin `{workspace}`")]
    Pin {
        workspace: WorkspaceName,
        #[source]
        source: BucketError,
    },
    #[error("could not remove old releases of `{workspace}`")]
    Collect {
        workspace: WorkspaceName,
        #[source]
        source: BucketError,
    },
    #[error("could not read or write the history of `{workspace}` in the platform bucket")]
    History {
        workspace: WorkspaceName,
        #[source]
        source: BucketError,
    },
    #[error("the history of `{workspace}` in the platform bucket is damaged: {why}")]
    HistoryDamaged {
        workspace: WorkspaceName,
        why: String,
        /// As it was found.
        text: Bytes,
    },
}

impl ReleaseError {
    pub(super) fn read(workspace: &WorkspaceName, release: &ReleaseDigest, source: BucketError) -> Self {
        Self::Read { workspace: workspace.clone(), release: release.clone(), source }
    }

    pub(super) fn damaged(workspace: &WorkspaceName, release: &ReleaseDigest, why: impl ToString) -> Self {
        Self::Damaged { workspace: workspace.clone(), release: release.clone(), why: why.to_string() }
    }

    fn bucket(&self) -> Option<&BucketError> {
        match self {
            Self::Keep { source, .. }
            | Self::Read { source, .. }
            | Self::List { source, .. }
            | Self::Pin { source, .. }
            | Self::Collect { source, .. }
            | Self::History { source, .. }
            | Self::Source { source: SourceError::Bucket { source, .. }, .. } => Some(source),
            Self::Damaged { .. }
            | Self::Source { .. }
            | Self::Unknown { .. }
            | Self::InUse { .. }
            | Self::HistoryDamaged { .. } => None,
        }
    }

    /// Whether trying again may help: nothing is wrong with the release itself.
    pub fn is_passing(&self) -> bool {
        match self.bucket() {
            // A refusal ends when somebody grants what is missing.
            Some(error) => error.follow() != Follow::ListAgain,
            None => {
                matches!(self, Self::InUse { .. } | Self::Source { source: SourceError::Disk { .. }, .. })
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { workspace, .. } => Some(format!(
                "go back to another one: `cloudyknight history {workspace}` lists them; pushing the same files again \
                 mends it"
            )),
            Self::Unknown { workspace, .. } => {
                Some(format!("`cloudyknight history {workspace}` lists those that are"))
            }
            Self::Source { source: SourceError::TooLarge { .. }, .. } => Some(
                "raise the setting `max_source_mb`: it was larger when this release was deployed".to_owned(),
            ),
            Self::InUse { .. } => Some("try again in a moment".to_owned()),
            Self::HistoryDamaged { .. } => {
                Some("the next deployment puts it aside and begins a new one".to_owned())
            }
            _ => self.bucket().and_then(|error| cloudyknight_store::hint::of(error)),
        }
    }
}
