//! The container engine, behind the few operations that we need, in our words. Docker's API today; what is asked
//! here is what any engine with images, networks and containers can do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::Docker;

mod body;
mod completion;
mod containers;
mod events;
mod files;
mod images;
mod logs;
mod networks;
mod usage;
mod volumes;

/// What Docker is asked, for tests that go all the way from a compose file.
#[cfg(test)]
pub(crate) mod requests {
    pub(crate) use super::body::{body, exec, restart_policy};
    pub(crate) use super::images::build_options;
    pub(crate) use super::networks::{network_request, volume_request};
}

pub use containers::{Bearer, ContainerSpec, Created, End, Mounted, Outcome};
pub use events::{Happened, What};
pub use images::{BuildSpec, ImageFacts, OwnImage};
pub use logs::{Excerpt, Follow, LogLine};
pub use networks::{Bridge, BuildNetwork};
pub use usage::{Health, ImageLayers, Usage};

#[derive(Clone, Debug)]
pub struct Engine {
    /// As in `DOCKER_HOST`; `None` for the local socket.
    host: Option<String>,
    /// Made at the first call that finds Docker there, and shared by all clones.
    clients: Arc<OnceLock<Clients>>,
    /// Held while a network is looked for and made: of two that are asked for at once, Docker may make both, by one name.
    making_networks: Arc<tokio::sync::Mutex<()>>,
    platform: String,
}

#[derive(Debug)]
struct Clients {
    docker: Docker,
    /// Builds and installs answer for minutes; everything else must not.
    patient: Docker,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("Docker does not answer")]
    Unreachable(#[source] bollard::errors::Error),
    #[error("Docker could not {operation}: {message}")]
    Refused { operation: String, message: String, status: u16 },
    #[error("{operation} took longer than {} s", .limit.as_secs())]
    TooLong { operation: String, limit: Duration },
    #[error("the image build failed: {message}")]
    Build { message: String, log: Vec<String> },
    #[error("all {0} networks of the pool are taken")]
    NoSubnet(usize),
}

impl EngineError {
    pub(crate) fn of(operation: impl Into<String>, error: bollard::errors::Error) -> Self {
        match error {
            bollard::errors::Error::DockerResponseServerError { status_code, message } => {
                Self::Refused { operation: operation.into(), message, status: status_code }
            }
            other => Self::Unreachable(other),
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Somebody else has the name.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// Something still holds it.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { status: 403 | 409, .. })
    }

    /// Will the same call succeed once Docker is back?
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Docker answers 304 where nothing had to be done, and 404 or 409 where somebody was faster.
fn unless(codes: &[u16], result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::Refused { status, .. }) if codes.contains(&status) => Ok(()),
        other => other,
    }
}

impl Engine {
    /// `host` as in `DOCKER_HOST`; `None` for the local socket. Docker need not be there yet.
    pub fn new(host: Option<String>, platform: String) -> Self {
        Self { host, clients: Arc::default(), making_networks: Arc::default(), platform }
    }

    fn clients(&self) -> Result<&Clients, EngineError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let open = |seconds| {
            let version = bollard::API_DEFAULT_VERSION;
            let opened = match self.host.as_deref().unwrap_or(DEFAULT_SOCKET) {
                socket if socket.starts_with("unix://") => {
                    Docker::connect_with_unix(socket, seconds, version)
                }
                host => Docker::connect_with_http(host, seconds, version),
            };
            opened.map_err(EngineError::Unreachable)
        };
        let clients = Clients { docker: open(60)?, patient: open(3600)? };
        Ok(self.clients.get_or_init(|| clients))
    }

    fn docker(&self) -> Result<&Docker, EngineError> {
        Ok(&self.clients()?.docker)
    }

    fn patient(&self) -> Result<&Docker, EngineError> {
        Ok(&self.clients()?.patient)
    }

    /// Asks Docker for its version, and agrees on one of its API; all clones of this engine then speak it.
    pub async fn ready(&self) -> Result<String, EngineError> {
        for docker in [self.docker()?, self.patient()?] {
            docker.clone().negotiate_version().await.map_err(EngineError::Unreachable)?;
        }
        let version = self.docker()?.version().await.map_err(EngineError::Unreachable)?;
        Ok(version.version.unwrap_or_default())
    }

    /// Whether it knows this version of its API. What is newer it leaves out without a word.
    pub fn speaks(&self, major: usize, minor: usize) -> bool {
        let version = self.docker().map(Docker::client_version);
        version.is_ok_and(|version| (version.major_version, version.minor_version) >= (major, minor))
    }

    pub async fn ping(&self) -> Result<(), EngineError> {
        self.docker()?.ping().await.map(drop).map_err(EngineError::Unreachable)
    }

    /// Where Docker is, when it is not on this machine's own socket.
    pub fn elsewhere(&self) -> Option<&str> {
        self.host.as_deref().filter(|host| !host.starts_with("unix://"))
    }

    pub fn platform(&self) -> &str {
        &self.platform
    }

    fn ours(&self, more: Option<(&str, &str)>) -> HashMap<String, Vec<String>> {
        let mut labels = vec![format!("{}={}", crate::identity::PLATFORM, self.platform)];
        labels.extend(more.map(|(key, value)| format!("{key}={value}")));
        HashMap::from([("label".to_owned(), labels)])
    }
}

const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

fn sorted(labels: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}
