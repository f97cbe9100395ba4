//! A lease counts a request as in flight on a backend, from before the request can be sent until the last byte
//! of the answer is out (or the tunnel is closed). It is what lets the agent stop a container without dropping
//! a request: a backend that is in no table and has no lease is drained, and stays so.
//!
//! Why no request can slip between reading the table and being counted. Taking a lease is: (1) read the table,
//! (2) add one to the backend's count, (3) read the generation in force, and if the table of (1) is older, take
//! the count back and begin anew. A switch is: (a) publish the table, (b) publish its generation. An observer
//! looks at a count after (b). All of (2), (3), (b) and the look are sequentially consistent, so they have one
//! order. Say the observer sees zero for a backend that is not in the new table, and some request holds the old
//! one. Either its (2) comes before the look; then the count was not zero, unless it was already given back. Or
//! its (2) comes after the look, so after (b); then its (3), later still, sees the new generation, and it gives
//! up the backend before anything is sent. A count that is taken back in (3) may be seen for a moment: that
//! delays "drained", and never makes it wrong.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use cloudyknight_core::rule::Request;

use crate::table::{ActiveRoute, Table};

/// The table in force, and the order of (a) and (b).
pub(crate) struct InForce {
    table: ArcSwap<Table>,
    generation: AtomicU64,
}

pub(crate) struct BackendState {
    pub id: String,
    in_flight: AtomicU64,
}

/// One request's hold on a backend.
pub(crate) struct Lease {
    pub route: Arc<ActiveRoute>,
    pub backend: Arc<BackendState>,
    pub address: SocketAddr,
}

/// Why there is no backend for a request.
pub(crate) enum NoLease {
    NoRoute,
    NoBackend(Arc<ActiveRoute>),
}

impl InForce {
    pub(crate) fn new(table: Table) -> Self {
        Self { generation: AtomicU64::new(table.generation), table: ArcSwap::from_pointee(table) }
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Callers take turns: generations only grow.
    pub(crate) fn switch(&self, table: Table) {
        let generation = table.generation;
        self.table.store(Arc::new(table));
        self.generation.store(generation, Ordering::SeqCst);
    }

    /// Counts a request in on the backend whose turn it is, preferring those that were not `tried`.
    pub(crate) fn lease(&self, request: &Request<'_>, tried: &[Arc<BackendState>]) -> Result<Lease, NoLease> {
        loop {
            let table = self.table.load();
            let route = table.find(request).ok_or(NoLease::NoRoute)?;
            let target = route.next_target(tried).ok_or_else(|| NoLease::NoBackend(route.clone()))?;
            target.backend.in_flight.fetch_add(1, Ordering::SeqCst);
            let lease =
                Lease { route: route.clone(), backend: target.backend.clone(), address: target.address };
            if table.generation >= self.generation.load(Ordering::SeqCst) {
                return Ok(lease);
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl BackendState {
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// The backends known by id: those of the table in force, and those before that still have requests in flight.
#[derive(Default)]
pub(crate) struct Backends(HashMap<String, Arc<BackendState>>);

impl Backends {
    pub(crate) fn state(&mut self, id: &str) -> Arc<BackendState> {
        let new = || Arc::new(BackendState { id: id.to_owned(), in_flight: AtomicU64::new(0) });
        self.0.entry(id.to_owned()).or_insert_with(new).clone()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<BackendState>> {
        self.0.get(id)
    }

    /// Forgets those that are drained, and gives the others.
    pub(crate) fn known(&mut self, table: &Table) -> impl Iterator<Item = &Arc<BackendState>> {
        self.0.retain(|id, state| state.in_flight() > 0 || table.holds(id));
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use cloudyknight_core::route::{Backend, Route, RouteTable};

    use super::*;

    fn table_of(backend: usize) -> RouteTable {
        RouteTable::new(vec![Route {
            workspace: "app".parse().unwrap(),
            name: "app".into(),
            rule: "PathPrefix(`/`)".into(),
            priority: None,
            strip_prefixes: Vec::new(),
            page_root: None,
            syntax: Default::default(),
            middlewares: Vec::new(),
            hides_host: false,
            backends: vec![Backend { id: backend.to_string(), address: "127.0.0.1:1".parse().unwrap() }],
        }])
    }

    #[test]
    fn no_lease_is_given_on_a_backend_that_was_seen_drained() {
        const SWITCHES: usize = 20_000;
        let mut backends = Backends::default();
        let in_force = InForce::new(Table::empty().succeed(table_of(0), &mut backends).unwrap());
        let stopped: Vec<AtomicBool> = (0..=SWITCHES).map(|_| AtomicBool::new(false)).collect();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let client = || {
                let (method, host, path, client) = ("GET", "h", "/", "::1".parse().unwrap());
                let request =
                    Request { method, host, path, plain_path: path, query: None, headers: &(), client };
                let mut leases = 0_u64;
                while !over.load(Ordering::SeqCst) {
                    let Ok(lease) = in_force.lease(&request, &[]) else {
                        panic!("there is always a backend")
                    };
                    let backend: usize = lease.backend.id.parse().unwrap();
                    assert!(
                        !stopped[backend].load(Ordering::SeqCst),
                        "a lease on the stopped backend {backend}"
                    );
                    leases += 1;
                }
                leases
            };
            let clients: Vec<_> = (0..3).map(|_| scope.spawn(client)).collect();
            for (old, stopped) in stopped.iter().enumerate().take(SWITCHES) {
                let next = in_force.table().succeed(table_of(old + 1), &mut backends).unwrap();
                in_force.switch(next);
                let state = backends.state(&old.to_string());
                while state.in_flight() > 0 {
                    thread::yield_now();
                }
                stopped.store(true, Ordering::SeqCst);
                assert!(backends.known(&in_force.table()).count() <= 2);
            }
            over.store(true, Ordering::SeqCst);
            let leases: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
            assert!(leases > SWITCHES as u64, "only {leases} leases: that was no load");
        });
    }
}
