//! The named volumes of workspaces, as the API and the CLI (`--json`) tell them. They outlive releases, rollbacks and
//! the removal of their workspace, and are deleted only on request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Volumes {
    pub version: u32,
    /// By workspace and name.
    pub volumes: Vec<Volume>,
    /// Where the next page begins; `None` at the end.
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
