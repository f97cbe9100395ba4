//! The files of a workspace in the bucket, and how to upload some, as the API and the CLI (`--json`) tell it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Files {
    pub version: u32,
    /// In the order of their paths.
    pub files: Vec<File>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct File {
    pub path: String,
    pub size_bytes: u64,
    pub etag: String,
    /// RFC 3339, UTC; `None` where the server does not say.
    pub modified_at: Option<String>,
}

/// A URL to which whoever has it may put an archive of a workspace, once or several times, without other credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadUrl {
    pub version: u32,
    pub url: String,
    pub method: String,
    /// RFC 3339, UTC.
    pub expires_at: String,
    /// For a shell.
    pub command: String,
    /// It leads to an address that only programs on the platform's own machine can reach.
    pub only_on_this_host: bool,
}

/// An archive that was taken, and is about to be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uploaded {
    pub version: u32,
    /// Where it lies in the bucket until it is unpacked.
    pub key: String,
    pub size_bytes: u64,
}

impl Files {
    pub const VERSION: u32 = 1;
}

impl UploadUrl {
    pub const VERSION: u32 = 1;
}

impl Uploaded {
    pub const VERSION: u32 = 1;
}
