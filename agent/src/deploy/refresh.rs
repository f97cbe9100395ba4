//! The routes to what runs, made again from Docker alone: when the agent starts, and when containers came back at other
//! addresses.

use std::collections::BTreeMap;

use cloudyknight_core::workspace::WorkspaceName;

use super::{DeployError, Tools};
use crate::edge_link::{Routing, routes_to};
use crate::engine::EngineError;
use crate::identity::{Identity, Slot};
use crate::plan::Running;

/// Makes the routes of a workspace again from what runs: after Docker started a container by itself.
pub async fn refresh(tools: &Tools, workspace: &WorkspaceName) -> Result<(), DeployError> {
    let routes = recovered(tools, Some(workspace)).await?.remove(workspace).unwrap_or_default();
    Ok(tools.edge.switch(workspace, routes).await?)
}

/// The routes to everything that runs, from Docker alone.
pub async fn recovered(
    tools: &Tools,
    workspace: Option<&WorkspaceName>,
) -> Result<BTreeMap<WorkspaceName, Routing>, EngineError> {
    let listed = tools.engine.addressed(workspace).await?;
    let mut addresses = BTreeMap::new();
    let mut seen: BTreeMap<WorkspaceName, Vec<_>> = BTreeMap::new();
    for (one, its) in listed {
        addresses.insert(one.id.clone(), its);
        seen.entry(one.identity.workspace.clone()).or_default().push(one);
    }
    let routes = |seen| {
        let running = Running::recover(seen);
        let slot = running.slot();
        let live: Vec<(&str, &Identity, _)> = running
            .live
            .values()
            .filter_map(|one| {
                let ip = address(addresses.get(&one.id)?, slot?)?;
                Some((one.id.as_str(), &one.identity, ip))
            })
            .collect();
        routes_to(live)
    };
    Ok(seen.into_iter().map(|(workspace, seen)| (workspace, routes(seen))).collect())
}

/// Its address in a network of the slot, else in any.
pub fn address(addresses: &BTreeMap<String, std::net::Ipv4Addr>, slot: Slot) -> Option<std::net::Ipv4Addr> {
    let of_slot = |name: &&String| Slot::of_network(name) == Some(slot);
    let name = addresses.keys().find(of_slot).or_else(|| addresses.keys().next())?;
    addresses.get(name).copied()
}
