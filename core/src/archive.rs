//! Uploaded archives: an object at the first level of the workspaces bucket, named after a workspace, that holds all of
//! its files. It is an atomic push: the files take the place of what the workspace's folder held, and the object goes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::status::Failure;
use crate::workspace::{InvalidName, WorkspaceName};

/// What the names of archives end with.
pub const SUFFIXES: [&str; 5] = [".tar.gz", ".tgz", ".tar.zst", ".tar", ".zip"];

/// What the names of archives end with that people have, and nobody here unpacks.
const OTHERS: [&str; 8] = [".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.lz4", ".tzst", ".7z", ".rar"];

/// The workspace that an object is an archive of; `None` for an object that is no archive by its name.
pub fn workspace(key: &str) -> Option<Result<WorkspaceName, InvalidName>> {
    if key.contains('/') {
        return None;
    }
    let name = SUFFIXES.iter().find_map(|suffix| key.strip_suffix(suffix))?;
    Some(name.parse())
}

/// Whether an object is an archive by its name, and of a kind that is not taken.
pub fn is_of_another_kind(key: &str) -> bool {
    !key.contains('/') && OTHERS.iter().any(|suffix| key.ends_with(suffix))
}

/// Of all archives of one workspace, the one that counts: the last that was uploaded. The others were meant to be replaced.
pub fn latest<T>(archives: impl IntoIterator<Item = T>, age: impl Fn(&T) -> (i64, String)) -> Option<T> {
    archives.into_iter().max_by_key(|one| age(one))
}

/// The last archive of a workspace that was looked at, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Archive {
    pub key: String,
    pub etag: String,
    /// When it was uploaded, in milliseconds since the Unix epoch, by the clock of the bucket.
    pub modified_ms: i64,
    /// In bytes.
    pub size: u64,
    /// RFC 3339, UTC: when this was found out.
    pub at: String,
    pub result: ArchiveResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ArchiveResult {
    /// It is being unpacked, and then its files are put where the workspace's are.
    Unpacking,
    /// It could not be taken yet, for no fault of its own, and is tried again.
    Waiting(Failure),
    /// Its files are the workspace's, and the object was deleted.
    Published {
        put: usize,
        deleted: usize,
        unchanged: usize,
        /// What the archive held and the workspace does not, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<String>,
    },
    /// Nothing was changed. The object stays as it is, and is not looked at again before it is replaced, or somebody asks.
    Refused(Failure),
}

impl Archive {
    /// Whether this is what was found out about that very upload.
    pub fn is_of(&self, key: &str, etag: &str, modified_ms: i64) -> bool {
        (self.key.as_str(), self.etag.as_str(), self.modified_ms) == (key, etag, modified_ms)
    }

    pub fn refused(&self) -> Option<&Failure> {
        match &self.result {
            ArchiveResult::Refused(failure) => Some(failure),
            ArchiveResult::Unpacking | ArchiveResult::Waiting(_) | ArchiveResult::Published { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_by_their_names_and_lie_in_no_folder() {
        let name = |key| workspace(key).map(|name| name.map(|name| name.to_string()));
        for key in ["app.tar.gz", "app.tgz", "app.tar.zst", "app.tar", "app.zip"] {
            assert_eq!(name(key), Some(Ok("app".into())), "{key}");
        }
        for key in ["app", "app.gz", "app.txt", "app/x.zip", "x/app.tar.gz", "app.zip/", "zip", "app.ZIP", ""]
        {
            assert_eq!(name(key), None, "{key}");
        }
        for key in ["app.tar.xz", "app.7z"] {
            assert!(name(key).is_none() && is_of_another_kind(key), "{key}");
        }
        for key in ["app.zip", "app.tar", "app/x.rar", "app.txt"] {
            assert!(!is_of_another_kind(key), "{key}");
        }
        for key in [".zip", "My_App.tar.gz", "a.b.zip", "-a.tar", "..zip"] {
            assert!(matches!(name(key), Some(Err(_))), "{key}");
        }
    }
}
