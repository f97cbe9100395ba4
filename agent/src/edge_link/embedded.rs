//! The line to our own edge: the whole table over its control socket. The edge keeps what it was told last; this end
//! tells it again whenever the two differ, so that either may be restarted at any time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloudyknight_core::route::{Route, RouteTable};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_edge::control::{Client, ControlError, InForce};
use cloudyknight_edge::stats::Stats;
use tokio::sync::Mutex;

/// Our own edge.
pub struct Embedded {
    client: Client,
    /// Held while the edge is told, so that no older table overtakes a newer one.
    routes: Mutex<BTreeMap<WorkspaceName, Vec<Route>>>,
}

/// How long a switch waits for an edge that is being restarted.
const PATIENCE: Duration = Duration::from_secs(30);

impl Embedded {
    pub fn new(socket: PathBuf) -> Self {
        Self { client: Client::new(socket), routes: Mutex::default() }
    }

    /// Fills the table with what runs, before the edge is told anything.
    pub async fn recover(&self, routes: BTreeMap<WorkspaceName, Vec<Route>>) {
        *self.routes.lock().await = routes;
    }

    /// Replaces the routes of one workspace. When it returns, the edge sends it no new request any other way.
    pub async fn switch(&self, workspace: &WorkspaceName, routes: Vec<Route>) -> Result<(), ControlError> {
        let mut all = self.routes.lock().await;
        let before =
            if routes.is_empty() { all.remove(workspace) } else { all.insert(workspace.clone(), routes) };
        if all.get(workspace) == before.as_ref() {
            return Ok(());
        }
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.client.put_routes(&table(&all)).await {
                Ok(in_force) => {
                    told(&in_force);
                    return Ok(());
                }
                Err(error) if tokio::time::Instant::now() >= give_up => {
                    match before {
                        Some(before) => all.insert(workspace.clone(), before),
                        None => all.remove(workspace),
                    };
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Whether another workspace already has a route with this very rule; its name.
    pub async fn taken(&self, workspace: &WorkspaceName, rule: &str) -> Option<WorkspaceName> {
        let all = self.routes.lock().await;
        let mut others = all.iter().filter(|(name, _)| *name != workspace);
        others.find(|(_, routes)| routes.iter().any(|route| route.rule == rule)).map(|(name, _)| name.clone())
    }

    /// Requests in flight on backends that were taken out of the table.
    pub async fn in_flight(&self, backends: &[String]) -> Result<u64, ControlError> {
        let mut sum = 0;
        for backend in backends {
            sum += self.client.in_flight(backend).await?;
        }
        Ok(sum)
    }

    /// The backends that now stand for a workspace.
    pub async fn backends(&self, workspace: &WorkspaceName) -> Vec<String> {
        let all = self.routes.lock().await;
        let routes = all.get(workspace).into_iter().flatten();
        routes.flat_map(|route| route.backends.iter().map(|backend| backend.id.clone())).collect()
    }

    /// What the edge has counted since it started.
    pub async fn stats(&self) -> Result<Stats, ControlError> {
        self.client.stats().await
    }

    /// Tells the edge everything again if it holds something else: it was restarted, or could not be reached.
    pub async fn repair(&self) -> Result<(), ControlError> {
        let all = self.routes.lock().await;
        let ours = table(&all);
        if self.client.routes().await? != ours {
            tracing::info!(routes = ours.routes.len(), "the edge holds another table: telling it ours");
            told(&self.client.put_routes(&ours).await?);
        }
        Ok(())
    }
}

/// The edge serves the table; whether it could also keep it is only worth a word.
fn told(in_force: &InForce) {
    if let Some(why) = &in_force.not_saved {
        tracing::warn!(
            why,
            "the edge could not save its table: restarted alone, it would serve an older one"
        );
    }
}

fn table(routes: &BTreeMap<WorkspaceName, Vec<Route>>) -> RouteTable {
    RouteTable::new(routes.values().flatten().cloned().collect())
}
