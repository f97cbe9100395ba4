//! The settings of an edge. Each bounds something that a client or a backend could otherwise hold for ever.

use std::path::PathBuf;
use std::time::Duration;

use crate::proxies::TrustedProxies;

#[derive(Clone, Debug)]
pub struct Options {
    /// Where the table in force is kept, so that an edge that restarts serves it again. `None`: nowhere.
    pub saved_table: Option<PathBuf>,
    /// Whose word on the way of a request is passed on.
    pub trusted_proxies: TrustedProxies,
    /// Client connections carried at once, tunnels included; more wait in the listener's backlog.
    pub max_connections: usize,
    /// A connection on which no request arrives whole for this long is closed, whether it is idle between
    /// requests or sends one slowly.
    pub head_timeout: Duration,
    /// The largest request head (request line and headers). At least 8 KiB.
    pub max_head_bytes: usize,
    /// A client that takes no byte of its answer for this long is cut off.
    pub stall_timeout: Duration,
    pub connect_timeout: Duration,
    /// How long a backend may take to begin its answer, counted from the last byte of the request that arrived.
    pub response_timeout: Duration,
    /// How long a connection to a backend is kept for the next request. Shorter than any server keeps it (2 s
    /// is the shortest in common use), so that a request rarely meets a connection that is just being closed.
    pub backend_idle_timeout: Duration,
    /// After the shutdown signal, requests and tunnels under way have this long to finish.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            saved_table: None,
            trusted_proxies: TrustedProxies::default(),
            max_connections: 4096,
            head_timeout: Duration::from_secs(30),
            max_head_bytes: 64 * 1024,
            stall_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(120),
            backend_idle_timeout: Duration::from_secs(1),
            grace: Duration::from_secs(30),
        }
    }
}
