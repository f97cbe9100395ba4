//! The agent's door to the edge: HTTP/1.1 with JSON over a unix socket that only its owner may open.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /routes` with a whole table | [`InForce`], given only when the switch is in force |
//! | `GET /routes` | the table in force |
//! | `GET /backends` | a list of [`crate::edge::BackendReport`]: who may get requests or still has some |
//! | `GET /stats` | [`crate::stats::Stats`] |
//! | `GET /health` | [`Health`] |
//!
//! A refusal has a 4xx status and says why in [`Refusal`].

mod client;

mod serve;

mod socket;

use serde::{Deserialize, Serialize};

pub use crate::edge::BackendReport;
pub use client::{Client, ControlError};
pub use serve::serve;
pub use socket::{BindError, bind};

/// The table that was put is in force: no request starts any more on a backend that it does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Grows with every switch since the edge started.
    pub generation: u64,
    /// Why the table could not be written to its file: an edge that restarts now serves an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_saved: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// 0 while the edge has had no table.
    pub generation: u64,
    pub routes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub error: String,
}
