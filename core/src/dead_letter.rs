//! A dead letter: a message that was given up on, made visible. What was acknowledged ends in a live release or in a
//! failure that somebody can see; this is the second, for what failed on the way to the agent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::command::{Command, CommandError};
use crate::notification;
use crate::workspace::WorkspaceName;

/// The document `dead-letters/<id>.json` of the platform bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    pub version: u32,
    /// The message's id on its queue.
    pub id: String,
    /// Which dead-letter queue it was found on.
    pub queue: String,
    /// When it was found there: RFC 3339 in UTC.
    pub at: String,
    pub kind: Kind,
    /// What went wrong, in one sentence.
    pub reason: String,
    /// Whose push or command it was, as far as it can be read; in order, each once.
    pub workspaces: Vec<WorkspaceName>,
    /// The message, whole, so that it can be sent again; where it is shown, and where older functions wrote it down, at most
    /// [`DeadLetter::SHOWN`] bytes of its beginning.
    pub body: String,
    /// How long the whole message was, in bytes.
    pub body_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterKind)]
pub enum Kind {
    Command,
    Notification,
    Unknown,
}

impl DeadLetter {
    pub const VERSION: u32 = 1;
    /// In bytes.
    pub const SHOWN: usize = 16 * 1024;
    /// Where all of them are in the platform bucket.
    pub const PREFIX: &str = "dead-letters/";

    /// `bucket` is the workspaces bucket, whose notifications are read; `at` is now, RFC 3339 in UTC.
    pub fn of(id: &str, queue: &str, body: &str, bucket: &str, at: String) -> Self {
        let (kind, reason, workspaces) = judge(body, bucket);
        Self {
            version: Self::VERSION,
            id: id.to_owned(),
            queue: queue.to_owned(),
            at,
            kind,
            reason,
            workspaces,
            body: body.to_owned(),
            body_bytes: body.len(),
        }
    }

    /// As it is shown: with the beginning of its message.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        self.body.truncate(self.body.floor_char_boundary(Self::SHOWN));
        self
    }

    /// Whether all of the message is there.
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.body_bytes
    }

    /// Where it is kept.
    pub fn key(&self) -> String {
        Self::key_of(&self.id)
    }

    /// Where the one with this id is kept. An id is a queue's word, not ours: one that is no plain name is replaced by its
    /// digest.
    pub fn key_of(id: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if (1..=128).contains(&id.len()) && id.chars().all(plain) {
            format!("{}{id}.json", Self::PREFIX)
        } else {
            format!("{}{}.json", Self::PREFIX, blake3::hash(id.as_bytes()).to_hex())
        }
    }
}

fn judge(body: &str, bucket: &str) -> (Kind, String, Vec<WorkspaceName>) {
    match Command::from_json(body) {
        Ok(command) => {
            let reason = "the agent received this command again and again and never finished it".to_owned();
            (Kind::Command, reason, vec![command.workspace])
        }
        Err(error @ CommandError::Version(_)) => (Kind::Command, error.to_string(), workspace_field(body)),
        Err(CommandError::Malformed(_)) => judge_notification(body, bucket),
    }
}

fn judge_notification(body: &str, bucket: &str) -> (Kind, String, Vec<WorkspaceName>) {
    match notification::parse(body, bucket) {
        Ok(parsed) => {
            let mut workspaces: Vec<_> = parsed.changes.into_iter().map(|change| change.workspace).collect();
            workspaces.sort();
            workspaces.dedup();
            let reason = "this notification was received again and again and led to no command".to_owned();
            (Kind::Notification, reason, workspaces)
        }
        Err(error) => {
            let reason = format!("neither a command nor a notification: {}", error.in_full());
            (Kind::Unknown, reason, workspace_field(body))
        }
    }
}

/// The workspace named by something like a command, perhaps of another version.
fn workspace_field(body: &str) -> Vec<WorkspaceName> {
    #[derive(Deserialize)]
    struct Named {
        workspace: WorkspaceName,
    }
    serde_json::from_str::<Named>(body).into_iter().map(|named| named.workspace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Cause;

    fn letter(id: &str, body: &str) -> DeadLetter {
        DeadLetter::of(id, "commands-dead", body, "workspaces", "2026-01-02T03:04:05Z".into())
    }

    fn names(letter: &DeadLetter) -> Vec<&str> {
        letter.workspaces.iter().map(WorkspaceName::as_str).collect()
    }

    #[test]
    fn a_command_names_its_workspace() {
        let command = Command::reconcile("app".parse().unwrap(), Cause::Sweep);
        let letter = letter("m1", &command.to_json());
        assert_eq!(
            (letter.kind, names(&letter), letter.key().as_str()),
            (Kind::Command, vec!["app"], "dead-letters/m1.json")
        );
    }

    #[test]
    fn a_command_of_another_version_names_its_workspace_too() {
        let body = r#"{"version":9,"workspace":"app","action":"reconcile","cause":{"kind":"sweep"}}"#;
        let dead = letter("m1", body);
        assert_eq!((dead.kind, names(&dead)), (Kind::Command, vec!["app"]));
        assert!(dead.reason.contains("version 9"), "{}", dead.reason);
        let dead = letter("m1", r#"{"version":9,"workspace":"app","action":"teleport"}"#);
        assert_eq!((dead.kind, names(&dead)), (Kind::Unknown, vec!["app"]));
    }

    #[test]
    fn a_notification_names_its_workspaces_once_each() {
        let record = |key: &str| {
            format!(
                r#"{{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"workspaces"}},"object":{{"key":"{key}"}}}}}}"#
            )
        };
        let body = format!(r#"{{"Records":[{},{},{}]}}"#, record("b/1"), record("a/1"), record("b/2"));
        let letter = letter("m1", &body);
        assert_eq!((letter.kind, names(&letter)), (Kind::Notification, vec!["a", "b"]));
    }

    #[test]
    fn anything_else_says_what_is_wrong_with_it() {
        let letter = letter("m1", "hello");
        assert_eq!((letter.kind, names(&letter)), (Kind::Unknown, vec![]));
        assert!(letter.reason.contains("no JSON: expected value at line 1"), "{}", letter.reason);
    }

    #[test]
    fn a_long_body_is_kept_whole_and_shown_cut_between_characters() {
        let body = "é".repeat(DeadLetter::SHOWN);
        let letter = letter("m1", &format!("x{body}"));
        assert!(letter.is_whole());
        let shown = letter.shortened();
        assert!(!shown.is_whole());
        assert_eq!((shown.body.len(), shown.body_bytes), (DeadLetter::SHOWN - 1, 2 * DeadLetter::SHOWN + 1));
    }

    #[test]
    fn a_strange_id_becomes_no_strange_key() {
        let long = "x".repeat(129);
        for id in ["../../status/app", "a/b", "", "é", long.as_str()] {
            let key = letter(id, "").key();
            let name =
                key.strip_prefix(DeadLetter::PREFIX).and_then(|key| key.strip_suffix(".json")).unwrap();
            assert!(name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        }
    }
}
