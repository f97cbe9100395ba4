//! The host agent: takes commands, makes releases of what the bucket holds, and runs containers until they are
//! live. It keeps no state that the bucket and Docker cannot give back.
//!
//! The modules stand in the order of the path.

pub mod settings;

pub mod inbox;

pub mod reconcile;

pub mod todo;

pub mod settle;

pub mod desires;

pub mod releases;

pub mod source;

pub mod publish;

pub mod archive;

pub mod policy;

pub mod ignore;

pub mod compose;

pub mod runtime;

pub mod routes;

pub mod hardening;

pub mod identity;

pub mod plan;

pub mod in_place;

pub mod deploy;

pub mod engine;

pub mod firewall;

pub mod edge_link;

pub mod traefik;

pub mod board;

pub mod journal;

pub mod lines;

pub mod builds;

pub mod replay;

pub mod queue_watch;

pub mod watch;

pub mod access;

pub mod facts;

pub mod uploads;

pub mod templates;

pub mod api;

mod agent;
pub use agent::{Agent, Ports};
