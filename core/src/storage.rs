//! What a workspace holds where, as the API and the CLI (`--json`) tell it: in the bucket its source, and in containers what
//! is made of it. The second is what no bucket and no folder of the host has to keep, because it can be made again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Storage {
    pub version: u32,
    /// RFC 3339, UTC: when it was looked at. Docker takes its time for that, so it may be a few seconds ago.
    pub at: String,
    /// By name.
    pub workspaces: Vec<WorkspaceStorage>,
    /// What the bucket holds of the live releases of all of them.
    pub source_bytes: u64,
    /// What their containers hold beyond that: dependencies and what was written. An image that several of them use counts
    /// once.
    pub held_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkspaceStorage {
    #[schema(value_type = String)]
    pub workspace: WorkspaceName,
    /// Of its live release in the bucket; `None` where nothing is live, or the release cannot be read.
    pub source_bytes: Option<u64>,
    pub source_files: Option<u64>,
    /// Of the images that its containers run: what lies above the runtime image, or, of an image that it builds, above the
    /// one that this is made from. An image of somebody else counts whole.
    pub dependency_bytes: u64,
    /// In the writable layers of its containers.
    pub written_bytes: u64,
}

impl Storage {
    pub const VERSION: u32 = 1;
}
