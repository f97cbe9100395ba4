//! Which routes lead to a service: its own Traefik labels, else the workspace's name as path and as host.
//!
//! Routes are decided before a container is made and travel in its labels, so that the whole table can be made
//! again from Docker alone.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cloudyknight_core::rule::Rule;
use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};

use crate::compose::model::Service;

/// Above the length of any sane rule: a workspace's own host name is never shadowed by a path of another.
const HOST_PRIORITY: i64 = 10_000;
/// Below the length of any `PathPrefix` written by hand, which therefore wins over a default.
const PATH_PRIORITY: i64 = 10;
const ROOT_PRIORITY: i64 = 1;

/// The workspace that also answers at `/`.
const ROOT_WORKSPACE: &str = "www";

/// A route without its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRoute {
    pub name: String,
    pub rule: String,
    pub priority: Option<i64>,
    pub strip_prefixes: Vec<String>,
    /// See [`cloudyknight_core::route::Route::page_root`].
    pub page_root: Option<String>,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// By service; a service that is not reached from outside has none.
    pub routes: BTreeMap<String, Vec<ServiceRoute>>,
    pub warnings: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("service `{service}`: label `{label}` is no rule: {message}")]
    Rule { service: String, label: String, message: String },
    #[error("service `{service}`: label `{label}` has the value `{value}`, which is no {expected}")]
    Value { service: String, label: String, value: String, expected: &'static str },
    #[error(
        "service `{service}`: router `{router}` uses the middleware `{middleware}`, which no label defines"
    )]
    Middleware { service: String, router: String, middleware: String },
    #[error("service `{service}` has a router but no port")]
    NoPort { service: String },
}

impl RouteError {
    pub fn service(&self) -> &str {
        match self {
            Self::Rule { service, .. }
            | Self::Value { service, .. }
            | Self::Middleware { service, .. }
            | Self::NoPort { service } => service,
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Rule { .. } => {
                "rules are built from Host(`…`), Path(`…`), PathPrefix(`…`), &&, ||, ! and parentheses".into()
            }
            Self::Value { label, expected, .. } => format!("give `{label}` a {expected}"),
            Self::Middleware { middleware, .. } => {
                format!("define it with `traefik.http.middlewares.{middleware}.stripprefix.prefixes=/…`")
            }
            Self::NoPort { service } => format!(
                "add `traefik.http.services.{service}.loadbalancer.server.port=…` or `expose:` to the service"
            ),
        }
    }
}

/// Decides the routes of all services of a workspace. `image_ports` are the ports that the images declare.
pub fn assign(
    workspace: &WorkspaceName,
    domain: &str,
    services: &BTreeMap<String, Service>,
    image_ports: &BTreeMap<String, Vec<u16>>,
) -> Result<Assigned, RouteError> {
    let mut routes: BTreeMap<String, Vec<ServiceRoute>> = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut labelled: Option<String> = None;
    let (mut any_router, mut any_host) = (false, false);

    for (name, service) in services {
        let labels = Labels::read(name, service)?;
        warnings.extend(labels.unknown.iter().map(|label| {
            format!("service `{name}`: the label `{label}` is not known to the edge and has no effect")
        }));
        if labels.disabled {
            routes.insert(name.clone(), Vec::new());
            continue;
        }
        if labels.routers.is_empty() {
            continue;
        }
        any_router = true;
        labelled.get_or_insert_with(|| name.clone());
        let fallback = port_of(service, image_ports.get(name));
        let own = labels.routes(workspace, name, fallback)?;
        any_host |= own.iter().any(|route| route.rule.contains("Host"));
        routes.insert(name.clone(), own);
    }

    let reachable = labelled.or_else(|| match guess(workspace, services, image_ports, &routes) {
        Ok(service) => Some(service),
        Err(Some(warning)) => {
            warnings.push(warning);
            None
        }
        Err(None) => None,
    });
    if let Some(service) = reachable {
        let labelled = routes.get(&service).and_then(|own| own.first()).map(|route| route.port);
        let port = labelled.or_else(|| port_of(&services[&service], image_ports.get(&service)));
        if let Some(port) = port {
            let own = routes.entry(service).or_default();
            own.extend(defaults(workspace, domain, port, !any_router, !any_host));
        }
    }
    Ok(Assigned { routes, warnings })
}

/// `/name`, `name.<domain>`, and `/` for the workspace `www`.
fn defaults(
    workspace: &WorkspaceName,
    domain: &str,
    port: u16,
    by_path: bool,
    by_host: bool,
) -> Vec<ServiceRoute> {
    let mut routes = Vec::new();
    if by_path {
        routes.push(ServiceRoute {
            name: format!("{workspace}@path"),
            rule: format!("PathPrefix(`/{workspace}/`) || Path(`/{workspace}`)"),
            priority: Some(PATH_PRIORITY),
            strip_prefixes: vec![format!("/{workspace}")],
            page_root: Some(format!("/{workspace}")),
            port,
        });
        if workspace.as_str() == ROOT_WORKSPACE {
            routes.push(ServiceRoute {
                name: format!("{workspace}@root"),
                rule: "PathPrefix(`/`)".into(),
                priority: Some(ROOT_PRIORITY),
                strip_prefixes: Vec::new(),
                page_root: None,
                port,
            });
        }
    }
    if by_host {
        routes.push(ServiceRoute {
            name: format!("{workspace}@host"),
            rule: format!("Host(`{workspace}.{domain}`)"),
            priority: Some(HOST_PRIORITY),
            strip_prefixes: Vec::new(),
            page_root: None,
            port,
        });
    }
    routes
}

/// The port a service listens on, when no label says so: `expose`, then `ports`, then the image.
fn port_of(service: &Service, image_ports: Option<&Vec<u16>>) -> Option<u16> {
    let own_variable = service.environment.get("PORT").and_then(|port| port.parse().ok());
    let exposed = service.expose.first().copied();
    let published = service.ports.first().map(|port| port.target);
    exposed.or(published).or(own_variable).or_else(|| image_ports.and_then(|ports| ports.first().copied()))
}

/// Which service a workspace without router labels means: the only one that can be reached, or the one that bears
/// the workspace's name.
fn guess(
    workspace: &WorkspaceName,
    services: &BTreeMap<String, Service>,
    image_ports: &BTreeMap<String, Vec<u16>>,
    decided: &BTreeMap<String, Vec<ServiceRoute>>,
) -> Result<String, Option<String>> {
    let open: Vec<&String> = services.keys().filter(|name| !decided.contains_key(*name)).collect();
    let listening: BTreeSet<&String> = open
        .iter()
        .copied()
        .filter(|name| port_of(&services[*name], image_ports.get(*name)).is_some())
        .collect();
    let declared: Vec<&String> = open
        .iter()
        .copied()
        .filter(|name| !services[*name].expose.is_empty() || !services[*name].ports.is_empty())
        .collect();
    if let Some(name) = listening.iter().find(|name| name.as_str() == workspace.as_str()) {
        return Ok((*name).clone());
    }
    if let [only] = declared.as_slice() {
        return Ok((*only).clone());
    }
    match listening.iter().collect::<Vec<_>>().as_slice() {
        [] => Err(None),
        [only] => Ok((**only).clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(Some(format!(
                "no service is reached from outside: `{}` all listen; name one of them `{workspace}`, or give it \
                 Traefik labels",
                names.join("`, `")
            )))
        }
    }
}

/// The labels of one service that speak of routing, sorted out.
#[derive(Default)]
struct Labels {
    disabled: bool,
    routers: BTreeMap<String, Router>,
    strip_prefixes: BTreeMap<String, Vec<String>>,
    ports: BTreeMap<String, u16>,
    unknown: Vec<String>,
}

#[derive(Default)]
struct Router {
    rule: Option<String>,
    priority: Option<i64>,
    middlewares: Vec<String>,
    service: Option<String>,
}

impl Labels {
    fn read(service: &str, definition: &Service) -> Result<Self, RouteError> {
        let mut labels = Self::default();
        for (label, value) in &definition.labels {
            // Traefik reads its label names without regard to case.
            let lower = label.to_ascii_lowercase();
            let Some(rest) = lower.strip_prefix("traefik.") else { continue };
            let wrong = |expected| RouteError::Value {
                service: service.to_owned(),
                label: label.clone(),
                value: value.clone(),
                expected,
            };
            let parts: Vec<&str> = rest.split('.').collect();
            match parts.as_slice() {
                ["enable"] => labels.disabled = value.trim().eq_ignore_ascii_case("false"),
                ["http", "routers", router, "rule"] => {
                    Rule::from_str(value).map_err(|error| RouteError::Rule {
                        service: service.to_owned(),
                        label: label.clone(),
                        message: error.to_string(),
                    })?;
                    labels.router(router).rule = Some(value.clone());
                }
                ["http", "routers", router, "priority"] => {
                    let priority = value.trim().parse().map_err(|_| wrong("whole number"))?;
                    labels.router(router).priority = Some(priority);
                }
                ["http", "routers", router, "middlewares"] => labels.router(router).middlewares = list(value),
                ["http", "routers", router, "service"] => labels.router(router).service = Some(plain(value)),
                ["http", "middlewares", middleware, "stripprefix", "prefixes"] => {
                    labels.strip_prefixes.insert((*middleware).to_owned(), list(value));
                }
                ["http", "services", name, "loadbalancer", "server", "port"] => {
                    let port = value.trim().parse().ok().filter(|port| *port != 0);
                    labels.ports.insert((*name).to_owned(), port.ok_or_else(|| wrong("port"))?);
                }
                // The edge is the only network and the only listener there is.
                ["docker", "network"] | ["http", "routers", _, "entrypoints"] => {}
                _ => labels.unknown.push(label.clone()),
            }
        }
        labels.routers.retain(|_, router| router.rule.is_some());
        Ok(labels)
    }

    fn router(&mut self, name: &str) -> &mut Router {
        self.routers.entry(name.to_owned()).or_default()
    }

    fn routes(
        &self,
        workspace: &WorkspaceName,
        service: &str,
        fallback: Option<u16>,
    ) -> Result<Vec<ServiceRoute>, RouteError> {
        let mut routes = Vec::new();
        for (name, router) in &self.routers {
            let Some(rule) = &router.rule else { continue };
            let mut strip_prefixes = Vec::new();
            for middleware in &router.middlewares {
                let prefixes = self.strip_prefixes.get(middleware).ok_or_else(|| RouteError::Middleware {
                    service: service.to_owned(),
                    router: name.clone(),
                    middleware: middleware.clone(),
                })?;
                strip_prefixes.extend(prefixes.iter().cloned());
            }
            let named = router.service.as_ref().or(Some(name)).and_then(|name| self.ports.get(name));
            let only = (self.ports.len() == 1).then(|| self.ports.values().next()).flatten();
            let port = named.or(only).copied().or(fallback);
            routes.push(ServiceRoute {
                name: format!("{workspace}/{name}"),
                rule: rule.clone(),
                priority: router.priority,
                strip_prefixes,
                page_root: None,
                port: port.ok_or_else(|| RouteError::NoPort { service: service.to_owned() })?,
            });
        }
        Ok(routes)
    }
}

/// A comma-separated list; names may carry Traefik's `@docker`.
fn list(value: &str) -> Vec<String> {
    value.split(',').map(plain).filter(|item| !item.is_empty()).collect()
}

fn plain(value: &str) -> String {
    let value = value.trim();
    value.strip_suffix("@docker").unwrap_or(value).to_owned()
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
