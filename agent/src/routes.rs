//! Which routes lead to a service: its own Traefik labels, else the workspace's name as path and as host.
//!
//! Routes are decided before a container is made and travel in its labels, so that the whole table can be made
//! again from Docker alone.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::middleware::Middleware;
use cloudyknight_core::rule::{Rule, Syntax};
use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};

use crate::compose::model::Service;

mod error;

mod labels;

mod middlewares;

mod options;

pub use error::RouteError;
use labels::{Labels, Router, Target};
use middlewares::Wardrobe;

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
    #[serde(default, skip_serializing_if = "Syntax::is_own")]
    pub syntax: Syntax,
    pub priority: Option<i64>,
    pub strip_prefixes: Vec<String>,
    /// See [`cloudyknight_core::route::Route::page_root`].
    pub page_root: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<Middleware>,
    /// See [`cloudyknight_core::route::Route::hides_host`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_host: bool,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// By service; a service that is not reached from outside has none.
    pub routes: BTreeMap<String, Vec<ServiceRoute>>,
    pub warnings: Vec<String>,
}

/// Decides the routes of all services of a workspace. `image_ports` are the ports that the images declare.
pub fn assign(
    workspace: &WorkspaceName,
    domain: &str,
    services: &BTreeMap<String, Service>,
    image_ports: &BTreeMap<String, Vec<u16>>,
) -> Result<Assigned, RouteError> {
    let mut warnings = Vec::new();
    let mut read: BTreeMap<&str, Labels> = BTreeMap::new();
    for (name, service) in services {
        let labels = Labels::read(name, service)?;
        warnings.extend(labels.ignored.iter().map(|ignored| {
            format!("service `{name}`: the label `{}` has no effect: {}", ignored.label, ignored.why)
        }));
        read.insert(name, labels);
    }
    let ports: BTreeMap<&str, Option<u16>> = services
        .iter()
        .map(|(name, service)| (name.as_str(), port_of(service, image_ports.get(name))))
        .collect();
    let mut routes: BTreeMap<String, Vec<ServiceRoute>> = BTreeMap::new();
    let mut labelled: Option<String> = None;
    for (name, labels) in &read {
        if labels.disabled {
            routes.entry((*name).to_owned()).or_default();
            continue;
        }
        for (router, wanted) in &labels.routers {
            let (service, route) = route(workspace, (name, router, wanted), &read, &ports)?;
            labelled.get_or_insert_with(|| service.clone());
            routes.entry(service).or_default().push(route);
        }
    }
    warnings.extend(only_the_secure(workspace, &read, &mut routes));
    let own = || routes.values().flatten();
    let any_router = own().next().is_some();
    let any_host =
        own().any(|route| Rule::parse(&route.rule, route.syntax).is_ok_and(|rule| rule.is_about_host()));
    let guarded = own().flat_map(|route| &route.middlewares).find(|middleware| middleware.guards());
    if let Some(guard) = guarded.filter(|_| !any_host) {
        warnings.push(format!(
            "`{workspace}.{domain}` does not lead here by itself: that way would have no {kind}",
            kind = guard.kind()
        ));
    }
    let by_host = !any_host && guarded.is_none();

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
            own.extend(defaults(workspace, domain, port, !any_router, by_host));
        }
    }
    Ok(Assigned { routes, warnings })
}

/// `/name`, `name.<domain>`, and `/` for the workspace `www`.
pub(crate) fn defaults(
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
            syntax: Syntax::Own,
            middlewares: Vec::new(),
            hides_host: false,
            port,
        });
        if workspace.as_str() == ROOT_WORKSPACE {
            routes.push(ServiceRoute {
                name: format!("{workspace}@root"),
                rule: "PathPrefix(`/`)".into(),
                priority: Some(ROOT_PRIORITY),
                strip_prefixes: Vec::new(),
                page_root: None,
                syntax: Syntax::Own,
                middlewares: Vec::new(),
                hides_host: false,
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
            syntax: Syntax::Own,
            middlewares: Vec::new(),
            hides_host: false,
            port,
        });
    }
    routes
}

/// The port a service listens on, when no label says so: `expose`, then `ports`, then the image.
pub(crate) fn port_of(service: &Service, image_ports: Option<&Vec<u16>>) -> Option<u16> {
    let own_variable = service.environment.get("PORT").and_then(|port| port.parse().ok());
    let exposed = service.expose.first().copied();
    let published = service.ports.first().map(|port| port.target);
    exposed.or(published).or(own_variable).or_else(|| image_ports.and_then(|ports| ports.first().copied()))
}

/// Which service a workspace without router labels means: the only one that can be reached, or the one that bears
/// the workspace's name.
pub(crate) fn guess(
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

/// The route that a router's labels ask for, and the service it leads to: the one that bears the labels, unless they
/// name what another one defines.
fn route(
    workspace: &WorkspaceName,
    (service, name, router): (&str, &str, &Router),
    all: &BTreeMap<&str, Labels>,
    ports: &BTreeMap<&str, Option<u16>>,
) -> Result<(String, ServiceRoute), RouteError> {
    let own = &all[service];
    let others = || all.iter().filter(|(other, labels)| **other != service && !labels.disabled);
    let (leads_to, target) = match &router.target {
        Some(named) => match own.targets.get(named) {
            Some(target) => (service, target.clone()),
            None => others()
                .find_map(|(other, labels)| Some((*other, labels.targets.get(named)?.clone())))
                .ok_or_else(|| RouteError::Target {
                service: service.to_owned(),
                router: name.to_owned(),
                target: named.clone(),
            })?,
        },
        None => {
            let only = (own.targets.len() == 1).then(|| own.targets.values().next()).flatten();
            (service, own.targets.get(name).or(only).cloned().unwrap_or_default())
        }
    };
    let Target { port, hides_host } = target;
    let port = port.or(ports.get(leads_to).copied().flatten());
    let wardrobe =
        Wardrobe { own: &own.middlewares, others: others().map(|(_, labels)| &labels.middlewares).collect() };
    let route = ServiceRoute {
        name: format!("{workspace}/{name}"),
        rule: router.rule.clone(),
        syntax: router.syntax,
        priority: router.priority,
        strip_prefixes: Vec::new(),
        page_root: None,
        middlewares: wardrobe.dress(service, name, &router.middlewares)?,
        hides_host,
        port: port.ok_or_else(|| RouteError::NoPort { service: leads_to.to_owned() })?,
    };
    Ok((leads_to.to_owned(), route))
}

/// A compose file for Traefik often has each rule twice: on the entrypoint for HTTPS, and on the one for HTTP with a
/// redirect to it. Here is one entrypoint, so the first is what answers.
fn only_the_secure(
    workspace: &WorkspaceName,
    all: &BTreeMap<&str, Labels>,
    routes: &mut BTreeMap<String, Vec<ServiceRoute>>,
) -> Vec<String> {
    let routers =
        || all.iter().flat_map(|(service, labels)| labels.routers.iter().map(move |one| (*service, one)));
    let is_secure = |router: &Router| {
        router.tls || router.entrypoints.iter().any(|name| matches!(name.as_str(), "websecure" | "https"))
    };
    let mut warnings = Vec::new();
    for (service, (name, router)) in routers() {
        let plain = !is_secure(router) && !router.entrypoints.is_empty();
        let twin = |other: &Router| {
            is_secure(other) && other.rule == router.rule && other.priority == router.priority
        };
        let Some((_, (secure, _))) = routers().find(|(_, (_, other))| plain && twin(other)) else { continue };
        let dropped = format!("{workspace}/{name}");
        routes.values_mut().for_each(|own| own.retain(|route| route.name != dropped));
        warnings.push(format!(
            "service `{service}`: the router `{name}` has no effect: `{secure}` has the same rule on another entrypoint, \
             and the edge has one, for plain HTTP"
        ));
    }
    warnings
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
