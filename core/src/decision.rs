//! Which commands follow from a batch of changes: one a workspace, however many of its files changed.

use std::collections::BTreeMap;

use crate::change::{Change, ChangeKind, Changed};
use crate::command::{Cause, Command};
use crate::origin::{Moment, Origin};
use crate::workspace::WorkspaceName;

/// One command for each workspace that changed. Its cause names the first change seen and counts the others; where an
/// archive is among them it names that, because only then does the agent look for one. Its origin is the last of them.
pub fn decide(changes: &[Change]) -> Vec<Command> {
    let mut dirty: BTreeMap<&WorkspaceName, (Cause, Option<Moment>)> = BTreeMap::new();
    for Change { workspace, object, kind, at } in changes {
        let Some((first, last_at)) = dirty.get_mut(workspace) else {
            dirty.insert(workspace, (cause(object, *kind), *at));
            continue;
        };
        match (object, &mut *first) {
            (Changed::Archive(_), _) => *first = cause(object, *kind),
            (_, Cause::Put { more, .. } | Cause::Delete { more, .. }) => *more += 1,
            _ => {}
        }
        *last_at = (*last_at).max(*at);
    }
    let command = |(workspace, (cause, put_at)): (&WorkspaceName, (Cause, Option<Moment>))| Command {
        origin: put_at.map(|put_at| Origin { put_at: Some(put_at), ..Origin::default() }),
        ..Command::reconcile(workspace.clone(), cause)
    };
    dirty.into_iter().map(command).collect()
}

fn cause(object: &Changed, kind: ChangeKind) -> Cause {
    match (object, kind) {
        (Changed::Archive(key), _) => Cause::Archive { key: key.clone() },
        (Changed::File(path), ChangeKind::Put) => Cause::Put { path: path.clone(), more: 0 },
        (Changed::File(path), ChangeKind::Delete) => Cause::Delete { path: path.clone(), more: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, kind: ChangeKind) -> Change {
        Change::of_key(key, kind).unwrap()
    }

    #[test]
    fn a_burst_in_one_workspace_is_one_command() {
        let changes: Vec<Change> =
            (0..2000).map(|n| change(&format!("app/{n}.txt"), ChangeKind::Put)).collect();
        let commands = decide(&changes);
        let cause = Cause::Put { path: "0.txt".into(), more: 1999 };
        assert_eq!(commands, [Command::reconcile("app".parse().unwrap(), cause)]);
    }

    #[test]
    fn each_workspace_gets_its_own_command() {
        let commands = decide(&[
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
        assert_eq!(decide(&changes), [Command::reconcile("app".parse().unwrap(), cause)]);
        let gone = decide(&[change("app.zip", ChangeKind::Delete)]);
        assert_eq!(gone[0].cause, Cause::Archive { key: "app.zip".into() });
    }

    #[test]
    fn a_command_comes_from_the_last_change_that_is_part_of_it() {
        let at = |second| Moment::parse(&format!("2026-03-01T10:00:0{second}Z"));
        let put = |key, at| Change { at, ..change(key, ChangeKind::Put) };
        let changes =
            [put("a/1", at(2)), put("a/2", at(5)), put("a/3", None), put("a/4", at(3)), put("b/1", None)];
        let origins: Vec<_> = decide(&changes).into_iter().map(|command| command.origin).collect();
        assert_eq!(origins, [Some(Origin { put_at: at(5), ..Origin::default() }), None]);
    }

    #[test]
    fn no_change_asks_for_nothing() {
        assert_eq!(decide(&[]), []);
    }
}
