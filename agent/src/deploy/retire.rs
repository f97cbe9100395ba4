//! What follows a switch: the old containers finish what they carry, and go. Nothing waits for this; the next deployment
//! of the same workspace goes on beside it, in networks of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_core::workspace::WorkspaceName;

use super::{Tools, hooks};
use crate::board::Progress;
use crate::engine::EngineError;
use crate::plan::Seen;

/// Containers that are seen off. As long as it lives, nobody else removes them under their requests.
#[derive(Debug)]
pub struct Retirement {
    workspace: WorkspaceName,
    containers: Vec<Seen>,
    retiring: Arc<Retiring>,
}

/// The containers that somebody is seeing off at the moment, by id.
#[derive(Debug, Default)]
pub struct Retiring(Mutex<BTreeSet<String>>);

/// Grace for a container that is stopped, where its compose file names none.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// The step that a deployment ends with, when it is live already.
pub const DRAIN: &str = "drain";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Retirement {
    pub fn of(tools: &Tools, workspace: &WorkspaceName, containers: Vec<Seen>) -> Self {
        let retiring = tools.retiring.clone();
        retiring.lock().extend(containers.iter().map(|one| one.id.clone()));
        Self { workspace: workspace.clone(), containers, retiring }
    }

    /// Drains and removes. What cannot be removed is reported and left for the next deployment.
    pub async fn run(self, tools: &Tools, backends_before: Vec<String>) {
        let gone = self.gone(tools, backends_before).await;
        drain(tools, &gone).await;
        self.end(tools).await;
    }

    /// Drains, as the last step of a deployment that is live already. Answers whether there was anything to drain.
    pub async fn drain(&self, tools: &Tools, backends_before: Vec<String>, progress: &Progress) -> bool {
        let gone = self.gone(tools, backends_before).await;
        if !gone.is_empty() {
            progress.step(DRAIN, drain(tools, &gone)).await;
        }
        !gone.is_empty()
    }

    /// The backends that get no new requests any more.
    async fn gone(&self, tools: &Tools, before: Vec<String>) -> Vec<String> {
        let now = tools.edge.backends(&self.workspace).await;
        before.into_iter().filter(|one| !now.contains(one)).collect()
    }

    /// Removes what was drained.
    pub async fn end(self, tools: &Tools) {
        let end = |old: &Seen| {
            let old = old.clone();
            async move {
                report("stop", hooks::stop(tools, &old).await);
                report("remove", tools.engine.remove(&old.id).await);
            }
        };
        // All at once: each may take its whole grace, and all of them are done.
        futures::future::join_all(self.containers.iter().map(end)).await;
    }
}

impl Retiring {
    pub fn has(&self, container: &str) -> bool {
        self.lock().contains(container)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}

impl Drop for Retirement {
    fn drop(&mut self) {
        let mut all = self.retiring.lock();
        for one in &self.containers {
            all.remove(&one.id);
        }
    }
}

/// Waits until no request is in flight on these backends, as long as the settings allow.
pub(super) async fn drain(tools: &Tools, backends: &[String]) {
    let give_up = tokio::time::Instant::now() + tools.settings.drain_timeout;
    while !backends.is_empty() && tokio::time::Instant::now() < give_up {
        match tools.edge.in_flight(backends).await {
            Ok(0) => return,
            // An edge that does not answer is being restarted, and carries nothing.
            Ok(_) | Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

pub fn report(what: &str, result: Result<(), EngineError>) {
    if let Err(error) = result {
        tracing::warn!(what, %error, "something of an old release could not be cleared away");
    }
}
