//! What became of a batch of notifications, in the journal: an entry for each workspace or reason, however many objects a
//! push has, and counts that show whether something is wrong with what the server tells.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::change::{Change, Changed};
use cloudyknight_core::command::Command;
use cloudyknight_core::notification::{Doubt, Ignored, WhyIgnored};
use cloudyknight_core::origin::Moment;
use cloudyknight_core::workspace::WorkspaceName;
use serde::Serialize;
use utoipa::ToSchema;

use super::entry::{Changes, EntryKind, Line};
use super::words;
use crate::deploy::with_causes;

/// What a function read and did.
pub struct Batch<'a> {
    pub changes: &'a [Change],
    pub sent: &'a [Command],
    pub ignored: &'a [Ignored],
    pub doubts: &'a [Doubt],
    /// Messages that are no notifications, by id, and why.
    pub unreadable: Vec<(&'a str, String)>,
    /// Why nothing was sent yet. The batch is tried again, and told again then.
    pub not_sent: Option<String>,
}

/// What was read since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Notifications {
    /// Records that marked a workspace.
    pub changes: u64,
    /// Records that marked none.
    pub ignored: u64,
    /// Records that marked their workspace although they were not wholly understood.
    pub doubts: u64,
    pub last_doubt: Option<LastTold>,
    /// Messages that are no notifications.
    pub unreadable: u64,
    pub last_unreadable: Option<LastTold>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LastTold {
    pub at: Moment,
    pub message: String,
}

/// So many reasons of a batch are told apart. A sender of nonsense must not push out all else.
const REASONS: usize = 20;

impl Batch<'_> {
    pub(super) fn lines(&self) -> Vec<Line> {
        if let Some(error) = &self.not_sent {
            let message =
                format!("no commands can be sent, so the notifications are kept and tried again: {error}");
            return vec![Line { kind: EntryKind::SentNothing, workspace: None, key: None, message }];
        }
        let decided = self.sent.iter().map(words::decided);
        decided.chain(self.ignored()).chain(self.doubtful()).chain(self.unreadable()).collect()
    }

    /// What changed in each workspace, in the order of their names.
    pub(super) fn changes(&self) -> Vec<Changes> {
        let mut all: BTreeMap<&WorkspaceName, (Changes, BTreeSet<&str>)> = BTreeMap::new();
        for change in self.changes {
            let (changes, seen) = all.entry(&change.workspace).or_insert_with(|| {
                let workspace = change.workspace.clone();
                (Changes { workspace, paths: Vec::new(), archives: Vec::new(), more: 0 }, BTreeSet::new())
            });
            match &change.object {
                Changed::Archive(key) if changes.archives.contains(key) => {}
                Changed::Archive(key) => changes.archives.push(key.clone()),
                Changed::File(path) if !seen.insert(path) => {}
                Changed::File(_) if changes.paths.len() == Changes::PATHS => changes.more += 1,
                Changed::File(path) => changes.paths.push(path.clone()),
            }
        }
        all.into_values().map(|(changes, _)| changes).collect()
    }

    pub(super) fn count(&self, at: Moment, all: &mut Notifications) {
        if self.not_sent.is_some() {
            return;
        }
        all.changes += self.changes.len() as u64;
        all.ignored += self.ignored.len() as u64;
        all.doubts += self.doubts.len() as u64;
        all.unreadable += self.unreadable.len() as u64;
        let last = |message: String| LastTold { at, message };
        if let Some(doubt) = self.doubts.last() {
            all.last_doubt = Some(last(doubt.to_string()));
        }
        if let Some((id, why)) = self.unreadable.last() {
            all.last_unreadable = Some(last(format!("message `{id}`: {why}")));
        }
    }

    fn ignored(&self) -> Vec<Line> {
        let mut groups: Groups<(Option<WorkspaceName>, String), (&Ignored, usize)> = Groups::default();
        for one in self.ignored {
            let kind = (workspace(one), one.why.to_string());
            groups.add(kind, || (one, 0), |(_, more)| *more += 1);
        }
        let line = |((workspace, _), (first, more)): (_, (&Ignored, usize))| Line {
            kind: EntryKind::Ignored,
            workspace,
            key: first.key.clone(),
            message: and_more(with_causes(&first.why), more),
        };
        let (groups, rest) = groups.finish();
        groups.into_iter().map(line).chain(others(EntryKind::Ignored, rest)).collect()
    }

    fn doubtful(&self) -> Vec<Line> {
        let mut groups: Groups<String, usize> = Groups::default();
        for doubt in self.doubts {
            groups.add(doubt.to_string(), || 0, |more| *more += 1);
        }
        let line = |(doubt, more)| Line {
            kind: EntryKind::Doubtful,
            workspace: None,
            key: None,
            message: and_more(format!("{doubt}; its workspace was marked all the same"), more),
        };
        let (groups, rest) = groups.finish();
        groups.into_iter().map(line).chain(others(EntryKind::Doubtful, rest)).collect()
    }

    fn unreadable(&self) -> Option<Line> {
        let ((id, why), more) = (self.unreadable.first()?, self.unreadable.len() - 1);
        let message = format!("message `{id}` on the events queue is no notification: {why}");
        let kind = EntryKind::Unreadable;
        Some(Line { kind, workspace: None, key: None, message: and_more(message, more) })
    }
}

/// Things of one kind, in the order in which the kinds came, and how many are of still other kinds.
struct Groups<K, V> {
    all: Vec<(K, V)>,
    rest: usize,
}

impl<K, V> Default for Groups<K, V> {
    fn default() -> Self {
        Self { all: Vec::new(), rest: 0 }
    }
}

impl<K: PartialEq, V> Groups<K, V> {
    fn add(&mut self, kind: K, first: impl FnOnce() -> V, another: impl FnOnce(&mut V)) {
        let is_full = self.all.len() == REASONS;
        match self.all.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, group)) => another(group),
            None if is_full => self.rest += 1,
            None => self.all.push((kind, first())),
        }
    }

    fn finish(self) -> (Vec<(K, V)>, usize) {
        (self.all, self.rest)
    }
}

fn others(kind: EntryKind, rest: usize) -> Option<Line> {
    let message = format!("{rest} more records, for still other reasons");
    (rest > 0).then_some(Line { kind, workspace: None, key: None, message })
}

fn and_more(message: String, more: usize) -> String {
    match more {
        0 => message,
        1 => format!("{message} (and 1 more like it)"),
        _ => format!("{message} (and {more} more like it)"),
    }
}

/// Whose object it was, as far as that can be read.
fn workspace(ignored: &Ignored) -> Option<WorkspaceName> {
    match ignored.why {
        WhyIgnored::OtherBucket(_) | WhyIgnored::OutsideBuckets(_) | WhyIgnored::NotInWorkspace(_) => None,
        _ => ignored.key.as_ref()?.split_once('/')?.0.parse().ok(),
    }
}
