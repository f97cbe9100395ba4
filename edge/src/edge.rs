//! The edge itself: the table in force, the backends it knows, and the client that reaches them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloudyknight_core::route::RouteTable;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};

use crate::lease::{BackendState, Backends, InForce};
use crate::options::Options;
use crate::saved::{self, SavedError};
use crate::stats::Stats;
use crate::table::{Table, TableError};
use crate::upload::Upload;

/// Shared by all listeners and the control socket.
pub struct Edge {
    pub(crate) options: Options,
    pub(crate) in_force: InForce,
    pub(crate) client: Client<HttpConnector, Upload>,
    pub(crate) unrouted: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Also what makes switches take turns.
    backends: Mutex<Backends>,
}

/// What the agent reads to know when a container may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendReport {
    pub id: String,
    /// Requests and tunnels that have not ended.
    pub in_flight: u64,
    /// Whether new requests may still go there.
    pub in_table: bool,
}

impl Edge {
    /// Starts with the saved table where there is one. A saved table that cannot be used is logged, and the edge
    /// starts without routes: the agent brings the right ones.
    pub fn new(options: Options) -> Arc<Self> {
        let edge = Arc::new(Self {
            in_force: InForce::new(Table::empty()),
            client: client(&options),
            unrouted: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            backends: Mutex::default(),
            options,
        });
        edge.restore();
        edge
    }

    /// Puts a table in force, whole or not at all, and returns its generation. From then on no request starts on
    /// a backend that it does not hold.
    pub fn replace(&self, table: RouteTable) -> Result<u64, TableError> {
        let mut backends = self.backends();
        let next = self.in_force.table().succeed(table, &mut backends)?;
        let generation = next.generation;
        self.in_force.switch(next);
        Ok(generation)
    }

    /// The table in force.
    pub fn routes(&self) -> RouteTable {
        self.in_force.table().source.clone()
    }

    /// Grows with every switch; 0 while the edge has had no table.
    pub fn generation(&self) -> u64 {
        self.in_force.table().generation
    }

    /// Every backend that may get requests or has some in flight.
    pub fn known_backends(&self) -> Vec<BackendReport> {
        let mut backends = self.backends();
        let table = self.in_force.table();
        let report = |state: &Arc<BackendState>| BackendReport {
            id: state.id.clone(),
            in_flight: state.in_flight(),
            in_table: table.holds(&state.id),
        };
        let mut reports: Vec<_> = backends.known(&table).map(report).collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    /// Requests in flight on a backend. Zero for one that was taken out of the table means: drained for good.
    pub fn in_flight(&self, backend: &str) -> u64 {
        self.backends().get(backend).map_or(0, |state| state.in_flight())
    }

    pub fn stats(&self) -> Stats {
        let table = self.in_force.table();
        let mut routes: Vec<_> =
            table.routes().iter().map(|route| route.counts.read(&route.workspace, &route.name)).collect();
        routes.sort_by(|a, b| a.route.cmp(&b.route));
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats { connections: read(&self.connections), unrouted: read(&self.unrouted), routes }
    }

    /// Writes the table in force to its file, where one is set. Blocks on the disk.
    pub fn save(&self) -> Result<(), SavedError> {
        match &self.options.saved_table {
            Some(path) => saved::write(path, &self.routes()),
            None => Ok(()),
        }
    }

    fn restore(&self) {
        let Some(path) = &self.options.saved_table else {
            return;
        };
        let table = match saved::read(path) {
            Ok(Some(table)) => table,
            Ok(None) => return,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "starting without routes");
                return;
            }
        };
        match self.replace(table) {
            Ok(_) => tracing::info!(path = %path.display(), "serving the saved routes"),
            Err(error) => tracing::error!(%error, path = %path.display(), "starting without routes"),
        }
    }

    fn backends(&self) -> MutexGuard<'_, Backends> {
        // Nothing panics half-way through a change of the map, so it is whole even then.
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(options: &Options) -> Client<HttpConnector, Upload> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(options.connect_timeout));
    connector.set_keepalive(Some(Duration::from_secs(60)));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.backend_idle_timeout)
        .pool_max_idle_per_host(64)
        .set_host(false)
        .build(connector)
}
