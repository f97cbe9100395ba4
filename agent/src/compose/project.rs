//! The compose file as a whole: its top level, and what holds between its services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloudyknight_core::status::Strategy;

use super::depends_on::{self, Dependencies};
use super::keys;
use super::model::{MountSource, Project, Protocol, Service};
use super::networks::Networks;
use super::node::{Entry, Map, Node, Value};
use super::places::OfService;
use super::problem::{Problem, listed, quoted};
use super::profiles::{self, Profiles};
use super::scope::Scope;
use super::secrets;
use super::service::{self, Declared, Read};
use super::strategy;
use super::volumes::{Volumes, is_name};

const MAX_SERVICES: usize = 100;

/// What it says, and where its services say what others judge.
pub(super) fn project(
    root: &Node,
    scope: &mut Scope<'_>,
) -> Result<(Project, BTreeMap<String, OfService>), Problem> {
    let map = root.map("a compose file")?;
    let entries = services(map)?;
    keys::check(map, keys::PROJECT, "top level", scope)?;
    let (fresh, strategy) = own(map, scope)?;
    let declared = Declared {
        networks: Networks::read(map.given("networks"), scope)?,
        volumes: Volumes::read(map.given("volumes"), scope)?,
        secrets: secrets::Declared::read(map, secrets::SECRETS, scope)?,
        configs: secrets::Declared::read(map, secrets::CONFIGS, scope)?,
    };

    let mut services: BTreeMap<String, Read> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    let mut profiles = Profiles::new(scope);
    for entry in entries {
        let name = entry.key.as_str();
        let of_service = |problem: Problem| problem.of_service(name);
        if let Err(own) = profiles.start(entry).map_err(of_service)? {
            let own = listed(own.iter().map(String::as_str));
            let message = format!("service {} is left out: no profile of it ({own}) is active", quoted(name));
            scope.warn(entry.key_at, message);
            if let Value::Map(map) = &entry.value.value {
                keys::check_left_out(map, &format!("service {}", quoted(name))).map_err(of_service)?;
            }
            left_out.insert(name.to_owned());
        } else {
            let read = service::read(name, entry, &declared, scope).map_err(of_service)?;
            services.insert(name.to_owned(), read);
            places.insert(name.to_owned(), OfService::read(entry));
        }
    }
    profiles.warn_about_unknown(scope);
    if services.is_empty() {
        return Err(Problem::whole("every service is left out, because no profile of it is active").hint(
            format!("remove `profiles`, or name the active ones in `.env`: `{}=…`", profiles::VARIABLE),
        ));
    }
    resolve_dependencies(&mut services, &left_out, scope)?;
    refuse_collisions(&services)?;
    settle_networks(&mut services);
    give_aliases(&mut services)?;
    let Declared { networks, volumes, .. } = declared;

    let finished = |(name, read): (String, Read)| {
        let mut service = finish(read);
        service.strategy = service.strategy.or(strategy);
        (name, service)
    };
    let services: BTreeMap<_, _> = services.into_iter().map(finished).collect();
    let used = |name: &str| services.values().any(|service| service.networks.contains_key(name));
    let networks = networks.into_used(used);
    let mounted = |name: &str| services.values().any(|service| mounts_volume(service, name));
    let volumes = volumes.into_used(mounted);
    let workspace = scope.input.workspace.clone();
    Ok((Project { workspace, services, volumes, networks, fresh }, places))
}

fn services(map: &Map) -> Result<&[Entry], Problem> {
    let looks_like_service = |entry: &&Entry| match &entry.value.value {
        Value::Map(map) => map.get("image").or(map.get("build")).is_some(),
        _ => false,
    };
    let Some(node) = map.given("services") else {
        let misspelt = map.entries.iter().find(|entry| keys::nearest(&entry.key, ["services"]).is_some());
        return Err(match (misspelt, map.entries.iter().find(looks_like_service)) {
            (Some(entry), _) if entry.key != "services" => {
                Problem::at(entry.key_at, format!("top level: unknown key {}", quoted(&entry.key)))
                    .hint("did you mean `services`?")
            }
            (_, Some(entry)) => {
                Problem::at(entry.key_at, format!("{} stands at the top level", quoted(&entry.key)))
                    .hint("services belong under `services:`")
            }
            _ => Problem::whole("there are no services").hint("a compose file has at least `services:`"),
        });
    };
    let entries = &node.map("`services`")?.entries;
    if entries.is_empty() {
        return Err(Problem::at(node.at, "there are no services"));
    }
    if entries.len() > MAX_SERVICES {
        return Err(Problem::at(entries[MAX_SERVICES].key_at, format!("more than {MAX_SERVICES} services")));
    }
    for entry in entries {
        // The name becomes a host name in the workspace's networks.
        if !is_name(&entry.key) || entry.key.len() > 63 {
            return Err(Problem::at(
                entry.key_at,
                format!("{} is no name for a service", quoted(&entry.key)),
            )
            .hint("up to 63 letters, digits, `_`, `.` and `-`, the first one a letter or digit"));
        }
    }
    Ok(entries)
}

/// What the platform's own extension says.
fn own(map: &Map, scope: &mut Scope<'_>) -> Result<(bool, Option<Strategy>), Problem> {
    let Some(node) = map.given(keys::CLOUDYKNIGHT) else { return Ok((false, None)) };
    let own = node.map(&quoted(keys::CLOUDYKNIGHT))?;
    keys::check(own, keys::CLOUDYKNIGHT_KEYS, &quoted(keys::CLOUDYKNIGHT), scope)?;
    let fresh = own.given("fresh").map(|node| node.boolean("`fresh`")).transpose()?.unwrap_or_default();
    Ok((fresh, strategy::read(own)?))
}

fn resolve_dependencies(
    services: &mut BTreeMap<String, Read>,
    left_out: &BTreeSet<String>,
    scope: &mut Scope<'_>,
) -> Result<(), Problem> {
    let names: BTreeSet<String> = services.keys().cloned().collect();
    for (name, read) in services.iter_mut() {
        let resolved = depends_on::resolve(&mut read.depends_on, &names, left_out, scope);
        resolved.map_err(|problem| problem.of_service(name))?;
    }
    let graph: BTreeMap<&str, &Dependencies> =
        services.iter().map(|(name, read)| (name.as_str(), &read.depends_on)).collect();
    depends_on::refuse_circles(&graph)?;
    for (name, read) in services.iter() {
        for on in read.depends_on.keys() {
            service::refuse_unchecked(&read.depends_on, on, &services[on].service.healthcheck)
                .map_err(|problem| problem.of_service(name))?;
        }
    }
    Ok(())
}

/// Two services cannot have one container name, nor one port of the host.
fn refuse_collisions(services: &BTreeMap<String, Read>) -> Result<(), Problem> {
    let mut containers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut ports: Vec<((u16, Protocol), Option<IpAddr>, &str)> = Vec::new();
    for (name, read) in services {
        if let (Some(container), Some(at)) = (&read.service.container_name, read.container_name_at)
            && let Some(other) = containers.insert(container, name)
        {
            let message = format!(
                "the container name {} is already that of service {}",
                quoted(container),
                quoted(other)
            );
            return Err(Problem::at(at, message).of_service(name));
        }
        for (port, at) in &read.ports {
            let Some(published) = port.published else { continue };
            let key = (published, port.protocol);
            // No address means every address, so that it meets any other.
            let meets = |ip: &Option<IpAddr>| ip.is_none() || port.host_ip.is_none() || *ip == port.host_ip;
            if let Some((_, _, other)) = ports.iter().find(|(other, ip, _)| *other == key && meets(ip)) {
                let message =
                    format!("port {published} of the host is already published by service {}", quoted(other));
                return Err(Problem::at(*at, message).of_service(name));
            }
            ports.push((key, port.host_ip, name.as_str()));
        }
    }
    Ok(())
}

fn settle_networks(services: &mut BTreeMap<String, Read>) {
    let on_edge = services.values().filter(|read| read.joined.edge.is_some()).count();
    for read in services.values_mut() {
        read.joined.settle(on_edge > 1);
    }
}

/// The alias of a link is one more name of the service it leads to.
fn give_aliases(services: &mut BTreeMap<String, Read>) -> Result<(), Problem> {
    let links: Vec<_> = services.values().flat_map(|read| read.link_aliases.clone()).collect();
    for (name, alias, at) in links {
        if services.contains_key(&alias) {
            return Err(Problem::at(
                at,
                format!("the alias {} is the name of another service", quoted(&alias)),
            ));
        }
        let Some(read) = services.get_mut(&name) else { continue };
        for aliases in read.joined.own.values_mut().filter(|aliases| !aliases.contains(&alias)) {
            aliases.push(alias.clone());
        }
    }
    Ok(())
}

fn mounts_volume(service: &Service, name: &str) -> bool {
    service.mounts.iter().any(|mount| matches!(&mount.source, MountSource::Volume(volume) if volume == name))
}

fn finish(read: Read) -> Service {
    let mut service = read.service;
    service.networks = read.joined.own;
    service.external_networks = read.joined.external;
    service.depends_on = read.depends_on.into_iter().map(|(name, (depends, _))| (name, depends)).collect();
    service
}
