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
