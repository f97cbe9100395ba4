//! What differs between two releases of a workspace, as the API and the CLI (`--json`) tell it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::manifest::ReleaseDigest;
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    pub version: u32,
    pub workspace: WorkspaceName,
    pub from: ReleaseDigest,
    pub to: ReleaseDigest,
    /// By path. A path whose content is the same in both is not listed, whatever its ETag.
    pub files: Vec<FileDifference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileDifference {
    pub path: String,
    pub change: Change,
    /// In bytes; `None` where the file is not there.
    pub size_before: Option<u64>,
    pub size_after: Option<u64>,
    /// The lines that differ, as a unified diff, of a text file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_text: Option<NoText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FileChange)]
pub enum Change {
    Added,
    Changed,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoText {
    Binary,
    /// It is larger than what is compared line by line, or the answer would be.
    TooLarge,
    /// A key that can be no file: what it held is not kept.
    NoFile,
}

impl Difference {
    pub const VERSION: u32 = 1;
}
