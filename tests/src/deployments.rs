//! Everything that is deployed of one workspace while somebody watches, seen through the API.

use std::collections::BTreeSet;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::api::Api;
use crate::platform::Platform;

pub struct Deployments {
    leave: SyncSender<()>,
    thread: JoinHandle<BTreeSet<String>>,
}

const LOOK_AGAIN: Duration = Duration::from_millis(30);

impl Deployments {
    /// Begins to watch.
    pub fn of(platform: &Platform, workspace: &str) -> Self {
        let (api, path) = (Api::of(platform), format!("/api/v1/workspaces/{workspace}"));
        let (leave, left) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            loop {
                // Those that were given up before they had fetched anything are none.
                let status = api.read(&path).unwrap_or_default();
                let mut steps = status["deployment"]["steps"].as_array().into_iter().flatten();
                if steps.any(|step| step["name"] == "fetch") {
                    seen.insert(status["deployment"]["id"].as_str().unwrap_or_default().to_owned());
                }
                if left.recv_timeout(LOOK_AGAIN) == Err(RecvTimeoutError::Disconnected) {
                    return seen;
                }
            }
        });
        Self { leave, thread }
    }

    /// Ends the watch, and tells the ids of what was seen.
    pub fn seen(self) -> BTreeSet<String> {
        drop(self.leave);
        self.thread.join().expect("the watch did not panic")
    }
}
