//! What somebody may do. Each role may what those before it may.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Only what everybody may know of public workspaces.
    Catalogue,
    Read,
    /// Also change workspaces.
    Deploy,
    /// Also what concerns the platform: tokens, the audit, dead letters.
    Admin,
}
