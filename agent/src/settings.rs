//! What the operator decides about the agent. Read once at start; nothing else in the agent reads files or the
//! environment for settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::firewall::Guarded;
use crate::policy::PolicyFile;
use crate::releases::Retention;

#[derive(Clone, Debug)]
pub struct Settings {
    /// Which platform a container belongs to: two platforms on one Docker engine never touch each other's.
    pub platform: String,
    /// The least time without a change before a push counts as complete.
    pub quiet: Duration,
    /// The same, once a second object has changed during the wait.
    pub burst_quiet: Duration,
    /// How long an endless push may keep a release waiting.
    pub settle_cap: Duration,
    /// How long a service has to become healthy.
    pub health_timeout: Duration,
    /// How long requests in flight may keep the old containers alive after the switch.
    pub drain_timeout: Duration,
    /// How soon after it went live a container of a release may not fail, or the release before serves again.
    pub probation: Duration,
    /// How many images of each service stay beside the live one, so that going back to their releases makes none anew.
    pub keep_images: usize,
    /// How long installing dependencies, or one image build, may take.
    pub build_timeout: Duration,
    /// How many workspaces are deployed at the same time.
    pub concurrency: usize,
    /// In memory (tmpfs): where the source of running releases is kept for their read-only mounts.
    pub source_dir: PathBuf,
    /// The largest workspace that is deployed, in bytes: its source is kept in memory.
    pub max_source_bytes: u64,
    /// Which releases stay to be gone back to.
    pub retention: Retention,
    /// What the edge is called from outside, such as `http://localhost:8080`.
    pub edge_url: String,
    /// `<workspace>.<domain>` answers for each workspace.
    pub domain: String,
    /// Private range (`a.b.0.0`) out of which workspaces get networks of 32 addresses each.
    pub subnet_pool: [u8; 2],
    /// Install dependencies anew for every deployment, in every workspace.
    pub fresh: bool,
    /// Keep containers from the platform's own doors.
    pub firewall: bool,
    /// Where those doors are.
    pub guarded: Vec<Guarded>,
    pub policy: Arc<PolicyFile>,
    /// The folder for the API's sockets, one for each workspace that may use it.
    pub api_sockets: PathBuf,
    /// The operator's variables for `${…}` in compose files.
    pub variables: BTreeMap<String, String>,
    /// Environment of containers that install or build: proxies, certificate bundles, mirrors.
    pub install: InstallAccess,
}

/// How a container that installs dependencies reaches the outside, where the host needs more than a route.
#[derive(Clone, Debug, Default)]
pub struct InstallAccess {
    pub environment: BTreeMap<String, String>,
    /// Files of the host mounted read-only at the same path, such as a certificate bundle.
    pub files: Vec<PathBuf>,
}
