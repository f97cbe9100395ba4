//! The commit marker: an object in a workspace that makes many files one push. While it is there, files wait until it is
//! put again; the bucket stamps both with its own clock, and what is newer than the marker is not part of the commit.
//!
//! The folder it lies in belongs to the platform: nothing in it is source, so nothing in it is part of a release.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Commit {
    pub etag: String,
    /// In milliseconds since the Unix epoch, by the clock of the bucket.
    pub modified_ms: i64,
}

/// What was pushed as a whole and taken as such, and the release it stood for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Committed {
    /// The marker as it was; `None` where there was none, and an archive was the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    pub release: ReleaseDigest,
}

/// What lies in a workspace and was not committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uncommitted {
    /// How many files differ from the commit before; `None` where that is not known any more.
    pub files: Option<usize>,
    /// What would be deployed, if it were committed as it is.
    pub release: ReleaseDigest,
}

/// What a listing of a workspace is to be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nobody commits here: a push is complete when it has been quiet for a while.
    Open,
    /// It is what somebody committed, all of it.
    Committed,
    /// It holds what nobody committed yet.
    Closed,
}

/// `newer` files than the marker are listed; `announced`: something else lies in the platform's folder, put there so that
/// a first push waits for its commit; `release` is that of the listing; `deployed`: one was deployed before.
pub fn gate(
    marker: Option<&Commit>,
    newer: usize,
    announced: bool,
    release: &ReleaseDigest,
    taken: Option<&Committed>,
    deployed: bool,
) -> Gate {
    let same_marker = taken.is_some_and(|taken| taken.commit.as_ref() == marker);
    if same_marker && taken.is_some_and(|taken| taken.release == *release) {
        return Gate::Committed;
    }
    match marker {
        Some(_) if same_marker || newer > 0 => Gate::Closed,
        Some(_) => Gate::Committed,
        None if announced && !deployed => Gate::Closed,
        None => Gate::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Entry, Manifest};

    fn release(etag: &str) -> ReleaseDigest {
        let entry = Entry { etag: etag.into(), size: 1 };
        Manifest { entries: [("a".to_owned(), entry)].into() }.digest()
    }

    fn commit(modified_ms: i64) -> Commit {
        Commit { etag: "e".into(), modified_ms }
    }

    fn taken(modified_ms: i64, of: &str) -> Committed {
        Committed { commit: Some(commit(modified_ms)), release: release(of) }
    }

    #[test]
    fn a_marker_closes_the_gate_until_it_is_put_again() {
        let check = |marker: Option<i64>, newer, taken: Option<Committed>, expected| {
            let marker = marker.map(commit);
            let found = gate(marker.as_ref(), newer, false, &release("now"), taken.as_ref(), true);
            assert_eq!(found, expected, "{marker:?} {newer} {taken:?}");
        };
        check(None, 0, None, Gate::Open);
        check(Some(1), 0, None, Gate::Committed);
        check(Some(1), 0, Some(taken(1, "now")), Gate::Committed);
        check(Some(1), 1, Some(taken(1, "before")), Gate::Closed);
        // Something was deleted, which no file's time tells.
        check(Some(1), 0, Some(taken(1, "before")), Gate::Closed);
        check(Some(2), 0, Some(taken(1, "before")), Gate::Committed);
        // The next push began before this commit was read.
        check(Some(2), 1, Some(taken(1, "before")), Gate::Closed);
        check(Some(1), 1, None, Gate::Closed);
        check(None, 0, Some(taken(1, "before")), Gate::Open);
        // An archive took the place of what was committed, and counts as a commit of its own.
        check(Some(1), 3, Some(taken(1, "now")), Gate::Committed);
        let archive = |of: &str| Some(Committed { commit: None, release: release(of) });
        check(None, 0, archive("now"), Gate::Committed);
        check(None, 0, archive("before"), Gate::Open);
    }

    #[test]
    fn a_first_push_that_is_announced_waits_for_its_commit_and_no_later_one_does() {
        let check = |deployed, expected| {
            assert_eq!(gate(None, 0, true, &release("now"), None, deployed), expected);
        };
        check(false, Gate::Closed);
        check(true, Gate::Open);
    }

    #[test]
    fn only_the_folder_itself_is_the_platform_s() {
        for path in [".cloudyknight/", ".cloudyknight/commit", ".cloudyknight/x/y"] {
            assert!(is_own(path), "{path}");
        }
        for path in [".cloudyknight", ".cloudyknights/commit", "a/.cloudyknight/commit", ""] {
            assert!(!is_own(path), "{path}");
        }
    }
}
