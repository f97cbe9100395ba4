//! Which commands follow from a batch of changes: one a workspace, however many of its files changed.

use std::collections::BTreeMap;

use crate::change::{Change, ChangeKind};
use crate::command::{Cause, Command};
use crate::workspace::WorkspaceName;

/// One command for each workspace that changed. Its cause names the first change seen and counts the others.
pub fn decide(changes: impl IntoIterator<Item = Change>) -> Vec<Command> {
    let mut dirty: BTreeMap<WorkspaceName, Cause> = BTreeMap::new();
    for change in changes {
        dirty
            .entry(change.workspace)
            .and_modify(|cause| match cause {
                Cause::Put { more, .. } | Cause::Delete { more, .. } => *more += 1,
                _ => unreachable!("changes cause nothing else"),
            })
            .or_insert(match change.kind {
                ChangeKind::Put => Cause::Put { path: change.path, more: 0 },
                ChangeKind::Delete => Cause::Delete { path: change.path, more: 0 },
            });
    }
    dirty.into_iter().map(|(workspace, cause)| Command::reconcile(workspace, cause)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, kind: ChangeKind) -> Change {
        Change::of_key(key, kind).unwrap()
    }

    #[test]
    fn a_burst_in_one_workspace_is_one_command() {
        let commands = decide((0..2000).map(|n| change(&format!("app/{n}.txt"), ChangeKind::Put)));
        let cause = Cause::Put { path: "0.txt".into(), more: 1999 };
        assert_eq!(commands, [Command::reconcile("app".parse().unwrap(), cause)]);
    }

    #[test]
    fn each_workspace_gets_its_own_command() {
        let commands = decide([
            change("b/x", ChangeKind::Delete),
            change("a/y", ChangeKind::Put),
            change("b/z", ChangeKind::Put),
        ]);
        let expected = [
            Command::reconcile("a".parse().unwrap(), Cause::Put { path: "y".into(), more: 0 }),
            Command::reconcile("b".parse().unwrap(), Cause::Delete { path: "x".into(), more: 1 }),
        ];
        assert_eq!(commands, expected);
    }

    #[test]
    fn no_change_asks_for_nothing() {
        assert_eq!(decide([]), []);
    }
}
