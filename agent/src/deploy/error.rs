//! Why a deployment came to nothing, in words for whoever pushed; and what follows from it.

use std::time::Duration;

use cloudyknight_core::status::Failure;
use cloudyknight_store::bucket::{BucketError, Follow};

use crate::archive::ArchiveError;
use crate::compose::model::ComposeError;
use crate::edge_link::EdgeError;
use crate::engine::EngineError;
use crate::releases::ReleaseError;
use crate::source::SourceError;

#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("the bucket moved on while the release was prepared")]
    Superseded,
    #[error("it was cancelled")]
    Cancelled,
    #[error("could not read the workspace from the bucket")]
    Bucket(#[from] BucketError),
    #[error("the status could not be written to the platform bucket")]
    Report(#[source] BucketError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("the uploaded archive could not be taken")]
    Archive(#[from] ArchiveError),
    #[error("could not fetch the source")]
    Source(#[from] SourceError),
    #[error("{0}")]
    Compose(ComposeError),
    #[error("service `{service}`: there is no image `{image}`, and it could not be pulled: {message}")]
    NoImage { service: String, image: String, message: String },
    #[error("service `{service}`: the image build failed: {message}")]
    Build { service: String, message: String, log: Vec<String> },
    #[error("installing the dependencies failed with exit code {code}")]
    Install { service: String, code: i64, log: Vec<String> },
    #[error("installing the dependencies took longer than {} s", .limit.as_secs())]
    InstallTooLong { service: String, limit: Duration, log: Vec<String> },
    #[error("service `{service}` wants the Docker network `{network}`, which does not exist")]
    NoNetwork { service: String, network: String },
    #[error("the external Docker volume `{volume}` does not exist")]
    NoVolume { volume: String },
    #[error("service `{service}`: `post_start`: `{command}` failed: {message}")]
    Hook { service: String, command: String, message: String, log: Vec<String> },
    #[error("the socket of the API could not be made for this workspace")]
    ApiSocket(#[source] std::io::Error),
    #[error("service `{service}` exited with code {code} before it was ready")]
    Exited { service: String, code: i64, out_of_memory: bool, log: Vec<String> },
    #[error("service `{service}` does not answer on port {port} after {} s", .limit.as_secs())]
    NotListening { service: String, port: u16, limit: Duration, found: Vec<String>, log: Vec<String> },
    #[error("service `{service}` is not healthy after {} s: `{check}` fails", .limit.as_secs())]
    Unhealthy { service: String, check: String, limit: Duration, log: Vec<String> },
    #[error("service `{service}`: {message}")]
    Refused { service: String, message: String },
    #[error("the edge does not take the new routes")]
    Edge(#[from] EdgeError),
    #[error("the new release serves, but its containers could not be given their names")]
    Unrecorded(#[source] EngineError),
    #[error("the container engine failed")]
    Engine(#[from] EngineError),
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// List again: the bucket holds something newer.
    ListAgain,
    /// Try again later, by itself.
    Retry,
    /// Only a new push helps.
    Human,
    /// Somebody wants it no longer.
    Cancelled,
}

impl DeployError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Superseded => Kind::ListAgain,
            Self::Cancelled => Kind::Cancelled,
            Self::Release(error) if error.is_passing() => Kind::Retry,
            Self::Bucket(error) | Self::Source(SourceError::Bucket { source: error, .. }) => {
                match error.follow() {
                    Follow::ListAgain => Kind::ListAgain,
                    // A refusal is no fault of the release: it ends when somebody grants what is missing, and nobody
                    // pushes again for that.
                    Follow::Retry | Follow::Human => Kind::Retry,
                }
            }
            Self::Source(SourceError::Other { .. }) => Kind::ListAgain,
            Self::Report(_)
            | Self::ApiSocket(_)
            | Self::Archive(_)
            | Self::Source(SourceError::Disk { .. })
            | Self::Unrecorded(_) => Kind::Retry,
            Self::Edge(EdgeError::Traefik(error)) if error.is_of_the_workspace() => Kind::Human,
            Self::Edge(_) => Kind::Retry,
            Self::Engine(error) if error.is_outage() => Kind::Retry,
            _ => Kind::Human,
        }
    }

    /// What people read in `status`.
    pub fn failure(&self) -> Failure {
        Failure {
            message: with_causes(self),
            service: self.service().map(str::to_owned),
            hint: self.hint(),
            log: self.log().to_vec(),
        }
    }

    fn service(&self) -> Option<&str> {
        match self {
            Self::Compose(error) => error.service.as_deref(),
            Self::NoImage { service, .. }
            | Self::Build { service, .. }
            | Self::Install { service, .. }
            | Self::InstallTooLong { service, .. }
            | Self::NoNetwork { service, .. }
            | Self::Hook { service, .. }
            | Self::Exited { service, .. }
            | Self::NotListening { service, .. }
            | Self::Unhealthy { service, .. }
            | Self::Refused { service, .. } => Some(service),
            Self::Superseded
            | Self::Cancelled
            | Self::Release(_)
            | Self::Archive(_)
            | Self::Bucket(_)
            | Self::Report(_)
            | Self::Source(_)
            | Self::Edge(_)
            | Self::NoVolume { .. }
            | Self::Unrecorded(_)
            | Self::ApiSocket(_)
            | Self::Engine(_) => None,
        }
    }

    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Archive(error) => return error.hint(),
            Self::Compose(error) => return error.hint.clone(),
            Self::Release(error) => return error.hint(),
            Self::Edge(EdgeError::Traefik(error)) => error.hint(),
            Self::NoImage { .. } => {
                "check the name and the tag; an image that no registry has must be built on this host, or by \
                 `build:` from the workspace; `cloudyknight retry` tries again"
                    .into()
            }
            Self::Build { .. } => "the end of the build's output is in the log below; it builds from the files of \
                                   the workspace only"
                .into(),
            Self::Install { .. } => "the end of the installation's output is in the log below; does it work with \
                                     only these files in an empty folder?"
                .into(),
            Self::InstallTooLong { .. } => "can the host reach the package registry? The limit is the setting \
                                            `build_timeout_s`"
                .into(),
            Self::NoNetwork { network, .. } => format!("create it with `docker network create {network}`, and then `cloudyknight retry`"),
            Self::NoVolume { volume } => format!("create it with `docker volume create {volume}`, and then `cloudyknight retry`"),
            Self::Hook { .. } => "the end of its output is in the log below; it runs inside the container once that has started".into(),
            Self::Exited { out_of_memory: true, .. } => "it ran out of memory".into(),
            Self::Exited { code: 127, .. } => "its command was not found in the image".into(),
            Self::Exited { code: 0, .. } => {
                "it may not just end: it is routed to, publishes a port, is waited for, or has `restart: always`; without all \
                 that it would be a job"
                    .into()
            }
            Self::Exited { .. } => "the end of its output is in the log below".into(),
            Self::NotListening { port, found, .. } => not_listening(*port, found),
            Self::Unhealthy { .. } => {
                "run the check in the container to see what it says; a longer `start_period` gives it more time".into()
            }
            Self::Source(SourceError::TooLarge { .. }) => {
                "the source of a workspace is kept in memory; keep large data elsewhere, or raise the setting \
                 `max_source_mb`"
                    .into()
            }
            Self::Edge(_) => "is the edge running? `cloudyknight doctor` looks".into(),
            Self::Engine(error) if error.is_outage() => "is Docker running? `cloudyknight doctor` looks".into(),
            Self::Cancelled
            | Self::Refused { .. }
            | Self::Engine(_)
            | Self::Unrecorded(_)
            | Self::ApiSocket(_) => return None,
            Self::Bucket(error) | Self::Report(error) | Self::Source(SourceError::Bucket { source: error, .. })
                if error.follow() != Follow::ListAgain =>
            {
                return cloudyknight_store::hint::of(error);
            }
            Self::Superseded | Self::Source(SourceError::Bucket { .. } | SourceError::Other { .. }) => {
                "its objects change faster than they can be read; it is tried again".into()
            }
            Self::Bucket(_) | Self::Report(_) | Self::Source(_) => return None,
        };
        Some(hint)
    }

    fn log(&self) -> &[String] {
        match self {
            Self::Build { log, .. }
            | Self::Install { log, .. }
            | Self::InstallTooLong { log, .. }
            | Self::Exited { log, .. }
            | Self::Hook { log, .. }
            | Self::NotListening { log, .. }
            | Self::Unhealthy { log, .. } => log,
            _ => &[],
        }
    }
}

fn not_listening(port: u16, found: &[String]) -> String {
    let loopback = |address: &&String| address.starts_with("127.") || address.starts_with("[::1]");
    if let Some(address) = found.iter().find(loopback) {
        return format!(
            "it listens on {address}, which only the container itself can reach: make it 0.0.0.0:{port}"
        );
    }
    if found.is_empty() {
        format!(
            "it listens on no port at all; make the app listen on 0.0.0.0:{port} (the variable PORT says so)"
        )
    } else {
        let found = found.join(", ");
        format!(
            "it listens on {found}: make it listen on port {port}, or say the right port with a label or `expose`"
        )
    }
}

/// The error and what caused it, as one sentence.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.ends_with(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        cause = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_address_that_only_the_container_reaches() {
        let hint = not_listening(3000, &["127.0.0.1:3000".into()]);
        assert!(hint.contains("127.0.0.1:3000") && hint.contains("0.0.0.0:3000"), "{hint}");
    }

    #[test]
    fn the_hint_names_the_port_that_it_listens_on_instead() {
        let hint = not_listening(3000, &["0.0.0.0:8080".into()]);
        assert!(hint.contains("0.0.0.0:8080") && hint.contains("port 3000"), "{hint}");
    }

    #[test]
    fn a_vanished_object_means_list_again_and_an_outage_means_retry() {
        let gone = BucketError::NotFound { bucket: "b".into(), key: "k".into() };
        let gone = DeployError::Source(SourceError::Bucket { path: "k".into(), source: gone });
        assert_eq!(gone.kind(), Kind::ListAgain);
        let outage =
            DeployError::Engine(EngineError::Unreachable(bollard::errors::Error::RequestTimeoutError));
        assert_eq!(outage.kind(), Kind::Retry);
        let human = DeployError::Refused { service: "s".into(), message: "m".into() };
        assert_eq!(human.kind(), Kind::Human);
    }

    #[test]
    fn a_failure_tells_the_whole_chain_of_causes_once() {
        let refused = std::io::Error::other("disk is full");
        let error = DeployError::Source(SourceError::Disk { path: "a.txt".into(), source: refused });
        let expected =
            "could not fetch the source: could not write `a.txt` below the source directory: disk is full";
        assert_eq!(error.failure().message, expected);
    }
}
