//! What is no longer used goes: networks, images and source folders of a workspace. Only while none of its deployments
//! is on its way, for nobody else can tell what that one is about to use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cloudyknight_core::workspace::WorkspaceName;

use super::retire::report;
use super::{Tools, hooks};
use crate::engine::{EngineError, OwnImage};
use crate::identity::Slot;
use crate::plan::{Running, Seen};
use crate::source;

/// What the live release uses, or the next one may.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// How the names of its networks begin, whatever the slot.
    pub networks: BTreeSet<String>,
    /// By id.
    pub images: Vec<String>,
    /// How many other images of each service stay, for going back.
    pub keep_images: usize,
    /// Folders below the source directory.
    pub sources: Vec<String>,
}

/// Clears away what neither the live release nor a container that is still there needs.
pub async fn clear_away(tools: &Tools, workspace: &WorkspaceName, needs: &Needs) {
    let seen = match tools.engine.containers(Some(workspace)).await {
        Ok(seen) => seen,
        Err(error) => return report("list containers", Err(error)),
    };
    let sources: BTreeSet<String> = seen.iter().filter_map(|one| one.identity.source.clone()).collect();
    let running = Running::recover(seen);
    // Those of whom nobody sees to it that they go: their removal failed, or was interrupted.
    for old in running.retired.iter().filter(|old| !tools.retiring.has(&old.id)) {
        end(tools, old).await;
    }
    report("leave", leave(tools, &running).await);
    report("clear networks", networks(tools, workspace, needs, &running).await);
    report("clear images", images(tools, workspace, needs).await);
    for folder in folders(tools, workspace).await {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let release = name.strip_suffix(source::PRIVATE).unwrap_or(name);
        if !sources.contains(release) && !needs.sources.iter().any(|used| used == release) {
            source::discard(&folder).await;
        }
    }
}

async fn end(tools: &Tools, old: &Seen) {
    report("stop", hooks::stop(tools, old).await);
    report("remove", tools.engine.remove(&old.id).await);
}

/// What was kept from one release to the next leaves the networks of those that are gone: until then it served both.
async fn leave(tools: &Tools, running: &Running) -> Result<(), EngineError> {
    let needed: BTreeSet<Slot> = running.retired.iter().flat_map(Seen::slots).chain(running.slot()).collect();
    for kept in running.live.values() {
        let stale = |name: &&String| Slot::of_network(name).is_some_and(|slot| !needed.contains(&slot));
        for network in kept.networks.iter().filter(stale) {
            tools.engine.leave(network, &kept.id).await?;
        }
    }
    Ok(())
}

/// Those of the live release stay, those in which somebody still is, and a set for the next one, which saves it the
/// making.
async fn networks(
    tools: &Tools,
    workspace: &WorkspaceName,
    needs: &Needs,
    running: &Running,
) -> Result<(), EngineError> {
    let everybody = running.live.values().chain(&running.retired).chain(&running.leftovers);
    let mut slots: BTreeSet<Slot> = everybody.flat_map(Seen::slots).collect();
    slots.extend(running.slot().into_iter().chain(running.free_slot()));
    for network in tools.engine.networks(Some(workspace)).await? {
        let stays = match Slot::of_network(&network) {
            // Somebody of an older release may be in it, whatever the live one calls its networks.
            Some(slot) if !running.retired.is_empty() => slots.contains(&slot),
            Some(slot) => {
                slots.contains(&slot)
                    && needs.networks.iter().any(|begin| network == format!("{begin}{slot}"))
            }
            None => false,
        };
        if !stays {
            tools.engine.remove_network(&network).await?;
        }
    }
    Ok(())
}

async fn images(tools: &Tools, workspace: &WorkspaceName, needs: &Needs) -> Result<(), EngineError> {
    let images = tools.engine.own_images(Some(workspace)).await?;
    for image in superfluous(images, &needs.images, needs.keep_images) {
        tracing::debug!(image.name, image.id, "no longer used");
        // One that a container still uses stays.
        tools.engine.remove_image(&image.name).await?;
    }
    Ok(())
}

/// Of each repository, which is a service's builds or the dependencies of the workspace, the live image and the `keep`
/// newest others stay: going back to those makes no image anew.
fn superfluous(mut images: Vec<OwnImage>, live: &[String], keep: usize) -> Vec<OwnImage> {
    images.retain(|image| !live.contains(&image.id));
    images.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    images.retain(|image| {
        let Some((repository, _)) = image.name.rsplit_once(':').filter(|_| image.is_named) else {
            return true;
        };
        let count = kept.entry(repository.to_owned()).or_default();
        *count += 1;
        *count > keep
    });
    images
}

/// The source folders of a workspace, used or not.
async fn folders(tools: &Tools, workspace: &WorkspaceName) -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, created: i64) -> OwnImage {
        OwnImage {
            name: name.into(),
            id: format!("id of {name}"),
            created,
            is_named: !name.starts_with("sha256:"),
        }
    }

    #[test]
    fn of_each_repository_the_live_image_and_the_newest_others_stay() {
        let all = ["a:1", "a:2", "a:3", "a:4", "b:1", "b:2"];
        let images = all.iter().zip(1..).map(|(name, created)| image(name, created)).collect();
        let live = ["id of a:1".to_owned(), "id of b:2".to_owned()];
        let gone = superfluous(images, &live, 2);
        assert_eq!(gone.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["a:2"]);
    }

    #[test]
    fn an_image_that_lost_its_name_is_not_kept_for_going_back() {
        let gone = superfluous(vec![image("sha256:1", 1), image("a:1", 2)], &[], 3);
        assert_eq!(gone.len(), 1);
        assert!(!gone[0].is_named);
    }
}
