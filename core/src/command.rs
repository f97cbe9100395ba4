//! A command: what the functions ask of the agent about one workspace. A hint, not an order: the agent lists
//! the bucket and decides for itself, so that a duplicate, a late or a lost command changes only latency.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::manifest::ReleaseDigest;
use crate::origin::{self, Origin};
use crate::trace::{self, TraceParent};
use crate::workspace::WorkspaceName;

/// The wire format; `version` grows when an older agent could misread it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub version: u32,
    pub workspace: WorkspaceName,
    pub action: Action,
    pub cause: Cause,
    /// The trace that this is part of. One that cannot be read is none: it must not cost the command.
    #[serde(default, deserialize_with = "trace::lenient", skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
    /// What it comes from, and when. One that cannot be read is none, too.
    #[serde(default, deserialize_with = "origin::lenient", skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make what runs equal to what the bucket holds: deploy it, or remove it when nothing is left.
    Reconcile,
}

/// What caused a command, for people: it is shown in `status` and decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    Put {
        path: String,
        more: usize,
    },
    Delete {
        path: String,
        more: usize,
    },
    /// An archive of the workspace was put, replaced or deleted: more to look at than the workspace's own folder.
    Archive {
        key: String,
    },
    Sweep,
    AgentStarted,
    /// Another look, and another try of what failed.
    Requested,
    /// Somebody went back to this release.
    RolledBack {
        to: ReleaseDigest,
    },
    /// Somebody took back a rollback: the bucket counts again.
    Unpinned,
    Restarted,
    Stopped,
    Started,
    /// Somebody asked for a removed workspace back.
    Restored {
        to: ReleaseDigest,
    },
    /// The release before, because this one failed so soon after it had gone live.
    FellBack {
        from: ReleaseDigest,
    },
}

impl Command {
    pub const VERSION: u32 = 1;

    pub fn reconcile(workspace: WorkspaceName, cause: Cause) -> Self {
        Self {
            version: Self::VERSION,
            workspace,
            action: Action::Reconcile,
            cause,
            traceparent: None,
            origin: None,
        }
    }

    #[must_use]
    pub fn traced(self, traceparent: TraceParent) -> Self {
        Self { traceparent: Some(traceparent), ..self }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a command is plain data")
    }

    pub fn from_json(text: &str) -> Result<Self, CommandError> {
        let command: Self = serde_json::from_str(text).map_err(CommandError::Malformed)?;
        if command.version != Self::VERSION {
            return Err(CommandError::Version(command.version));
        }
        Ok(command)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("a message on the commands queue is no command")]
    Malformed(#[source] serde_json::Error),
    #[error("a command of version {0}, but this agent understands only version {known}", known = Command::VERSION)]
    Version(u32),
}
