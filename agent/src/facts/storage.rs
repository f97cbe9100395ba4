//! Looks at what workspaces hold where. Docker walks through every writable layer for it, so it is asked at most every ten
//! seconds, apart from everything that the platform waits for; whoever asks while that takes long gets what was known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::storage::WorkspaceStorage;
use cloudyknight_core::workspace::WorkspaceName;
use futures::StreamExt;

use super::held::{Images, own_bytes};
use super::newest::Newest;
use crate::Agent;
use crate::board::now;
use crate::deploy::with_causes;
use crate::engine::{Engine, EngineError};

/// At most so often.
const FRESH: Duration = Duration::from_secs(10);
/// How long a new look is waited for while there is an older one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Releases that are read at the same time.
const PARALLEL: usize = 8;

#[derive(Default)]
pub struct Surveyor {
    newest: Newest<Survey>,
    /// What an image is never changes, nor what a release is.
    images: Mutex<Images>,
    sources: Mutex<BTreeMap<WorkspaceName, Source>>,
}

/// What was found.
pub struct Survey {
    pub at: String,
    pub workspaces: Vec<WorkspaceStorage>,
    /// Own bytes of images, each with the workspaces that run it.
    pub images: Vec<(u64, BTreeSet<WorkspaceName>)>,
}

#[derive(Clone)]
struct Source {
    release: ReleaseDigest,
    bytes: u64,
    files: u64,
}

impl Surveyor {
    pub async fn survey(this: &Arc<Self>, agent: &Agent) -> Result<Arc<Survey>, EngineError> {
        if let Some(fresh) = this.newest.within(FRESH) {
            return Ok(fresh);
        }
        // To its end, also where nobody waits for it that long.
        let (own, agent) = (this.clone(), agent.clone());
        let mut looking = tokio::spawn(async move { own.newest.get(FRESH, own.look(&agent)).await });
        let older = this.newest.within(Duration::MAX);
        tokio::select! {
            found = &mut looking => found.expect("looking does not panic"),
            () = tokio::time::sleep(PATIENCE), if older.is_some() => Ok(older.expect("it was there")),
        }
    }

    async fn look(&self, agent: &Agent) -> Result<Survey, EngineError> {
        let tools = &agent.reconciler.tools;
        let (written, seen, images) = tokio::try_join!(
            tools.engine.written(),
            tools.engine.containers(None),
            self.images(&tools.engine)
        )?;
        let sources = self.sources(agent).await;
        let mut all: BTreeMap<WorkspaceName, WorkspaceStorage> = BTreeMap::new();
        for (workspace, source) in &sources {
            let one = all.entry(workspace.clone()).or_insert_with(|| nothing(workspace));
            (one.source_bytes, one.source_files) = (Some(source.bytes), Some(source.files));
        }
        let mut used: BTreeMap<&str, BTreeSet<WorkspaceName>> = BTreeMap::new();
        for container in seen {
            let workspace = container.identity.workspace;
            let one = all.entry(workspace.clone()).or_insert_with(|| nothing(&workspace));
            let Some((image, bytes)) = written.get(&container.id) else { continue };
            one.written_bytes += bytes;
            used.entry(image).or_default().insert(workspace);
        }
        let mut own = Vec::new();
        for (image, workspaces) in used {
            // One that lost its name is asked for by itself.
            let layers = match images.get(image).cloned() {
                Some(layers) => Some(layers),
                None => tools.engine.layers(image).await?,
            };
            let Some(layers) = layers else { continue };
            let bytes = own_bytes(&layers, &images);
            for workspace in &workspaces {
                all.get_mut(workspace).expect("its container was seen").dependency_bytes += bytes;
            }
            own.push((bytes, workspaces));
        }
        Ok(Survey { at: now(), workspaces: all.into_values().collect(), images: own })
    }

    async fn images(&self, engine: &Engine) -> Result<Images, EngineError> {
        let ids: BTreeSet<String> = engine.images().await?.into_iter().collect();
        let mut images = lock(&self.images).clone();
        images.retain(|id, _| ids.contains(id));
        for id in ids {
            if !images.contains_key(&id)
                && let Some(layers) = engine.layers(&id).await?
            {
                images.insert(id, layers);
            }
        }
        lock(&self.images).clone_from(&images);
        Ok(images)
    }

    /// What the live releases hold. One that cannot be read is left out, and read another time.
    async fn sources(&self, agent: &Agent) -> BTreeMap<WorkspaceName, Source> {
        let live =
            agent.board.all().into_iter().filter_map(|status| Some((status.workspace, status.release?)));
        let known = lock(&self.sources).clone();
        let releases = &agent.reconciler.tools.releases;
        let read = live.map(async |(workspace, release)| {
            if let Some(source) = known.get(&workspace).filter(|source| source.release == release) {
                return Some((workspace, source.clone()));
            }
            match releases.get(&workspace, &release).await {
                Ok(kept) => {
                    let manifest = kept?.manifest;
                    let (bytes, files) = (manifest.size(), manifest.entries.len() as u64);
                    Some((workspace, Source { release, bytes, files }))
                }
                Err(error) => {
                    tracing::debug!(%workspace, error = with_causes(&error), "how large its source is is not known");
                    None
                }
            }
        });
        let read = futures::stream::iter(read.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let sources: BTreeMap<_, _> = read.filter_map(async |source| source).collect().await;
        lock(&self.sources).clone_from(&sources);
        sources
    }
}

fn nothing(workspace: &WorkspaceName) -> WorkspaceStorage {
    WorkspaceStorage {
        workspace: workspace.clone(),
        source_bytes: None,
        source_files: None,
        dependency_bytes: 0,
        written_bytes: 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds what is known")
}
