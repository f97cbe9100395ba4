//! The deployments of a workspace, the newest last: one document a workspace in the platform bucket, bounded, and the
//! same document in the API and the CLI (`--json`). Times are RFC 3339 in UTC, durations milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::command::Cause;
use crate::desired::Pin;
use crate::manifest::{Manifest, ReleaseDigest};
use crate::origin::{self, Origin};
use crate::status::{Outcome, Step};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub version: u32,
    pub workspace: WorkspaceName,
    pub deployments: Vec<Record>,
}

/// One attempt to make a release live, ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Of the deployment; sorts by time.
    pub id: String,
    /// Unknown where it ended before the bucket was listed.
    pub release: Option<ReleaseDigest>,
    /// What served before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseDigest>,
    pub cause: Cause,
    /// Who asked for it through the API, as the audit names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What happened before it, from the object that was put on; none where no push is the cause.
    #[serde(default, deserialize_with = "origin::lenient", skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub started_at: String,
    pub finished_at: String,
    pub outcome: Outcome,
    pub steps: Vec<Step>,
    /// Against `previous`.
    pub changed: Changed,
    /// What the services ran, where it went live: a name such as `postgres:16` may mean another image later.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, RanImage>,
}

/// The image of a service, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RanImage {
    /// As the compose file names it, or as the platform names what it built.
    pub name: String,
    /// The engine's.
    pub id: String,
    /// By which the registry has it, such as `postgres@sha256:…`; none for one that comes from no registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The history as it is told: with what is true now, and the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = History)]
pub struct Told {
    pub version: u32,
    pub workspace: WorkspaceName,
    /// What takes traffic now.
    pub live: Option<ReleaseDigest>,
    pub pinned: Option<Pin>,
    /// Where `rollback` goes by itself.
    pub before: Option<ReleaseDigest>,
    pub deployments: Vec<Record>,
    /// Every release that can be gone back to, in no order.
    pub kept: Vec<ReleaseDigest>,
    /// Where the next page of deployments begins; `None` at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// What differs between two manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

    /// Adds how a deployment ended, in the place of what was said of it before. The oldest go, so that at most `limit`
    /// stay.
    pub fn add(&mut self, record: Record, limit: usize) {
        match self.deployments.iter_mut().find(|one| one.id == record.id) {
            Some(one) => *one = record,
            None => self.deployments.push(record),
        }
        let surplus = self.deployments.len().saturating_sub(limit);
        self.deployments.drain(..surplus);
    }

    /// The deployments that made a release live, the newest first.
    fn went_live(&self) -> impl Iterator<Item = (&Record, &ReleaseDigest)> {
        let live = self.deployments.iter().rev().filter(|record| record.outcome == Outcome::Live);
        live.filter_map(|record| Some((record, record.release.as_ref()?)))
    }

    /// What a release ran when it was live last.
    pub fn images_of(&self, release: &ReleaseDigest) -> Option<&BTreeMap<String, RanImage>> {
        let mut told = self.went_live().filter(|(record, one)| *one == release && !record.images.is_empty());
        told.next().map(|(record, _)| &record.images)
    }

    /// The release that went live last.
    pub fn last_live(&self) -> Option<&ReleaseDigest> {
        self.went_live().map(|(_, release)| release).next()
    }

    /// The release that served before `live` did. Not one that was fallen back from: it does not hold.
    pub fn served_before(&self, live: &ReleaseDigest) -> Option<&ReleaseDigest> {
        let broken = |release: &ReleaseDigest| {
            self.deployments
                .iter()
                .any(|record| matches!(&record.cause, Cause::FellBack { from } if from == release))
        };
        let since = self.went_live().skip_while(|(_, release)| *release != live);
        since.map(|(_, release)| release).find(|release| *release != live && !broken(release))
    }

    /// Every release that was tried, by its last attempt, the oldest first.
    pub fn by_last_use(&self) -> Vec<&ReleaseDigest> {
        let mut order: Vec<&ReleaseDigest> = Vec::new();
        for release in self.deployments.iter().filter_map(|record| record.release.as_ref()) {
            order.retain(|one| *one != release);
            order.push(release);
        }
        order
    }

    /// Where it lies in the platform bucket.
    pub fn key(workspace: &WorkspaceName) -> String {
        format!("history/{workspace}.json")
    }
}

impl Record {
    /// Takes note of a step that ended after the deployment did.
    pub fn add_step(&mut self, step: Step) {
        self.steps.retain(|known| known.name != step.name);
        self.steps.push(step);
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
    use crate::status::Failure;

    fn manifest(entries: &[(&str, &str)]) -> Manifest {
        let entry = |etag: &str| Entry { etag: etag.to_owned(), size: 1 };
        Manifest { entries: entries.iter().map(|(path, etag)| ((*path).to_owned(), entry(etag))).collect() }
    }

    fn release(name: &str) -> ReleaseDigest {
        manifest(&[("file", name)]).digest()
    }

    fn record(id: &str, name: &str, cause: Cause, outcome: Outcome) -> Record {
        Record {
            id: id.to_owned(),
            release: Some(release(name)),
            previous: None,
            cause,
            by: None,
            origin: None,
            started_at: String::new(),
            finished_at: String::new(),
            outcome,
            steps: Vec::new(),
            changed: Changed::default(),
            images: BTreeMap::new(),
        }
    }

    fn history(records: &[(&str, Cause, Outcome)]) -> History {
        let mut history = History::new("app".parse().unwrap());
        for (n, (name, cause, outcome)) in records.iter().enumerate() {
            history.add(record(&n.to_string(), name, cause.clone(), outcome.clone()), 100);
        }
        history
    }

    #[test]
    fn what_a_release_ran_is_what_it_ran_when_it_was_live_last() {
        let ran = |id: &str| {
            let image = RanImage { name: "node:20".into(), id: id.into(), digest: None };
            BTreeMap::from([("app".to_owned(), image)])
        };
        let mut history = History::new("app".parse().unwrap());
        let failed =
            Outcome::Failed(Failure { message: String::new(), service: None, hint: None, log: Vec::new() });
        let told = [
            ("a", "1", Outcome::Live),
            ("a", "2", Outcome::Live),
            ("a", "3", failed),
            ("b", "4", Outcome::Live),
        ];
        for (name, id, outcome) in told {
            let record = Record { images: ran(id), ..record(id, name, Cause::Sweep, outcome) };
            history.add(record, 100);
        }
        history.add(record("5", "a", Cause::Stopped, Outcome::Live), 100);
        assert_eq!(history.images_of(&release("a")), Some(&ran("2")));
        assert_eq!(history.images_of(&release("b")), Some(&ran("4")));
        assert_eq!(history.images_of(&release("c")), None);
    }

    #[test]
    fn what_served_before_is_the_last_other_release_that_was_live() {
        let live = |name| (name, Cause::Sweep, Outcome::Live);
        let back = |name, to| (name, Cause::RolledBack { to: release(to) }, Outcome::Live);
        let check = |records: &[(&str, Cause, Outcome)], serves: &str, before: Option<&str>| {
            let history = history(records);
            assert_eq!(history.served_before(&release(serves)).cloned(), before.map(release));
        };
        check(&[], "a", None);
        check(&[live("a")], "a", None);
        check(&[live("a"), live("b")], "b", Some("a"));
        check(&[live("a"), live("a"), live("b"), live("b")], "b", Some("a"));
        check(&[live("a"), ("x", Cause::Sweep, Outcome::Cancelled), live("b")], "b", Some("a"));
        // There and back again.
        check(&[live("a"), live("b"), back("a", "a")], "a", Some("b"));
        // What serves is told by the status; the history may know of more.
        check(&[live("a"), live("b"), live("c")], "b", Some("a"));
    }

    #[test]
    fn what_was_fallen_back_from_is_not_gone_back_to() {
        let fell = ("b", Cause::FellBack { from: release("c") }, Outcome::Live);
        let live = |name| (name, Cause::Sweep, Outcome::Live);
        let history = history(&[live("a"), live("b"), live("c"), fell]);
        assert_eq!(history.last_live(), Some(&release("b")));
        assert_eq!(history.served_before(&release("b")), Some(&release("a")));
    }

    #[test]
    fn a_history_is_bounded_and_says_each_deployment_once() {
        let mut history = History::new("app".parse().unwrap());
        for n in 0..5 {
            history.add(record(&n.to_string(), &n.to_string(), Cause::Sweep, Outcome::Live), 3);
        }
        history.add(record("4", "4", Cause::Sweep, Outcome::Cancelled), 3);
        let ids: Vec<&str> = history.deployments.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["2", "3", "4"]);
        assert_eq!(history.deployments[2].outcome, Outcome::Cancelled);
        let order: Vec<ReleaseDigest> = history.by_last_use().into_iter().cloned().collect();
        assert_eq!(order, [release("2"), release("3"), release("4")]);
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
