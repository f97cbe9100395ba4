//! What follows a switch: the old containers finish what they carry, and then everything that only the old release
//! used goes. Nothing waits for this but the next deployment of the same workspace.

use std::path::PathBuf;
use std::time::Duration;

use cloudyknight_core::workspace::WorkspaceName;

use super::Tools;
use crate::engine::EngineError;
use crate::plan::Seen;
use crate::source;

#[derive(Debug)]
pub struct Retirement {
    pub workspace: WorkspaceName,
    /// Containers of the release before.
    pub containers: Vec<Seen>,
    /// Kept containers and the networks of the release before that they are still in.
    pub leave: Vec<(String, String)>,
    /// The networks that the workspace goes on using; its others go.
    pub networks: Vec<String>,
    /// The images that the workspace goes on using; others that were made for it go.
    pub images: Vec<String>,
    /// The source folders that are in use; the workspace's others go.
    pub sources: Vec<String>,
}

/// Grace for a container that is stopped, where its compose file names none.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Retirement {
    /// Drains and clears away. What cannot be removed is reported and left for the next deployment.
    pub async fn run(self, tools: &Tools, backends_before: Vec<String>) {
        let now = tools.edge.backends(&self.workspace).await;
        let gone: Vec<String> = backends_before.into_iter().filter(|one| !now.contains(one)).collect();
        drain(tools, &gone).await;
        for old in &self.containers {
            let grace = old.identity.stop_grace.unwrap_or(STOP_GRACE);
            report("stop", tools.engine.stop(&old.id, grace).await);
            report("remove", tools.engine.remove(&old.id).await);
        }
        for (network, container) in &self.leave {
            report("leave", tools.engine.leave(network, container).await);
        }
        self.clear_away(tools).await;
    }

    async fn clear_away(&self, tools: &Tools) {
        let engine = &tools.engine;
        match engine.networks(Some(&self.workspace)).await {
            Ok(networks) => {
                for network in networks.iter().filter(|network| !self.networks.contains(network)) {
                    report("remove", engine.remove_network(network).await);
                }
            }
            Err(error) => report("list networks", Err(error)),
        }
        match engine.own_images(Some(&self.workspace)).await {
            Ok(images) => {
                for (name, id) in images.iter().filter(|(_, id)| !self.images.contains(id)) {
                    tracing::debug!(image = name, id, "no longer used");
                    report("remove", engine.remove_image(name).await);
                }
            }
            Err(error) => report("list images", Err(error)),
        }
        for folder in folders(tools, &self.workspace).await {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !self.sources.iter().any(|used| used == name) {
                source::discard(&folder).await;
            }
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

/// The source folders of a workspace, used or not.
pub async fn folders(tools: &Tools, workspace: &WorkspaceName) -> Vec<PathBuf> {
    let prefix = format!("{workspace}.");
    let Ok(mut listing) = tokio::fs::read_dir(&tools.settings.source_dir).await else { return Vec::new() };
    let mut folders = Vec::new();
    while let Ok(Some(entry)) = listing.next_entry().await {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            folders.push(entry.path());
        }
    }
    folders
}

pub fn report(what: &str, result: Result<(), EngineError>) {
    if let Err(error) = result {
        tracing::warn!(what, %error, "something of an old release could not be cleared away");
    }
}
