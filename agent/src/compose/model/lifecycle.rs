//! What happens around the life of a container: how its image is had, what runs inside after its start and before its
//! stop, and which changes of the source go into it while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A command inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub command: Vec<String>,
    pub user: Option<String>,
    pub privileged: bool,
    pub working_dir: Option<String>,
    pub environment: BTreeMap<String, String>,
}

/// What a change of these files does to the containers of a service, in the place of new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRule {
    /// A file or folder of the workspace; empty for its root.
    pub path: String,
    /// Files below `path` that it is not about, and the only ones that it is about where there are any: patterns as in
    /// a `.dockerignore`, relative to `path`.
    pub ignore: Vec<String>,
    pub include: Vec<String>,
    pub action: WatchAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchAction {
    Rebuild,
    Restart,
    Sync {
        /// Absolute path in the container, without `.`, `..` or a slash at its end.
        target: String,
        then: Then,
        /// New containers get the files, too, before they start.
        initial: bool,
    },
}

/// What follows when files were put into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    Nothing,
    Restart,
    Exec(Hook),
}

impl WatchRule {
    /// Whether it changes containers while they run, so that they are not any more what they were made as.
    pub fn is_in_place(&self) -> bool {
        self.action != WatchAction::Rebuild
    }
}

/// When an image is asked of its registry again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// When the engine does not have it.
    #[default]
    Missing,
    Always,
    Never,
    /// When the engine's is older than this many seconds.
    Every(u64),
    /// Built anew for every deployment.
    Build,
}

/// The mounts of another service of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    pub service: String,
    pub read_only: bool,
}
