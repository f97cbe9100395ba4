//! What an interrupted deployment left. The switch that it may have been in the middle of is finished first, so that
//! names alone tell again what is live; only then may anything go.

use super::retire::{drain, report};
use super::{Tools, switch};
use crate::edge_link::backend_id;
use crate::engine::EngineError;
use crate::plan::{Running, Seen};

/// Gives the live containers of a workspace their names, where the switch was recorded but for that. It is the
/// retired name of a predecessor that makes a container without its own name a live one: were a predecessor removed
/// first, the container that serves would be taken for one that never did.
pub async fn finish_switch(tools: &Tools, running: &mut Running) -> Result<(), EngineError> {
    if running.live.values().all(|one| one.identity.is_live_name(&one.name)) {
        return Ok(());
    }
    let by = running.live.values().map(|one| one.identity.deployment.clone()).max();
    let by = by.expect("something is live that has no live name");
    let (old, leftovers): (Vec<Seen>, Vec<Seen>) =
        running.leftovers.drain(..).partition(|one| one.identity.is_live_name(&one.name));
    running.leftovers = leftovers;
    for mut old in old {
        let retired = old.identity.retired_name(&by);
        tools.engine.rename(&old.id, &retired).await?;
        old.name = retired;
        running.retired.push(old);
    }
    for one in running.live.values_mut().filter(|one| !one.identity.is_live_name(&one.name)) {
        (one.name, _) = switch::make_live(tools, &one.id, &one.identity).await?;
    }
    Ok(())
}

/// Removes containers that take no new requests, once they have finished those that they were given.
pub async fn clear(tools: &Tools, leftovers: &[Seen]) {
    let mut backends = Vec::new();
    for one in leftovers {
        match tools.engine.addresses(&one.id).await {
            Ok((addresses, _)) => backends.extend(addresses.values().map(|ip| backend_id(&one.id, *ip))),
            Err(error) => report("find the address", Err(error)),
        }
    }
    drain(tools, &backends).await;
    for one in leftovers {
        tracing::info!(container = one.name, "removing what an interrupted deployment left");
        report("remove", tools.engine.remove(&one.id).await);
    }
}
