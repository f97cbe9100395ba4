//! A change: one notification, understood. It says which workspace may differ now, and why; what it differs
//! in is never taken from here but from the listing of the bucket.

use serde::{Deserialize, Serialize};

use crate::archive;
use crate::origin::Moment;
use crate::workspace::{InvalidName, WorkspaceName};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub workspace: WorkspaceName,
    pub object: Changed,
    pub kind: ChangeKind,
    /// When, where the notification says so.
    pub at: Option<Moment>,
}

/// Which object changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A path inside the workspace; empty for the folder marker itself.
    File(String),
    /// An archive of the whole workspace, by its key.
    Archive(String),
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
    #[error("key `{0}` lies in no folder, so in no workspace, and is no archive of one by its name")]
    TopLevel(String),
    #[error("key `{key}` lies in a folder that can be no workspace")]
    Name {
        key: String,
        #[source]
        source: InvalidName,
    },
    #[error("key `{key}` is an archive of what can be no workspace")]
    ArchiveName {
        key: String,
        #[source]
        source: InvalidName,
    },
}

impl Change {
    pub fn of_key(key: &str, kind: ChangeKind) -> Result<Self, NotInWorkspace> {
        if let Some(name) = archive::workspace(key) {
            let workspace =
                name.map_err(|source| NotInWorkspace::ArchiveName { key: key.to_owned(), source })?;
            return Ok(Self { workspace, object: Changed::Archive(key.to_owned()), kind, at: None });
        }
        let (folder, path) = key.split_once('/').ok_or_else(|| NotInWorkspace::TopLevel(key.to_owned()))?;
        let workspace =
            folder.parse().map_err(|source| NotInWorkspace::Name { key: key.to_owned(), source })?;
        Ok(Self { workspace, object: Changed::File(path.to_owned()), kind, at: None })
    }
}
