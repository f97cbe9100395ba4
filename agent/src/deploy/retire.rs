//! What follows a switch: the old containers finish what they carry, and go. Nothing waits for this; the next deployment
//! of the same workspace goes on beside it, in networks of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_core::status::Step;
use cloudyknight_core::workspace::WorkspaceName;

use super::{Tools, hooks};
use crate::board::Progress;
use crate::engine::EngineError;
use crate::plan::Seen;

/// Containers that are seen off. As long as it lives, nobody else removes them under their requests.
#[derive(Debug)]
pub struct Retirement {
    number: u64,
    workspace: WorkspaceName,
    containers: Vec<Seen>,
    is_hurried: Arc<AtomicBool>,
    retiring: Arc<Retiring>,
}

/// What somebody is seeing off at the moment, in the order in which it was retired.
#[derive(Debug, Default)]
pub struct Retiring(Mutex<BTreeMap<u64, Going>>);

#[derive(Debug)]
struct Going {
    workspace: WorkspaceName,
    /// By id.
    containers: Vec<String>,
    is_hurried: Arc<AtomicBool>,
}

/// Grace for a container that is stopped, where its compose file names none.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Retirement {
    pub fn of(tools: &Tools, workspace: &WorkspaceName, containers: Vec<Seen>) -> Self {
        let is_hurried = Arc::new(AtomicBool::new(false));
        let going = Going {
            workspace: workspace.clone(),
            containers: containers.iter().map(|one| one.id.clone()).collect(),
            is_hurried: is_hurried.clone(),
        };
        let retiring = tools.retiring.clone();
        let number = {
            let mut all = retiring.lock();
            let number = all.keys().next_back().map_or(0, |last| last + 1);
            all.insert(number, going);
            number
        };
        Self { number, workspace: workspace.clone(), containers, is_hurried, retiring }
    }

    /// Drains and removes. What cannot be removed is reported and left for the next deployment.
    pub async fn run(self, tools: &Tools, backends_before: Vec<String>) {
        let gone = self.gone(tools, backends_before).await;
        drain(tools, &gone).await;
        self.end(tools).await;
    }

    /// Drains, as the last step of a deployment that is live already. Answers whether there was anything to drain.
    ///
    /// Whoever asks for a longer grace has connections that last, and may use it for them: so have those that it calls,
    /// for as long.
    pub async fn drain(&self, tools: &Tools, backends_before: Vec<String>, progress: &Progress) -> bool {
        let gone = self.gone(tools, backends_before).await;
        if !gone.is_empty() {
            let usual = tools.settings.drain_timeout;
            let graces = self.containers.iter().filter_map(|one| one.identity.stop_grace);
            let longest = graces.fold(usual, Duration::max);
            let limit = || if self.is_hurried.load(Ordering::Relaxed) { usual } else { longest };
            progress.step(Step::DRAIN, drain_within(tools, &gone, limit)).await;
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
        self.lock().values().any(|going| going.containers.iter().any(|one| one == container))
    }

    /// Somebody waits for the room of what this workspace retired first: it gets no more than the settings allow.
    pub fn hurry_first(&self, workspace: &WorkspaceName) {
        if let Some(first) = self.lock().values().find(|going| going.workspace == *workspace) {
            first.is_hurried.store(true, Ordering::Relaxed);
        }
    }

    /// The same for all that it retired.
    pub fn hurry(&self, workspace: &WorkspaceName) {
        for going in self.lock().values().filter(|going| going.workspace == *workspace) {
            going.is_hurried.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Going>> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}

impl Drop for Retirement {
    fn drop(&mut self) {
        self.retiring.lock().remove(&self.number);
    }
}

/// Waits until no request is in flight on these backends, as long as the settings allow.
pub(super) async fn drain(tools: &Tools, backends: &[String]) {
    drain_within(tools, backends, || tools.settings.drain_timeout).await;
}

/// The limit may become less while it waits.
async fn drain_within(tools: &Tools, backends: &[String], limit: impl Fn() -> Duration) {
    let began = tokio::time::Instant::now();
    while !backends.is_empty() && began.elapsed() < limit() {
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
