//! What workspaces use and carry now, as the API and the CLI (`--json`) tell it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    pub version: u32,
    /// RFC 3339, UTC: when it was measured. It is measured only while somebody asks, and at most every two seconds.
    pub at: String,
    /// By name; one that runs nothing and carried nothing is not among them.
    pub workspaces: Vec<WorkspaceStats>,
    /// `None` where a Traefik of the operator carries the traffic, or the edge does not answer.
    pub edge: Option<EdgeStats>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkspaceStats {
    #[schema(value_type = String)]
    pub workspace: WorkspaceName,
    /// Of one core: 200 is two cores at work. `None` where neither Docker nor the kernel says.
    pub cpu_percent: Option<f64>,
    /// Of all its containers, without what the kernel keeps of files and gives back when asked, as `docker stats` counts.
    /// `None` where neither Docker nor the kernel says.
    pub memory_bytes: Option<u64>,
    /// What those of its containers that run may have together.
    pub memory_limit_bytes: Option<u64>,
    pub containers: Vec<ContainerStats>,
    /// `None` where a Traefik of the operator carries it, or the edge does not answer.
    pub traffic: Option<Traffic>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContainerStats {
    pub service: String,
    /// Its name.
    pub container: String,
    pub cpu_percent: Option<f64>,
    pub memory_bytes: Option<u64>,
    /// `None` also while it does not run.
    pub memory_limit_bytes: Option<u64>,
    /// RFC 3339; `None` for one that never started.
    pub started_at: Option<String>,
    /// Docker's word: `running`, `restarting`, `exited`, …
    pub state: String,
    /// Docker's word, for one that has a health check: `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
}

/// Counted since the edge started, by all routes of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    pub requests: u64,
    /// By class: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub answers: [u64; 5],
    /// Of the 5xx, those that no container gave, because none took the request or it broke off.
    pub unreachable: u64,
    /// Of the 5xx, those that stand for a container that did not answer in time.
    pub timed_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EdgeStats {
    /// Open now.
    pub connections: u64,
    /// Requests that no route wanted, since the edge started.
    pub unrouted: u64,
}

impl Stats {
    pub const VERSION: u32 = 1;
}
