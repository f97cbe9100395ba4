//! A route: host and path → the containers of a deployment. The agent writes the table; the edge holds it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::middleware::Middleware;
use crate::rule::Syntax;
use crate::workspace::WorkspaceName;

/// The whole routing table, as the agent hands it to the edge: always complete, replaced in one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    pub version: u32,
    pub routes: Vec<Route>,
}

impl RouteTable {
    /// The newest version. An edge takes every one up to its own.
    pub const VERSION: u32 = 2;

    /// The oldest version that says it all: an older edge goes on with tables that it understands, and refuses one
    /// whose middlewares it would leave out.
    pub fn new(routes: Vec<Route>) -> Self {
        let version = if routes.iter().any(Route::wants_middlewares) { 2 } else { 1 };
        Self { version, routes }
    }
}

impl Default for RouteTable {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub workspace: WorkspaceName,
    /// Unique in the table: Traefik's router name, or the workspace's own.
    pub name: String,
    /// A [`crate::rule::Rule`] in Traefik's words, such as ``Host(`a.example`) && PathPrefix(`/b`)``.
    pub rule: String,
    /// What the rule's words mean, and to which form of a path.
    #[serde(default, skip_serializing_if = "Syntax::is_own")]
    pub syntax: Syntax,
    /// Higher wins; without one, or with 0, the length of the rule counts, as in Traefik.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Path prefixes taken off before the request is forwarded; the first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strip_prefixes: Vec<String>,
    /// A browser that asks for a page at exactly this path is sent to the same path with a slash, because relative
    /// links on the page lead nowhere otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_root: Option<String>,
    /// What a request passes, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<Middleware>,
    /// The backend gets its own address as `Host`, and not what the client named.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hides_host: bool,
    pub backends: Vec<Backend>,
}

impl Route {
    /// Whether an edge that knows only version 1 would do something else with it.
    fn wants_middlewares(&self) -> bool {
        !self.middlewares.is_empty() || self.hides_host || !self.syntax.is_own()
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// One container that answers. `id` tells two containers apart that held the same address one after another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backend {
    pub id: String,
    pub address: SocketAddr,
}
