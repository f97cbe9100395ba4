//! A change: one notification, understood. It says which workspace may differ now, and why; what it differs
//! in is never taken from here but from the listing of the bucket.

use serde::{Deserialize, Serialize};

use crate::workspace::{InvalidName, WorkspaceName};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub workspace: WorkspaceName,
    /// Path inside the workspace; empty for the folder marker itself.
    pub path: String,
    pub kind: ChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Put,
    Delete,
}

/// Why an object belongs to no workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInWorkspace {
    #[error("key `{0}` lies in no folder, so in no workspace")]
    TopLevel(String),
    #[error("key `{key}` lies in a folder that can be no workspace")]
    Name {
        key: String,
        #[source]
        source: InvalidName,
    },
}

impl Change {
    pub fn of_key(key: &str, kind: ChangeKind) -> Result<Self, NotInWorkspace> {
        let (folder, path) = key.split_once('/').ok_or_else(|| NotInWorkspace::TopLevel(key.to_owned()))?;
        let workspace =
            folder.parse().map_err(|source| NotInWorkspace::Name { key: key.to_owned(), source })?;
        Ok(Self { workspace, path: path.to_owned(), kind })
    }
}
