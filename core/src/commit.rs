//! The commit marker: an object in a workspace that makes many files one push. While it is there, files wait until it is
//! put again; the bucket stamps both with its own clock, and what is newer than the marker is not part of the commit.
//!
//! The folder it lies in belongs to the platform: nothing in it is source, so nothing in it is part of a release.

use serde::{Deserialize, Serialize};

use crate::manifest::ReleaseDigest;

/// The folder of a workspace that is not its source.
pub const FOLDER: &str = ".cloudyknight";
/// The marker's path in the workspace.
pub const MARKER: &str = ".cloudyknight/commit";

/// Whether a path of a workspace lies in the platform's folder, or is that folder's marker.
pub fn is_own(path: &str) -> bool {
    path.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'))
}

/// One put of the marker. Putting the same content again is another commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub etag: String,
    /// In milliseconds since the Unix epoch, by the clock of the bucket.
    pub modified_ms: i64,
}

/// A commit that was taken, and the release it stood for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    pub commit: Commit,
    pub release: ReleaseDigest,
}
