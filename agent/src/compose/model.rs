//! A compose file, understood: every short form expanded, every variable filled in, every reference resolved.
//! What the planner reads; nothing here remembers YAML.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudyknight_core::status::Strategy;
use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};

mod lifecycle;
mod resources;
mod surroundings;

pub use lifecycle::{Hook, PullPolicy, Then, VolumesFrom, WatchAction, WatchRule};
pub use resources::{Blkio, DeviceRequest, Resources, Ulimit};
pub use surroundings::{Content, Logging, PrivateFile, Surroundings};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub workspace: WorkspaceName,
    /// By service name. Never empty.
    pub services: BTreeMap<String, Service>,
    /// Named volumes that services use, and the driver options they were declared with.
    pub volumes: BTreeMap<String, NamedVolume>,
    /// The networks of this workspace that services join.
    pub networks: BTreeMap<String, Network>,
    /// `x-cloudyknight: {fresh: true}`: install dependencies anew for every deployment.
    pub fresh: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub image: ImageSource,
    pub container_name: Option<String>,
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// `env_file` first, `environment` over it.
    pub environment: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Ports published on the host.
    pub ports: Vec<PublishedPort>,
    /// Ports the service listens on inside its networks (TCP), from `expose`.
    pub expose: Vec<u16>,
    pub mounts: Vec<Mount>,
    /// Networks of this workspace that the service joins (by their name in the file), with its extra aliases.
    /// `default` when it names none, and in place of an external network that only stands for the edge. Empty
    /// when the service lives in the host's network.
    pub networks: BTreeMap<String, Vec<String>>,
    /// External Docker networks that the operator's policy allows it to join, with its extra aliases.
    pub external_networks: BTreeMap<String, Vec<String>>,
    pub depends_on: BTreeMap<String, DependsOn>,
    pub healthcheck: Healthcheck,
    pub restart: Restart,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    /// `None`: the platform's default, which is true.
    pub init: Option<bool>,
    pub stop_grace_period: Option<Duration>,
    /// Such as `SIGINT`.
    pub stop_signal: Option<String>,
    pub isolation: Isolation,
    pub resources: Resources,
    pub surroundings: Surroundings,
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<WatchRule>,
    pub volumes_from: Vec<VolumesFrom>,
    pub pull: PullPolicy,
    /// Such as `linux/arm64`.
    pub platform: Option<String>,
    /// How many containers it has. At least one.
    pub replicas: u32,
    /// How they are replaced, where the file says so. No part of what they are.
    #[serde(skip)]
    pub strategy: Option<Strategy>,
}

#[cfg(test)]
impl Service {
    /// A service of which the file says nothing but the image.
    pub fn plain(image: ImageSource) -> Self {
        Self {
            image,
            strategy: None,
            container_name: None,
            command: None,
            entrypoint: None,
            environment: BTreeMap::new(),
            labels: BTreeMap::new(),
            ports: Vec::new(),
            expose: Vec::new(),
            mounts: Vec::new(),
            networks: BTreeMap::new(),
            external_networks: BTreeMap::new(),
            depends_on: BTreeMap::new(),
            healthcheck: Healthcheck::Inherit,
            restart: Restart::Unset,
            working_dir: None,
            user: None,
            init: None,
            stop_grace_period: None,
            stop_signal: None,
            isolation: Isolation::default(),
            resources: Resources::default(),
            surroundings: Surroundings::default(),
            post_start: Vec::new(),
            pre_stop: Vec::new(),
            watch: Vec::new(),
            volumes_from: Vec::new(),
            pull: PullPolicy::default(),
            platform: None,
            replicas: 1,
        }
    }
}

/// How far a container is let out of its box, or shut in further than usual. The default is Docker's own box.
/// What opens it has been allowed by the operator's policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    pub privileged: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub devices: Vec<Device>,
    /// Which of the host's namespaces it shares.
    pub host_namespaces: BTreeSet<Namespace>,
    /// Which it has for itself because the file says so, whatever the engine's default is.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub private_namespaces: BTreeSet<Namespace>,
    /// Which namespaces it shares with another service of the workspace.
    pub shared: BTreeMap<Namespace, String>,
    /// `network_mode: none`.
    pub no_network: bool,
    /// As for the Docker API, such as `no-new-privileges:true`.
    pub security_opt: Vec<String>,
    /// The root filesystem is read-only.
    pub read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Namespace {
    Network,
    Pid,
    Ipc,
    Uts,
    User,
    Cgroup,
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub host: String,
    pub container: String,
    /// Of `r`, `w` and `m` (mknod).
    pub permissions: String,
}

/// A network of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Without a way out.
    pub internal: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ImageSource {
    Image(String),
    Build(Box<Build>),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Path inside the workspace; empty for its root.
    pub context: String,
    /// Path inside the context.
    pub dockerfile: String,
    /// A Dockerfile written in the compose file, in place of one in the context.
    pub inline: Option<String>,
    pub args: BTreeMap<String, String>,
    pub target: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Images whose layers may be taken over.
    pub cache_from: Vec<String>,
    pub no_cache: bool,
    /// Asks the registry for what it is built from, every time.
    pub pull: bool,
    /// `none` or `host`; otherwise the engine's default.
    pub network: Option<String>,
    /// Bytes.
    pub shm_size: Option<i64>,
    pub extra_hosts: Vec<String>,
    pub platform: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// `None`: all addresses of the host.
    pub host_ip: Option<std::net::IpAddr>,
    /// `None`: Docker chooses.
    pub published: Option<u16>,
    pub target: u16,
    pub protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    Tcp,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub target: String,
    pub source: MountSource,
    pub read_only: bool,
    pub options: MountOptions,
}

/// What a mount says beyond its two ends. The default is the platform's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOptions {
    /// A new volume stays empty, whatever the image has at its place.
    pub no_copy: bool,
    /// Labels of an anonymous volume.
    pub labels: BTreeMap<String, String>,
    /// Such as `rslave`.
    pub propagation: Option<String>,
    /// What is mounted below the source is not seen.
    pub non_recursive: bool,
    /// `z` or `Z`: relabelled for SELinux.
    pub selinux: Option<char>,
    pub consistency: Option<String>,
    /// Of a tmpfs, such as `size=64m`.
    pub tmpfs: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// Path inside the workspace; empty for its root. Always mounted read-only.
    Workspace(String),
    /// A named volume of this workspace: it survives releases.
    Volume(String),
    /// An anonymous volume: it lives and dies with the container.
    Anonymous,
    Tmpfs,
    /// Absolute path on the host, which the operator's policy has allowed.
    Host(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedVolume {
    pub driver: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Its name in Docker, for one that exists outside of the platform and that the operator's policy has allowed.
    pub external: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependsOn {
    pub condition: Condition,
    /// When false, a missing or failing dependency is a warning and not an error.
    pub required: bool,
    /// When it is replaced, so is the one that depends on it.
    pub restart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Started,
    Healthy,
    CompletedSuccessfully,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Healthcheck {
    /// The image decides.
    Inherit,
    /// `disable: true` or `test: NONE`.
    Disabled,
    Check {
        /// As for the Docker API: `CMD …` or `CMD-SHELL …`; empty for the image's own test at other times.
        test: Vec<String>,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        retries: Option<u32>,
        start_period: Option<Duration>,
        /// Between two checks while it starts.
        start_interval: Option<Duration>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// The file says nothing: the platform keeps it running.
    Unset,
    No,
    Always,
    OnFailure {
        max_retries: Option<u32>,
    },
    UnlessStopped,
}

/// Something that has no effect here, but hurts nothing: shown in `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub message: String,
    /// The file of the workspace that it is about.
    #[serde(default)]
    pub file: Option<String>,
    /// In that file, 1-based.
    pub line: Option<usize>,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// Why a compose file cannot be deployed. `Display` is the sentence a user reads, position included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", .position.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
pub struct ComposeError {
    pub file: String,
    /// Line and column, 1-based.
    pub position: Option<(usize, usize)>,
    pub message: String,
    pub hint: Option<String>,
    pub service: Option<String>,
    /// The operator's policy forbids it: a correct file all the same.
    pub policy: bool,
}

impl ComposeError {
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
