//! What the things that a deployment makes are called in Docker.

use cloudyknight_core::workspace::WorkspaceName;

use super::replicas;
use crate::compose::model::{NamedVolume, Project};
use crate::identity::Slot;

/// The live name of a service's container.
pub fn container(project: &Project, service: &str) -> String {
    let workspace = &project.workspace;
    let base = replicas::service_of(service);
    let only = project.services.keys().all(|other| replicas::service_of(other) == base);
    let name = match &project.services[service].container_name {
        Some(name) => name.clone(),
        None if only => format!("workspace-{workspace}"),
        None => format!("workspace-{workspace}-{base}"),
    };
    match replicas::number_of(service) {
        1 => name,
        // A point, because no name of a workspace has one.
        number => format!("{name}.{number}"),
    }
}

/// Docker's name of one of a workspace's networks in a slot.
pub fn network(platform: &str, project: &Project, network: &str, slot: Slot) -> String {
    format!("{}{slot}", network_of_any_slot(platform, project, network))
}

/// How the names of a workspace's network begin. Platforms beside each other on one engine have their own; and one that is
/// cut off from the outside is another network than one that is not.
pub fn network_of_any_slot(platform: &str, project: &Project, network: &str) -> String {
    let kind = if is_internal(project, network) { "-internal" } else { "" };
    format!("cloudyknight-{platform}-{}-{network}{kind}-", project.workspace)
}

pub fn is_internal(project: &Project, network: &str) -> bool {
    project.networks.get(network).is_some_and(|network| network.internal)
}

/// Docker's name of one of a workspace's volumes, or of the one outside of the platform that it stands for.
pub fn volume(
    platform: &str,
    workspace: &WorkspaceName,
    volume: &str,
    definition: Option<&NamedVolume>,
) -> String {
    match definition.and_then(|definition| definition.external.as_ref()) {
        Some(name) => name.clone(),
        None => format!("cloudyknight-{platform}-{workspace}-{volume}"),
    }
}

/// The networks from outside that a service joins, with the names it answers to there: as with Compose, its own is one.
pub fn external_memberships(project: &Project, service: &str) -> Vec<(String, Vec<String>)> {
    let own = replicas::service_of(service);
    let networks = &project.services[service].external_networks;
    let member = |(name, extra): (&String, &Vec<String>)| {
        (
            name.clone(),
            std::iter::once(own).chain(extra.iter().map(String::as_str)).map(str::to_owned).collect(),
        )
    };
    networks.iter().map(member).collect()
}

/// Docker's names of the networks that a service joins, with the names it answers to.
pub fn memberships(
    platform: &str,
    project: &Project,
    service: &str,
    slot: Slot,
) -> Vec<(String, Vec<String>)> {
    let own = [replicas::service_of(service).to_owned(), container(project, service)];
    let networks = &project.services[service].networks;
    let member = |(name, extra): (&String, &Vec<String>)| {
        let aliases = own.iter().chain(extra).cloned().collect();
        (network(platform, project, name, slot), aliases)
    };
    networks.iter().map(member).collect()
}
