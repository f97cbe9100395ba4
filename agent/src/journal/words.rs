//! The sentences of the journal.

use cloudyknight_core::command::{Cause, Command};
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::workspace::WorkspaceName;

use super::entry::{EntryKind, Line};

pub(super) fn decided(command: &Command) -> Line {
    line(
        EntryKind::Decided,
        command,
        &format!("{}: sent a command to deploy what the bucket holds", what(&command.cause)),
    )
}

pub(super) fn received(command: &Command) -> Line {
    line(EntryKind::Received, command, &format!("the agent received a command: {}", what(&command.cause)))
}

pub(super) fn swept(sent: &[Command], refused: Vec<(WorkspaceName, String)>) -> Vec<Line> {
    let sent = sent.iter().map(|command| {
        line(
            EntryKind::Swept,
            command,
            "the bucket differs from what is deployed, and nobody had told: sent a command",
        )
    });
    let refused = refused.into_iter().map(|(workspace, error)| Line {
        kind: EntryKind::Swept,
        workspace: Some(workspace),
        key: None,
        message: format!("the workspace could not be compared with what is deployed: {error}"),
    });
    sent.chain(refused).collect()
}

/// One for each workspace that the message was about.
pub(super) fn gave_up(letter: &DeadLetter) -> Vec<Line> {
    let line = |workspace: Option<&WorkspaceName>| Line {
        kind: EntryKind::GaveUp,
        workspace: workspace.cloned(),
        key: None,
        message: format!("gave up on message `{}`, now a dead letter: {}", letter.id, letter.reason),
    };
    match letter.workspaces.as_slice() {
        [] => vec![line(None)],
        workspaces => workspaces.iter().map(|workspace| line(Some(workspace))).collect(),
    }
}

fn line(kind: EntryKind, command: &Command, message: &str) -> Line {
    let workspace = command.workspace.clone();
    let key = match &command.cause {
        Cause::Put { path, .. } | Cause::Delete { path, .. } => Some(format!("{workspace}/{path}")),
        Cause::Archive { key } => Some(key.clone()),
        _ => None,
    };
    Line { kind, workspace: Some(workspace), key, message: message.to_owned() }
}

/// What happened, as the beginning of a sentence.
pub fn what(cause: &Cause) -> String {
    let file =
        |path: &str| if path.is_empty() { "the folder itself".to_owned() } else { format!("`{path}`") };
    match cause {
        Cause::Put { path, more: 0 } => format!("{} was put", file(path)),
        Cause::Delete { path, more: 0 } => format!("{} was deleted", file(path)),
        Cause::Put { path, more } | Cause::Delete { path, more } => {
            format!("{} and {more} more changed", file(path))
        }
        Cause::Archive { key } => format!("the archive `{key}` changed"),
        Cause::Sweep => "the sweep found a difference".to_owned(),
        Cause::AgentStarted => "the agent started".to_owned(),
        Cause::Requested => "somebody asked for another look".to_owned(),
        Cause::RolledBack { to } => format!("somebody went back to release {}", to.short()),
        Cause::Unpinned => "somebody took the pin away".to_owned(),
        Cause::Restarted => "somebody asked for a restart".to_owned(),
        Cause::Stopped => "somebody stopped it".to_owned(),
        Cause::Started => "somebody started it".to_owned(),
        Cause::Restored { to } => format!("somebody asked for release {} back", to.short()),
        Cause::FellBack { from } => format!("release {} did not hold", from.short()),
    }
}
