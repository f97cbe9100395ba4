//! The named volumes of workspaces, as the API and the CLI (`--json`) tell them. They outlive releases, rollbacks and
//! the removal of their workspace, and are deleted only on request.

use serde::{Deserialize, Serialize};

use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volumes {
    pub version: u32,
    /// By workspace and name.
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub workspace: WorkspaceName,
    /// As the compose file has it.
    pub volume: String,
    /// As Docker has it.
    pub name: String,
    /// RFC 3339; `None` where Docker does not say.
    pub created_at: Option<String>,
    /// The services whose containers mount it, running or not.
    pub used_by: Vec<String>,
}

impl Volumes {
    pub const VERSION: u32 = 1;
}
