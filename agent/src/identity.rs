//! What a container of ours is: written into its labels when it is made, and read back when the agent starts
//! again. Docker is the only memory of what runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};

use crate::compose::model::{Hook, Restart};
use crate::routes::ServiceRoute;

pub const PLATFORM: &str = "cloudyknight.platform";
pub const WORKSPACE: &str = "cloudyknight.workspace";
pub const IDENTITY: &str = "cloudyknight.identity";
/// What a Traefik that reads Docker's labels goes by.
pub const TRAEFIK_ENABLE: &str = "traefik.enable";

/// Deployments of one workspace sort by their id: it starts with the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub String);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A workspace has several sets of networks, by number; each deployment takes one that no container is in, so that services
/// of two releases never meet. Two are enough while nothing drains for long and everything is replaced; the others are for
/// releases whose sockets are still open while the next ones follow, and for containers that are in two sets at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u32);

impl Slot {
    pub const FIRST: Self = Self(0);
    const DIGITS: usize = 6;

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The slot that a network is of, by its name.
    pub fn of_network(name: &str) -> Option<Self> {
        let ours = name.starts_with("cloudyknight-");
        let (_, end) = name.rsplit_once('-').filter(|_| ours)?;
        let number = end.len() >= Self::DIGITS && end.bytes().all(|byte| byte.is_ascii_digit());
        end.parse().ok().filter(|_| number).map(Self)
    }
}

/// As the names of its networks end. Names sort as the numbers do: Docker looks a service up in the networks of a container
/// in the order of their names.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.0, width = Self::DIGITS)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub workspace: WorkspaceName,
    pub service: String,
    pub deployment: DeploymentId,
    pub release: ReleaseDigest,
    /// Digest of everything that made this container what it is; equal specs need no new container.
    pub spec: String,
    pub slot: Slot,
    /// The name it bears while it is live.
    pub name: String,
    /// Folder below the agent's source directory that it mounts.
    pub source: Option<String>,
    pub routes: Vec<ServiceRoute>,
    /// For a container that a Traefik is to reach: the labels of its service that speak of Traefik. They are here and
    /// not on the container, so that a Traefik which reads Docker's labels by itself does not route to it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traefik: Option<BTreeMap<String, String>>,
    /// Another service waits until it has ended with 0: it is never started again.
    pub one_shot: bool,
    /// Its end with 0 is no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_end: bool,
    /// As its file says it; see [`Identity::restart_once_live`].
    pub restart: Restart,
    pub stop_grace: Option<Duration>,
    /// What runs inside before it is stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<Hook>,
}

impl Identity {
    pub fn labels(&self, platform: &str) -> HashMap<String, String> {
        let mut labels = HashMap::from([
            (PLATFORM.to_owned(), platform.to_owned()),
            (WORKSPACE.to_owned(), self.workspace.to_string()),
            (IDENTITY.to_owned(), serde_json::to_string(self).expect("an identity is plain data")),
        ]);
        if self.traefik.is_some() {
            labels.insert(TRAEFIK_ENABLE.to_owned(), "false".to_owned());
        }
        labels
    }

    /// `None` for a container that bears no readable identity: an intermediate one, or a newer platform's.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        Self::read(labels.get(IDENTITY)?)
    }

    /// From the label itself.
    pub fn read(label: &str) -> Option<Self> {
        serde_json::from_str(label).ok()
    }

    /// Containers of earlier agents do not say it of what others wait for.
    pub fn may_end(&self) -> bool {
        self.may_end || self.one_shot
    }

    /// What Docker is to do by itself when it ends, once it is live. Where the file says nothing, the specification says `no`;
    /// but what fails on a platform is expected back.
    pub fn restart_once_live(&self) -> Restart {
        match self.restart {
            _ if self.one_shot => Restart::No,
            Restart::Unset if self.may_end => Restart::OnFailure { max_retries: None },
            other => other,
        }
    }

    /// Its name until the switch.
    pub fn next_name(&self) -> String {
        format!("{}.next-{}", self.name, self.deployment)
    }

    /// Its name once it is live, where somebody else was given its own during the deployment.
    pub fn spare_name(&self) -> String {
        format!("{}.{}", self.name, self.deployment)
    }

    pub fn is_live_name(&self, name: &str) -> bool {
        name == self.name || name == self.spare_name()
    }

    /// Its name after the switch to its successor, until it is gone. It says who that is: while its containers have
    /// not got their names yet, this is the record that they are live.
    pub fn retired_name(&self, by: &DeploymentId) -> String {
        format!("{}.retired-{by}", self.name)
    }

    /// The deployment that took its place, by its name; `None` while it has not been retired.
    pub fn retired_by(&self, name: &str) -> Option<DeploymentId> {
        let by = name.strip_prefix(&self.name)?.strip_prefix(".retired-")?;
        Some(DeploymentId(by.to_owned()))
    }
}
