//! What people asked of a workspace beyond its files: pinned to a release, stopped, restarted. One small document a
//! workspace in the platform bucket, so that it outlives the host. Asking changes the document; the agent makes what
//! runs equal to it, as it does with the files.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::manifest::{Manifest, ReleaseDigest};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Desired {
    pub version: u32,
    /// This release, whatever the bucket holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// Nothing of it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// How often a restart was asked for: containers made for another number are replaced.
    #[serde(default)]
    pub restarts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pin {
    pub release: ReleaseDigest,
    /// RFC 3339, UTC.
    pub at: String,
}

/// The API's answer to a wish: it is written down, and the agent sees to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    pub version: u32,
    pub workspace: WorkspaceName,
    /// The release that the wish is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseDigest>,
    pub desired: Desired,
    /// False when that was so already.
    pub changed: bool,
}

impl Taken {
    pub const VERSION: u32 = 1;

    /// `was`: what was asked before.
    pub fn new(
        workspace: WorkspaceName,
        release: Option<ReleaseDigest>,
        was: &Desired,
        desired: Desired,
    ) -> Self {
        let changed = *was != desired;
        Self { version: Self::VERSION, workspace, release, desired, changed }
    }
}

impl Desired {
    pub const VERSION: u32 = 1;

    /// What the bucket holds, where that is not what is to run.
    pub fn held_back(&self, listed: &Manifest) -> Option<ReleaseDigest> {
        if listed.is_empty() || (self.pinned.is_none() && !self.stopped) {
            return None;
        }
        let release = listed.digest();
        (self.pinned.as_ref().map(|pin| &pin.release) != Some(&release)).then_some(release)
    }

    /// Where it lies in the platform bucket. A workspace of which nothing was asked has none.
    pub fn key(workspace: &WorkspaceName) -> String {
        format!("desired/{workspace}.json")
    }
}

impl Default for Desired {
    fn default() -> Self {
        Self { version: Self::VERSION, pinned: None, stopped: false, restarts: 0 }
    }
}
