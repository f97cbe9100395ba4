//! Networks: those a compose file declares, and those a service joins.
//!
//! Compose files of apps behind a router name the router's network as an external one. Here the router reaches
//! every service anyway, so that such a network means: be routed. Services that shared it to reach each other
//! share the workspace's `default` network instead, and nobody else's.

use std::collections::BTreeMap;

use super::keys;
use super::model::Network;
use super::node::{Map, Node, Value};
use super::policy::Permission;
use super::problem::{Position, Problem, listed, quoted};
use super::scope::Scope;
use super::volumes::{is_name, without_effect};

pub(super) const DEFAULT: &str = "default";

pub(super) struct Networks(BTreeMap<String, Declared>);

enum Declared {
    Own(Network),
    /// Stands for the router.
    Edge,
    /// By its name in Docker.
    External(String),
}

/// What one service joins.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    /// Name → aliases.
    pub own: BTreeMap<String, Vec<String>>,
    /// Docker's name → aliases.
    pub external: BTreeMap<String, Vec<String>>,
    /// The aliases it has on the router's network, if it is on it.
    pub edge: Option<Vec<String>>,
}

impl Networks {
    pub fn read(node: Option<&Node>, scope: &mut Scope<'_>) -> Result<Self, Problem> {
        let mut networks = BTreeMap::from([(DEFAULT.to_owned(), Declared::Own(Network::default()))]);
        let entries =
            node.map(|node| node.map("`networks`")).transpose()?.map_or(&[][..], |map| &map.entries);
        for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            if !is_name(&entry.key) {
                return Err(Problem::at(
                    entry.key_at,
                    format!("{} is no name for a network", quoted(&entry.key)),
                )
                .hint("letters, digits, `_`, `.` and `-`, the first one a letter or digit"));
            }
            let declared = match &entry.value.value {
                Value::Null => Declared::Own(Network::default()),
                _ => declared(&entry.key, &entry.value, scope)?,
            };
            networks.insert(entry.key.clone(), declared);
        }
        Ok(Self(networks))
    }

    /// What `networks` of a service asks for; `default` when it says nothing. `at` is where the service stands.
    pub fn join(&self, node: Option<&Node>, at: Position, scope: &mut Scope<'_>) -> Result<Joined, Problem> {
        let mut joined = Joined::default();
        match node.map(|node| (&node.value, node)) {
            None => self.add(DEFAULT, Vec::new(), at, &mut joined, scope)?,
            Some((Value::List(items), _)) => {
                for item in items {
                    self.add(item.text("a network")?, Vec::new(), item.at, &mut joined, scope)?;
                }
            }
            Some((Value::Map(map), _)) => {
                for entry in &map.entries {
                    let aliases =
                        if entry.value.is_null() { Vec::new() } else { aliases(&entry.value, scope)? };
                    self.add(&entry.key, aliases, entry.key_at, &mut joined, scope)?;
                }
            }
            Some((_, node)) => return Err(node.not("`networks`", "a list or a mapping")),
        }
        Ok(joined)
    }

    fn add(
        &self,
        name: &str,
        aliases: Vec<String>,
        at: Position,
        joined: &mut Joined,
        scope: &mut Scope<'_>,
    ) -> Result<(), Problem> {
        match self.0.get(name) {
            Some(Declared::Own(_)) => {
                joined.own.insert(name.to_owned(), aliases);
                Ok(())
            }
            Some(Declared::Edge) => {
                joined.edge.get_or_insert_default().extend(aliases);
                Ok(())
            }
            Some(Declared::External(docker_name)) => {
                let workspace = scope.input.workspace;
                let policy = &scope.input.policy.external_networks;
                if !policy.get(docker_name).is_some_and(|allowed| allowed.contains(workspace)) {
                    return Err(refused(docker_name, at, scope));
                }
                let message = format!(
                    "the firewall does not cover the external network {}: by it containers may reach the platform's own addresses",
                    quoted(docker_name)
                );
                scope.warn(at, message);
                joined.external.entry(docker_name.clone()).or_default().extend(aliases);
                Ok(())
            }
            None => {
                let names = self.0.keys().map(String::as_str);
                Err(Problem::at(at, format!("the network {} is not declared", quoted(name))).hint(format!(
                    "declare it under `networks:` at the top level; declared there: {}",
                    listed(names)
                )))
            }
        }
    }

    /// Those that are used.
    pub fn into_used(self, used: impl Fn(&str) -> bool) -> BTreeMap<String, Network> {
        let own = self.0.into_iter().filter_map(|(name, declared)| match declared {
            Declared::Own(network) => Some((name, network)),
            // Its stand-in, when the file declares `default` itself as the router's network.
            Declared::Edge | Declared::External(_) if name == DEFAULT => Some((name, Network::default())),
            Declared::Edge | Declared::External(_) => None,
        });
        own.filter(|(name, _)| used(name)).collect()
    }
}

impl Joined {
    /// Puts the service on `default` in place of the router's network, if it would have no network otherwise or
    /// could have met other services there.
    pub fn settle(&mut self, others_on_edge: bool) {
        let Some(aliases) = self.edge.take() else { return };
        if others_on_edge || (self.own.is_empty() && self.external.is_empty()) {
            self.own.entry(DEFAULT.to_owned()).or_default().extend(aliases);
        }
    }
}

fn declared(key: &str, node: &Node, scope: &mut Scope<'_>) -> Result<Declared, Problem> {
    let place = format!("network {}", quoted(key));
    let map = node.map(&place)?;
    keys::check(map, keys::NETWORK, &place, scope)?;
    if let Some(docker_name) = external(key, map)? {
        without_effect(map, &place, scope);
        let edge = scope.input.policy.edge_networks.contains(&docker_name);
        return Ok(if edge { Declared::Edge } else { Declared::External(docker_name) });
    }
    if let Some(name) = map.given("name") {
        let message =
            format!("{place}: `name` has no effect: the platform keeps the networks of workspaces apart");
        scope.warn(name.at, message);
    }
    if let Some(driver) = map.given("driver") {
        match driver.text("`driver`")? {
            "" | "default" | "bridge" => {}
            "overlay" => scope.warn(driver.at, format!("{place}: `driver: overlay` has no effect yet")),
            other => {
                let what = format!("{place}: the network driver {}", quoted(other));
                scope.require(Permission::HostNamespaces, driver.at, &what, "remove `driver`")?;
                return Err(
                    Problem::at(driver.at, format!("{what} is not supported yet")).hint("remove `driver`")
                );
            }
        }
    }
    let internal = map.given("internal").map(|node| node.boolean("`internal`")).transpose()?.unwrap_or(false);
    Ok(Declared::Own(Network { internal }))
}

/// The name in Docker of a network that the file declares as external: `external: true`, or the older
/// `external: {name: …}`.
fn external(key: &str, map: &Map) -> Result<Option<String>, Problem> {
    let Some(node) = map.given("external") else { return Ok(None) };
    let name = match &node.value {
        Value::Map(older) => older.given("name").or(map.given("name")),
        _ if !node.boolean("`external`")? => return Ok(None),
        _ => map.given("name"),
    };
    let Some(name) = name else { return Ok(Some(key.to_owned())) };
    let text = name.text("`name`")?;
    if is_name(text) {
        Ok(Some(text.to_owned()))
    } else {
        Err(Problem::at(name.at, format!("{} is no name for a network", quoted(text))))
    }
}

fn aliases(node: &Node, scope: &mut Scope<'_>) -> Result<Vec<String>, Problem> {
    let map = node.map("a service's network")?;
    keys::check(map, keys::SERVICE_NETWORK, "a service's network", scope)?;
    let Some(node) = map.given("aliases") else { return Ok(Vec::new()) };
    let items = node.list("`aliases`")?.iter();
    items
        .map(|item| match item.text("an alias")? {
            alias if is_name(alias) => Ok(alias.to_owned()),
            other => Err(Problem::at(
                item.at,
                format!("{} is no name for a container in a network", quoted(other)),
            )),
        })
        .collect()
}

fn refused(docker_name: &str, at: Position, scope: &Scope<'_>) -> Problem {
    let what = format!("the external network {}", quoted(docker_name));
    let edge = scope.input.policy.edge_networks.iter().map(String::as_str);
    let instead = format!(
        "remove `external`: to be routed, no network is needed (these names are taken for the router's: {})",
        listed(edge)
    );
    scope.refused("external_networks", at, &what, &instead)
}
