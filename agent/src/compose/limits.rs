//! The most memory and the most processes that a service may ask for: what the operator's policy says, and never more than
//! the host has.

use super::model::Resources;
use super::node::{Map, Node};
use super::problem::{Problem, quoted};
use super::scope::Scope;

pub(super) fn check(service: &Map, resources: &Resources, scope: &Scope<'_>) -> Result<(), Problem> {
    let (policy, workspace) = (scope.input.policy, scope.input.workspace);
    let (_, memory) = policy.memory(workspace);
    let (_, pids) = policy.pids(workspace);
    let most = i64::try_from(memory).unwrap_or(i64::MAX);
    for (key, below, asked, most) in [
        ("mem_limit", "memory", resources.memory, most),
        // Memory and swap together: as much swap again, as without the key.
        ("memswap_limit", "", resources.memory_swap, most.saturating_mul(2)),
        ("shm_size", "", resources.shm_size, most),
        ("pids_limit", "pids", resources.pids, i64::from(pids)),
    ] {
        let Some(asked) = asked else { continue };
        // Below 0 there is no limit at all.
        if asked <= most && asked >= 0 {
            continue;
        }
        let permission = if key == "pids_limit" { "pids" } else { "memory" };
        let Some((name, node)) = written(service, key, below) else { continue };
        let what = format!("{} above {most}", quoted(name));
        return Err(scope.refused(permission, node.at, &what, "ask for less"));
    }
    Ok(())
}

/// Where a limit stands: under its own key, or below `deploy`.
fn written<'n>(service: &'n Map, key: &'n str, below: &'n str) -> Option<(&'n str, &'n Node)> {
    if let Some(node) = service.given(key) {
        return Some((key, node));
    }
    let mut map = service;
    for part in ["deploy", "resources", "limits"] {
        map = map.given(part)?.map(part).ok()?;
    }
    Some((below, map.given(below)?))
}
