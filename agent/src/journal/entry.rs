//! What the journal holds: one sentence about one decision, and what changed in the bucket.

use cloudyknight_core::origin::Moment;
use cloudyknight_core::workspace::WorkspaceName;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Each has its own, and it can be resumed from.
    pub id: String,
    pub at: Moment,
    pub kind: EntryKind,
    /// None where it is of none, or of no single one.
    #[schema(value_type = Option<String>)]
    pub workspace: Option<WorkspaceName>,
    /// The first object that it is about, where it is about one.
    pub key: Option<String>,
    /// What was decided, and why.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Notifications marked a workspace: a command was sent.
    Decided,
    /// Notifications changed nothing, or the bucket holds what is deployed already.
    Ignored,
    /// A notification marked its workspace although it was not wholly understood.
    Doubtful,
    /// A message on the events queue is no notification.
    Unreadable,
    /// Commands cannot be sent at the moment.
    SentNothing,
    /// The agent received a command.
    Received,
    /// The sweep found what no notification had told.
    Swept,
    /// A deployment ended, one way or another.
    Deployed,
    /// A message was given up on: it is a dead letter now.
    GaveUp,
}

/// An entry that is not written yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub kind: EntryKind,
    pub workspace: Option<WorkspaceName>,
    pub key: Option<String>,
    pub message: String,
}

impl Line {
    pub(super) fn entry(self, id: String, at: Moment) -> Entry {
        let Self { kind, workspace, key, message } = self;
        Entry { id, at, kind, workspace, key, message }
    }
}

/// Objects of a workspace that were put or deleted: what somebody keeps of them is old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changes {
    #[schema(value_type = String)]
    pub workspace: WorkspaceName,
    /// Inside the workspace; empty for its folder itself. At most 200.
    pub paths: Vec<String>,
    /// Archives of the workspace that lie beside its folder, by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<String>,
    /// So many paths changed, too. Whoever cannot do with less forgets the whole workspace.
    pub more: usize,
}

impl Changes {
    /// The most paths that are named.
    pub const PATHS: usize = 200;

    /// Something changed, and nobody knows what.
    pub fn of_anything(workspace: WorkspaceName) -> Self {
        Self { workspace, paths: Vec::new(), archives: Vec::new(), more: 1 }
    }
}
