//! What is counted, and the words it is read in at `GET /stats`. A route keeps its counts across tables as long
//! as its name is in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudyknight_core::workspace::WorkspaceName;
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// All counts since the edge started, except `connections`, which is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Client connections open now, tunnels included.
    pub connections: u64,
    /// Requests that no route wanted.
    pub unrouted: u64,
    pub routes: Vec<RouteStats>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStats {
    pub workspace: WorkspaceName,
    pub route: String,
    pub requests: u64,
    /// Answers by class: 1xx (switched protocols), 2xx, 3xx, 4xx, 5xx. The edge's own are among them.
    pub answers: [u64; 5],
    /// Of the 5xx, those the edge gave because no backend took the request or it broke off.
    pub unreachable: u64,
    /// Of the 5xx, those the edge gave because a backend did not answer in time.
    pub timed_out: u64,
    /// Sent again, to the same or another backend; not seen by clients.
    pub retried: u64,
}

#[derive(Default)]
pub(crate) struct RouteCounts {
    requests: AtomicU64,
    answers: [AtomicU64; 5],
    unreachable: AtomicU64,
    timed_out: AtomicU64,
    retried: AtomicU64,
    last_logged: Mutex<Option<Instant>>,
}

impl RouteCounts {
    pub(crate) fn answered(&self, status: StatusCode) {
        add_one(&self.requests);
        if let Some(class) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            add_one(class);
        }
    }

    pub(crate) fn unreachable(&self) {
        add_one(&self.unreachable);
    }

    pub(crate) fn timed_out(&self) {
        add_one(&self.timed_out);
    }

    pub(crate) fn retried(&self) {
        add_one(&self.retried);
    }

    /// At most one failure a second, so that a workspace that is down cannot fill the log.
    pub(crate) fn may_log(&self) -> bool {
        let mut last = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    pub(crate) fn read(&self, workspace: &WorkspaceName, route: &str) -> RouteStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RouteStats {
            workspace: workspace.clone(),
            route: route.to_owned(),
            requests: read(&self.requests),
            answers: self.answers.each_ref().map(read),
            unreachable: read(&self.unreachable),
            timed_out: read(&self.timed_out),
            retried: read(&self.retried),
        }
    }
}

pub(crate) fn add_one(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
