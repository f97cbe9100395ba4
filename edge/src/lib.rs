//! The edge: holds the routes and carries the traffic to healthy containers. The last station of the path, and
//! the only one that every request passes, so it depends on nothing else: it keeps serving the table it has
//! while the agent is down, and starts with the table it had.
//!
//! The modules stand in the order in which a request meets them: it comes in on a connection, finds a route in
//! the table in force, holds a lease on one backend until the last byte of the answer is out, and is forwarded.
//! `control` is the agent's door: it switches tables and asks when a backend is drained.

pub mod options;

mod listen;

mod connection;

mod patience;

mod normal;

mod asked;

mod table;

mod lease;

mod edge;

mod forward;

mod replay;

mod upload;

mod headers;

mod proxies;

mod strip;

mod middleware;

mod tunnel;

mod reply;

mod answer;

pub mod stats;

mod saved;

pub mod control;

pub use edge::Edge;
pub use listen::serve;
pub use options::Options;
pub use proxies::TrustedProxies;
pub use saved::SavedError;
pub use table::{TableError, check_route};
