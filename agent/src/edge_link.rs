//! The agent's end of the line to whatever carries the traffic: our own edge, or a Traefik that routes by the files that
//! we write. Both hold what they were told last; this end tells them again whenever the two differ.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cloudyknight_core::route::{Backend, Route};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_edge::control::ControlError;
use cloudyknight_edge::stats::Stats;
use serde::{Deserialize, Serialize};

use crate::deploy::replicas::service_of;
use crate::engine::Engine;
use crate::identity::Identity;
use crate::traefik::{Reached, Traefik, TraefikError, TraefikSettings};

mod embedded;
use embedded::Embedded;

/// What carries the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    #[default]
    Embedded,
    Traefik,
}

pub enum EdgeLink {
    Embedded(Embedded),
    Traefik(Box<Traefik>),
}

#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error(transparent)]
    Embedded(#[from] ControlError),
    #[error(transparent)]
    Traefik(#[from] TraefikError),
}

impl EdgeError {
    /// Where more is known than that the edge does not answer.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Embedded(_) => None,
            Self::Traefik(error) => Some(error.hint()),
        }
    }
}

/// What leads to the containers of a workspace, said so that either edge can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// To containers that were made for our own edge.
    pub routes: Vec<Route>,
    /// Those that were made for a Traefik, in the words of labels: by service.
    pub services: BTreeMap<String, Reached>,
}

impl EdgeLink {
    /// To our own edge, which listens on this socket.
    pub fn embedded(socket: PathBuf) -> Self {
        Self::Embedded(Embedded::new(socket))
    }

    /// To a Traefik that the operator runs.
    pub fn traefik(settings: TraefikSettings, engine: Engine) -> Self {
        Self::Traefik(Box::new(Traefik::new(settings, engine)))
    }

    pub fn kind(&self) -> EdgeKind {
        match self {
            Self::Embedded(_) => EdgeKind::Embedded,
            Self::Traefik(_) => EdgeKind::Traefik,
        }
    }

    /// Takes note of what runs, before the edge is told anything.
    pub async fn recover(&self, routings: BTreeMap<WorkspaceName, Routing>) {
        match self {
            Self::Embedded(edge) => {
                let routes = routings.into_iter().map(|(name, routing)| (name, routing.routes));
                edge.recover(routes.collect()).await;
            }
            Self::Traefik(edge) => edge.recover(routings).await,
        }
    }

    /// Replaces the routes of one workspace. When it returns, no new request of it goes any other way.
    pub async fn switch(&self, workspace: &WorkspaceName, routing: Routing) -> Result<(), EdgeError> {
        match self {
            Self::Embedded(edge) => Ok(edge.switch(workspace, routing.routes).await?),
            Self::Traefik(edge) => Ok(edge.switch(workspace, routing).await?),
        }
    }

    /// Whether another workspace already has a route with this very rule; its name.
    pub async fn taken(&self, workspace: &WorkspaceName, rule: &str) -> Option<WorkspaceName> {
        match self {
            Self::Embedded(edge) => edge.taken(workspace, rule).await,
            Self::Traefik(edge) => edge.taken(workspace, rule).await,
        }
    }

    /// Requests in flight on backends that take no new ones.
    pub async fn in_flight(&self, backends: &[String]) -> Result<u64, EdgeError> {
        match self {
            Self::Embedded(edge) => Ok(edge.in_flight(backends).await?),
            Self::Traefik(edge) => Ok(edge.in_flight(backends).await?),
        }
    }

    /// The backends that now stand for a workspace.
    pub async fn backends(&self, workspace: &WorkspaceName) -> Vec<String> {
        match self {
            Self::Embedded(edge) => edge.backends(workspace).await,
            Self::Traefik(edge) => edge.backends(workspace).await,
        }
    }

    /// What it counted; `None` of a Traefik, which we do not ask.
    pub async fn stats(&self) -> Result<Option<Stats>, EdgeError> {
        match self {
            Self::Embedded(edge) => Ok(Some(edge.stats().await?)),
            Self::Traefik(_) => Ok(None),
        }
    }

    /// Tells everything again if the edge holds something else: it was restarted, or could not be reached.
    pub async fn repair(&self) -> Result<(), EdgeError> {
        match self {
            Self::Embedded(edge) => Ok(edge.repair().await?),
            Self::Traefik(edge) => Ok(edge.repair().await?),
        }
    }
}

/// What leads to containers that run, each at its address.
pub fn routes_to<'a>(live: impl IntoIterator<Item = (&'a str, &'a Identity, Ipv4Addr)>) -> Routing {
    let mut routes: Vec<Route> = Vec::new();
    let mut services: BTreeMap<String, Reached> = BTreeMap::new();
    for (container, identity, address) in live {
        let service = service_of(&identity.service);
        if let Some(labels) = &identity.traefik {
            let reached = services.entry(service.to_owned()).or_default();
            reached.labels.clone_from(labels);
            reached.routes.clone_from(&identity.routes);
            reached.backends.insert(backend_id(container, address), address);
            continue;
        }
        for one in identity.routes.iter().map(|route| Route {
            workspace: identity.workspace.clone(),
            name: format!("{}@{}", route.name, service),
            rule: route.rule.clone(),
            syntax: route.syntax,
            priority: route.priority,
            strip_prefixes: route.strip_prefixes.clone(),
            page_root: route.page_root.clone(),
            middlewares: route.middlewares.clone(),
            hides_host: route.hides_host,
            backends: vec![Backend {
                id: backend_id(container, address),
                address: SocketAddr::new(address.into(), route.port),
            }],
        }) {
            // The containers of one service share its routes.
            let same = |other: &&mut Route| {
                (&other.workspace, &other.name, &other.rule) == (&one.workspace, &one.name, &one.rule)
            };
            match routes.iter_mut().find(same) {
                Some(other) => other.backends.extend(one.backends),
                None => routes.push(one),
            }
        }
    }
    Routing { routes, services }
}

/// What the edge calls a container at an address. The address is part of it: a container that changes networks is
/// drained like another one.
pub fn backend_id(container: &str, address: Ipv4Addr) -> String {
    format!("{}@{address}", &container[..container.len().min(12)])
}
