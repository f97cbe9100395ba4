//! What a container finds around it: names, name servers, a terminal, where its output goes, and files that only it sees.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    /// `host:address`, as for the Docker API.
    pub extra_hosts: Vec<String>,
    /// Groups beside those of its user.
    pub groups: Vec<String>,
    pub tty: bool,
    pub stdin_open: bool,
    pub sysctls: BTreeMap<String, String>,
    /// `None`: the engine's default.
    pub runtime: Option<String>,
    /// `ipc: shareable`.
    pub ipc_shareable: bool,
    pub logging: Option<Logging>,
    /// Secrets and configs.
    pub files: Vec<PrivateFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    pub driver: String,
    pub options: BTreeMap<String, String>,
}

/// A secret or a config: a file that is mounted into one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateFile {
    /// Absolute path in the container.
    pub target: String,
    pub content: Content,
    /// The owner; `None` for root.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mode: u32,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A path inside the workspace.
    File(String),
    Text(String),
}

/// Never shows what a secret holds.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}
