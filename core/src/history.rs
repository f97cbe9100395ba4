//! The deployments of a workspace, the newest last: one document a workspace in the platform bucket, bounded, and the
//! same document in the API and the CLI (`--json`). Times are RFC 3339 in UTC, durations milliseconds.

use serde::{Deserialize, Serialize};

use crate::command::Cause;
use crate::manifest::{Manifest, ReleaseDigest};
use crate::status::{Outcome, Step};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub version: u32,
    pub workspace: WorkspaceName,
    pub deployments: Vec<Record>,
}

/// One attempt to make a release live, ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of the deployment; sorts by time.
    pub id: String,
    /// Unknown where it ended before the bucket was listed.
    pub release: Option<ReleaseDigest>,
    /// What served before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseDigest>,
    pub cause: Cause,
    pub started_at: String,
    pub finished_at: String,
    pub outcome: Outcome,
    pub steps: Vec<Step>,
    /// Against `previous`.
    pub changed: Changed,
}

/// What differs between two manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    /// Paths that differ and are not listed, because there are too many.
    #[serde(default)]
    pub more: usize,
}

impl History {
    pub const VERSION: u32 = 1;

    pub fn new(workspace: WorkspaceName) -> Self {
        Self { version: Self::VERSION, workspace, deployments: Vec::new() }
    }

    /// Where it lies in the platform bucket.
    pub fn key(workspace: &WorkspaceName) -> String {
        format!("history/{workspace}.json")
    }
}

impl Changed {
    /// At most `limit` paths of each kind, in order.
    pub fn between(old: &Manifest, new: &Manifest, limit: usize) -> Self {
        let added = new.entries.keys().filter(|path| !old.entries.contains_key(*path));
        let removed = old.entries.keys().filter(|path| !new.entries.contains_key(*path));
        let differs =
            |path: &&String| old.entries.get(*path).is_some_and(|entry| entry != &new.entries[*path]);
        let mut listed = Self {
            added: added.cloned().collect(),
            changed: new.entries.keys().filter(differs).cloned().collect(),
            removed: removed.cloned().collect(),
            more: 0,
        };
        for paths in [&mut listed.added, &mut listed.changed, &mut listed.removed] {
            listed.more += paths.len().saturating_sub(limit);
            paths.truncate(limit);
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Entry;

    fn manifest(entries: &[(&str, &str)]) -> Manifest {
        let entry = |etag: &str| Entry { etag: etag.to_owned(), size: 1 };
        Manifest { entries: entries.iter().map(|(path, etag)| ((*path).to_owned(), entry(etag))).collect() }
    }

    #[test]
    fn what_changed_is_told_by_kind_and_cut_at_the_limit() {
        let old = manifest(&[("same", "1"), ("gone", "1"), ("other", "1")]);
        let new = manifest(&[("same", "1"), ("other", "2"), ("x", "1"), ("y", "1"), ("z", "1")]);
        let changed = Changed::between(&old, &new, 2);
        assert_eq!(changed.added, ["x", "y"]);
        assert_eq!(changed.changed, ["other"]);
        assert_eq!(changed.removed, ["gone"]);
        assert_eq!(changed.more, 1);
        assert_eq!(Changed::between(&new, &new, 2), Changed::default());
    }
}
