//! Which commands follow from a batch of changes: one a workspace, however many of its files changed.

use std::collections::BTreeMap;

use crate::change::{Change, ChangeKind, Changed};
use crate::command::{Cause, Command};
use crate::workspace::WorkspaceName;

/// One command for each workspace that changed. Its cause names the first change seen and counts the others; where an
/// archive is among them it names that, because only then does the agent look for one.
pub fn decide(changes: impl IntoIterator<Item = Change>) -> Vec<Command> {
    let mut dirty: BTreeMap<WorkspaceName, Cause> = BTreeMap::new();
    for Change { workspace, object, kind } in changes {
        let cause = match (object, kind) {
            (Changed::Archive(key), _) => Cause::Archive { key },
            (Changed::File(path), ChangeKind::Put) => Cause::Put { path, more: 0 },
            (Changed::File(path), ChangeKind::Delete) => Cause::Delete { path, more: 0 },
        };
        match dirty.get_mut(&workspace) {
            None => drop(dirty.insert(workspace, cause)),
            Some(first) => match (&cause, &mut *first) {
                (Cause::Archive { .. }, _) => *first = cause,
                (_, Cause::Put { more, .. } | Cause::Delete { more, .. }) => *more += 1,
                _ => {}
            },
        }
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
    fn an_archive_among_other_changes_is_what_the_command_names() {
        let changes = ["app/x", "app.tar.gz", "app/y", "app.zip"].map(|key| change(key, ChangeKind::Put));
        let cause = Cause::Archive { key: "app.zip".into() };
        assert_eq!(decide(changes), [Command::reconcile("app".parse().unwrap(), cause)]);
        let gone = decide([change("app.zip", ChangeKind::Delete)]);
        assert_eq!(gone[0].cause, Cause::Archive { key: "app.zip".into() });
    }

    #[test]
    fn no_change_asks_for_nothing() {
        assert_eq!(decide([]), []);
    }
}
