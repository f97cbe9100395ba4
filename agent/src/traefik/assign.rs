//! The routes of a workspace whose labels Traefik reads: found out before anything is started, so that labels that
//! cannot be obeyed cost nothing.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::rule::Syntax;
use cloudyknight_core::workspace::WorkspaceName;
use serde_json::Value;

use super::configuration::{Purpose, Reached, configuration};
use super::labels::{self, LabelError};
use crate::compose::model::Service;
use crate::routes::{Assigned, ServiceRoute, defaults, guess, port_of};

/// Decides the routes of all services, as [`crate::routes::assign`] does for our own edge.
pub fn assign(
    workspace: &WorkspaceName,
    domain: &str,
    services: &BTreeMap<String, Service>,
    image_ports: &BTreeMap<String, Vec<u16>>,
    allowed: &BTreeSet<String>,
) -> Result<Assigned, LabelError> {
    let mut routes: BTreeMap<String, Vec<ServiceRoute>> = BTreeMap::new();
    let mut reachable: Option<String> = None;
    let (mut any_router, mut any_host) = (false, false);
    for (name, service) in services {
        let declared = labels::read(name, &service.labels, allowed)?;
        if declared.disabled {
            routes.insert(name.clone(), Vec::new());
            continue;
        }
        if declared.routers.is_empty() {
            continue;
        }
        any_router = true;
        reachable.get_or_insert_with(|| name.clone());
        let fallback = port_of(service, image_ports.get(name));
        let port_of_service = |key: &str| {
            let port =
                declared.services.get(key)?.get("loadbalancer")?.get("server")?.get("port")?.as_u64()?;
            u16::try_from(port).ok()
        };
        let mut own = Vec::new();
        for (router, definition) in &declared.routers {
            let text = |field: &str| definition.get(field).and_then(Value::as_str);
            let only = if declared.services.len() == 1 { declared.services.keys().next() } else { None };
            let target = text("service").or(only.map(String::as_str));
            let port = target.and_then(port_of_service).or(fallback);
            let rule = text("rule").unwrap_or_default().to_owned();
            any_host |= rule.contains("Host");
            own.push(ServiceRoute {
                name: format!("{workspace}/{router}"),
                rule,
                priority: definition.get("priority").and_then(Value::as_i64),
                // Traefik's middlewares do it.
                strip_prefixes: Vec::new(),
                page_root: None,
                syntax: Syntax::default(),
                middlewares: Vec::new(),
                hides_host: false,
                port: port.ok_or_else(|| LabelError::NoPort { service: name.clone() })?,
            });
        }
        routes.insert(name.clone(), own);
    }
    let mut warnings = Vec::new();
    let reachable = reachable.or_else(|| match guess(workspace, services, image_ports, &routes) {
        Ok(service) => Some(service),
        Err(warning) => {
            warnings.extend(warning);
            None
        }
    });
    if let Some(service) = reachable {
        let labelled = routes.get(&service).and_then(|own| own.first()).map(|route| route.port);
        let port = labelled.or_else(|| port_of(&services[&service], image_ports.get(&service)));
        if let Some(port) = port {
            let own = routes.entry(service).or_default();
            own.extend(defaults(workspace, domain, port, !any_router, !any_host));
        }
    }
    // What labels say together can be wrong, though each of them is right.
    let reached = services.iter().map(|(name, service)| {
        let routes = routes.get(name).cloned().unwrap_or_default();
        (name.clone(), Reached { labels: service.labels.clone(), routes, backends: BTreeMap::new() })
    });
    let whole = configuration(workspace, &reached.collect(), allowed, Purpose::Live)?;
    warnings.extend(whole.warnings);
    Ok(Assigned { routes, warnings })
}
