//! What the things that a deployment makes are called in Docker.

use cloudyknight_core::workspace::WorkspaceName;

use crate::compose::model::Project;
use crate::identity::Slot;

/// The live name of a service's container.
pub fn container(project: &Project, service: &str) -> String {
    let workspace = &project.workspace;
    match &project.services[service].container_name {
        Some(name) => name.clone(),
        None if project.services.len() == 1 => format!("workspace-{workspace}"),
        None => format!("workspace-{workspace}-{service}"),
    }
}

/// Docker's name of one of a workspace's networks. Platforms beside each other on one engine have their own.
pub fn network(platform: &str, workspace: &WorkspaceName, network: &str, slot: Slot) -> String {
    format!("cloudyknight-{platform}-{workspace}-{network}-{}", slot.as_str())
}

/// Docker's name of one of a workspace's volumes.
pub fn volume(platform: &str, workspace: &WorkspaceName, volume: &str) -> String {
    format!("cloudyknight-{platform}-{workspace}-{volume}")
}

/// Docker's names of the networks that a service joins, with the names it answers to.
pub fn memberships(
    platform: &str,
    project: &Project,
    service: &str,
    slot: Slot,
) -> Vec<(String, Vec<String>)> {
    let own = [service.to_owned(), container(project, service)];
    let networks = &project.services[service].networks;
    let member = |(name, extra): (&String, &Vec<String>)| {
        let aliases = own.iter().chain(extra).cloned().collect();
        (network(platform, &project.workspace, name, slot), aliases)
    };
    networks.iter().map(member).collect()
}
