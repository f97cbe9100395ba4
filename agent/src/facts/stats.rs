//! Asks the kernel or Docker what containers use, and the edge what it carried: at most every two seconds, and only when somebody asks.
//! Whoever asks first waits for a second look half a second after the first: how busy something is takes two.

use std::time::Duration;

use cloudyknight_core::stats::{EdgeStats, Stats};
use futures::{StreamExt, TryStreamExt};

use super::busy::{self, Look, Looks};
use super::cgroup;
use super::newest::Newest;
use crate::board::now;
use crate::deploy::Tools;
use crate::deploy::replicas::service_of;
use crate::engine::{Engine, EngineError};
use crate::plan::Seen;

/// At most so often.
const INTERVAL: Duration = Duration::from_secs(2);
/// An older look tells nothing of what is going on now.
const STALE: Duration = Duration::from_secs(10);
/// Between the two looks of whoever asks first.
const GAP: Duration = Duration::from_millis(500);
/// For the edge: one that does not answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Containers that are looked at at the same time.
const PARALLEL: usize = 8;

#[derive(Default)]
pub struct Sampler(Newest<Measured>);

/// The figures, and the look that the next ones are compared with.
pub struct Measured {
    pub stats: Stats,
    looks: Looks,
}

impl Sampler {
    pub async fn measure(&self, tools: &Tools) -> Result<std::sync::Arc<Measured>, EngineError> {
        self.0.get(INTERVAL, self.take(tools)).await
    }

    async fn take(&self, tools: &Tools) -> Result<Measured, EngineError> {
        let earlier = self.0.within(STALE);
        let first = match &earlier {
            Some(_) => None,
            None => {
                let looks = look(&tools.engine).await?;
                tokio::time::sleep(GAP).await;
                Some(looks)
            }
        };
        let (looks, edge) = tokio::join!(look(&tools.engine), edge(tools));
        let looks = looks?;
        let before = first.as_ref().or(earlier.as_ref().map(|earlier| &earlier.looks));
        let none = Looks::default();
        let routes = edge.as_ref().map(|edge| edge.routes.as_slice());
        let stats = Stats {
            version: Stats::VERSION,
            at: now(),
            workspaces: busy::workspaces(before.unwrap_or(&none), &looks, routes),
            edge: edge.map(|edge| EdgeStats { connections: edge.connections, unrouted: edge.unrouted }),
        };
        Ok(Measured { stats, looks })
    }
}

async fn edge(tools: &Tools) -> Option<cloudyknight_edge::stats::Stats> {
    tokio::time::timeout(PATIENCE, tools.edge.stats()).await.ok()?.ok()?
}

async fn look(engine: &Engine) -> Result<Looks, EngineError> {
    let seen = engine.containers(None).await?;
    let looks = seen.into_iter().map(|seen| look_at(engine, seen));
    let looks = futures::stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
    looks.try_filter_map(async |look| Ok(look)).try_collect().await
}

async fn look_at(engine: &Engine, seen: Seen) -> Result<Option<(String, Look)>, EngineError> {
    // Gone since it was listed.
    let Some(health) = engine.health(&seen.id).await? else { return Ok(None) };
    let of_kernel = match health.pid {
        Some(pid) if engine.elsewhere().is_none() => {
            let id = seen.id.clone();
            tokio::task::spawn_blocking(move || cgroup::usage(pid, &id)).await.unwrap_or_default()
        }
        _ => None,
    };
    let usage = match of_kernel {
        // Docker reads the same files, and is asked where we cannot: it may take a second for one container.
        None if health.pid.is_some() => engine.usage(&seen.id).await?,
        usage => usage,
    };
    let look = Look {
        workspace: seen.identity.workspace.clone(),
        service: service_of(&seen.identity.service).to_owned(),
        name: seen.name,
        usage,
        health,
    };
    Ok(Some((seen.id, look)))
}
