//! Brings the containers that run to a release, where `in_place` decides so: files are put into them, and some are restarted.
//!
//! The release is whole here and in the platform bucket before the first of them is touched, and the status says that it is
//! under way. From then on the containers are of no release, until one is live: whatever fails or ends in between leads to
//! new containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::manifest::Manifest;
use cloudyknight_store::listing;

use super::clear::Needs;
use super::images::Image;
use super::keep::Keeping;
use super::read::{self, Frame, Read};
use super::retire::Retirement;
use super::{
    DeployError, Deployed, Job, Newcomer, Prepared, Tools, about, check, hooks, refresh, start, switch,
    with_causes,
};
use crate::board::Progress;
use crate::compose::model::{ImageSource, Project, Restart};
use crate::engine::EngineError;
use crate::in_place::{Change, Changes, Files, Redeploy, Steps, Subject, changes, choose, initial};
use crate::plan::{Condition, Running, Seen};
use crate::source::{Source, SourceError};

/// The step of a deployment in which files are put into what runs.
pub const SYNC: &str = "sync";
/// For all files of a container.
const LIMIT: Duration = Duration::from_secs(60);
/// How many paths one command is given.
const PATHS: usize = 100;

/// A release that serves, with all that is to be known to bring its containers to the next one.
#[derive(Clone)]
pub struct Live {
    prepared: Prepared,
    manifest: Manifest,
    restarts: u64,
    needs: Needs,
    /// The files that say what its services are.
    files: BTreeSet<String>,
}

impl Live {
    pub(super) fn of(job: &Job<'_>, prepared: &Prepared, needs: &Needs) -> Self {
        Self {
            prepared: prepared.clone(),
            manifest: job.manifest.clone(),
            restarts: job.restarts,
            needs: needs.clone(),
            files: prepared.files.clone(),
        }
    }
}

pub(super) enum InPlace {
    Done(Box<Deployed>),
    /// Not this way; with a warning where it was tried.
    Not(Option<String>),
}

/// What is to be done, and to what.
struct Work {
    read: Read,
    running: Running,
    changes: Changes,
    /// By entry of the plan.
    steps: BTreeMap<String, Steps>,
}

#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error("the status could not be written")]
    Told(#[source] cloudyknight_store::bucket::BucketError),
    #[error("service `{service}`")]
    Engine {
        service: String,
        #[source]
        source: EngineError,
    },
    #[error("service `{service}`: `{command}` {how}")]
    Exec { service: String, command: String, how: String },
    #[error("the mounted source could not be renewed")]
    Source(#[from] SourceError),
    #[error("`{path}` could not be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

pub(super) async fn attempt(
    tools: &Tools,
    job: &Job<'_>,
    source: &Source,
    keeping: &mut Keeping,
    progress: &Progress,
) -> Result<InPlace, DeployError> {
    let workspace = job.workspace;
    let Some(live) = job.live.filter(|live| live.has_rules()) else { return Ok(InPlace::Not(None)) };
    let work = match work(tools, job, live, source).await? {
        Ok(work) => work,
        Err(Redeploy(why)) => {
            tracing::info!(%workspace, why, "redeployed, and not brought up to date in place");
            return Ok(InPlace::Not(None));
        }
    };
    keeping.wait(job, progress).await?;
    if job.confirm {
        let now = listing::manifest(tools.workspaces.as_ref(), workspace).await?;
        if now.digest() != job.manifest.digest() {
            return Err(DeployError::Superseded);
        }
    }
    job.cut.close()?;
    if let Err(error) = progress.step(SYNC, sync(tools, job, source, &work, progress)).await {
        let error = with_causes(&error);
        tracing::warn!(%workspace, error, "could not be brought up to date in place: it is redeployed");
        return Ok(InPlace::Not(Some(format!("`develop.watch`: {error}; so it was redeployed"))));
    }
    let mut newcomers = BTreeMap::new();
    for (entry, steps) in &work.steps {
        let seen = &work.running.live[entry];
        let mut newcomer = Newcomer::of(&seen.identity);
        if steps.restart {
            let restarting = restart(tools, &live.prepared, &work.running, entry, seen);
            newcomer.since = progress.step("restart", restarting).await?;
        }
        newcomers.insert(seen.id.clone(), newcomer);
    }
    Ok(InPlace::Done(Box::new(deployed(tools, job, live, source, work, newcomers, keeping.is_done()))))
}

impl Live {
    fn has_rules(&self) -> bool {
        self.prepared.project.services.values().any(|service| !service.watch.is_empty())
    }
}

/// Decides. Nothing is touched.
async fn work(
    tools: &Tools,
    job: &Job<'_>,
    live: &Live,
    source: &Source,
) -> Result<Result<Work, Redeploy>, DeployError> {
    let redeploy = |why: &str| Ok(Err(Redeploy(why.to_owned())));
    let prepared = &live.prepared;
    if job.kept.is_some() || job.restarts != live.restarts {
        return redeploy("new containers are asked for");
    }
    if tools.settings.fresh || prepared.project.fresh {
        return redeploy("dependencies are to be installed anew");
    }
    let read = read::compose(tools, job, source)?;
    if Frame::of(tools, job.workspace, &read.project) != prepared.frame {
        return redeploy("its services are not the same any more");
    }
    let running = Running::recover(tools.engine.containers(Some(job.workspace)).await?);
    if let Some(entry) = stranger(prepared, &running) {
        return redeploy(&format!("service `{entry}` does not run as it was left"));
    }
    let changes = match changes(&prepared_layout(live), &source.layout) {
        Ok(changes) => changes,
        Err(redeploy) => return Ok(Err(redeploy)),
    };
    let subjects = prepared.project.services.keys().map(|entry| {
        let is_followed = prepared.wanted.values().any(|other| other.follows.contains(entry));
        (entry.clone(), subject(&prepared.project, &prepared.images, entry, is_followed))
    });
    let files = live.files.union(&read.files).cloned().collect();
    let steps = match choose(&changes, &subjects.collect(), &files) {
        Ok(steps) => steps,
        Err(redeploy) => return Ok(Err(redeploy)),
    };
    let is_running = |entry: &String| running.live[entry].condition == Condition::Running;
    if let Some(entry) = steps.keys().find(|entry| !is_running(entry)) {
        return redeploy(&format!("service `{entry}` has ended"));
    }
    Ok(Ok(Work { read, running, changes, steps }))
}

fn prepared_layout(live: &Live) -> crate::source::Layout {
    crate::source::Layout::of(&live.manifest)
}

/// An entry whose container is not the one that was left running; or one that should not be there.
fn stranger<'a>(prepared: &'a Prepared, running: &'a Running) -> Option<&'a String> {
    let as_left = |entry: &String| {
        let seen = running.live.get(entry);
        seen.is_some_and(|seen| {
            seen.identity.spec == prepared.wanted[entry].spec && seen.identity.is_live_name(&seen.name)
        })
    };
    let odd = prepared.wanted.keys().find(|entry| !as_left(entry));
    let odd = odd.or_else(|| running.live.keys().find(|entry| !prepared.wanted.contains_key(*entry)));
    let left = running.leftovers.first().map(|one| &one.identity.service);
    let down = || prepared.wanted.keys().next().filter(|_| !running.serves());
    odd.or(left).or_else(down)
}

/// A service as the decision sees it.
pub(super) fn subject<'a>(
    project: &'a Project,
    images: &'a BTreeMap<String, Image>,
    entry: &str,
    is_followed: bool,
) -> Subject<'a> {
    let (service, image) = (&project.services[entry], &images[entry]);
    let contract = &image.contract;
    let app = match service.image {
        ImageSource::Image(_) => contract.app.as_deref().zip(contract.source.as_deref()),
        // Its Dockerfile put there what it needs.
        ImageSource::Build(_) => None,
    };
    let decisive = contract.dependencies.as_ref().map_or(&[][..], |dependencies| &dependencies.files);
    Subject { service, app, decisive, unsent: &image.unsent, is_followed }
}

/// Gives a new container, before it starts, the files that nothing else brings there.
pub(super) async fn bring(
    tools: &Tools,
    prepared: &Prepared,
    entry: &str,
    container: &str,
) -> Result<(), DeployError> {
    let subject = subject(&prepared.project, &prepared.images, entry, false);
    let put = initial(&subject, prepared.source.layout.files.keys());
    if put.is_empty() {
        return Ok(());
    }
    let refused = |message: String| DeployError::Refused { service: entry.to_owned(), message };
    let put = put.into_iter().map(|(place, path)| (place, path.clone())).collect();
    let archive = archive(&prepared.source.path, &put).await;
    let archive = archive.map_err(|error| refused(format!("`develop.watch`: {}", with_causes(&error))))?;
    tools.engine.put(container, archive, tools.settings.build_timeout).await.map_err(|error| match error {
        EngineError::Refused { message, .. } => refused(format!("`develop.watch`: {message}")),
        other => other.into(),
    })
}

/// Puts the files into every container, and runs what is to follow that.
async fn sync(
    tools: &Tools,
    job: &Job<'_>,
    source: &Source,
    work: &Work,
    progress: &Progress,
) -> Result<(), SyncError> {
    // Should we end in the middle, who comes after us knows of it.
    progress.tell().await.map_err(SyncError::Told)?;
    (job.touching)();
    let of_kind = |put: bool| {
        let files = work.changes.files.iter();
        files.filter(move |(_, change)| matches!(change, Change::Put(_)) == put).map(|(path, _)| path)
    };
    // Whoever mounts something of the changes is among them.
    let concerned = work.steps.keys().map(|entry| &work.running.live[entry]);
    let folders: BTreeSet<&String> = concerned.filter_map(|seen| seen.identity.source.as_ref()).collect();
    for folder in folders {
        let folder = tools.settings.source_dir.join(folder);
        source.renew(&folder, of_kind(true), of_kind(false), &work.changes.gone).await?;
    }
    for (entry, steps) in &work.steps {
        let container = &work.running.live[entry].id;
        let failed = |source| SyncError::Engine { service: entry.clone(), source };
        let engine = &tools.engine;
        if !steps.layer.put.is_empty() {
            let archive = archive(&source.path, &steps.layer.put).await?;
            engine.put(container, archive, LIMIT).await.map_err(failed)?;
        }
        if !steps.app.put.is_empty() {
            let archive = archive(&source.path, &steps.app.put).await?;
            engine.unpack(container, archive, LIMIT).await.map_err(failed)?;
        }
        for (files, as_root) in [(&steps.layer, true), (&steps.app, false)] {
            take(tools, container, files, as_root).await.map_err(failed)?;
        }
        exec(tools, entry, container, steps).await?;
    }
    Ok(())
}

async fn take(tools: &Tools, container: &str, files: &Files, as_root: bool) -> Result<(), EngineError> {
    let paths: Vec<&str> = files.remove.iter().map(String::as_str).collect();
    for paths in paths.chunks(PATHS) {
        tools.engine.remove_files(container, paths, as_root, LIMIT).await?;
    }
    let folders: Vec<&str> = files.folders.iter().map(String::as_str).collect();
    for folders in folders.chunks(PATHS) {
        tools.engine.remove_folders(container, folders, as_root, LIMIT).await?;
    }
    Ok(())
}

async fn exec(tools: &Tools, entry: &str, container: &str, steps: &Steps) -> Result<(), SyncError> {
    for hook in &steps.exec {
        let mut said = Vec::new();
        let how = match tools.engine.hook(container, hook, tools.settings.health_timeout, &mut said).await {
            Ok(0) => continue,
            Ok(code) => format!("ended with {code}: {}", said.join("; ")),
            Err(error) => error.to_string(),
        };
        let command = hook.command.join(" ");
        return Err(SyncError::Exec { service: entry.to_owned(), command, how });
    }
    Ok(())
}

/// The files as an archive, by their paths in the container. They are root's, readable by all, and as old as this.
async fn archive(folder: &Path, put: &BTreeMap<String, String>) -> Result<Bytes, SyncError> {
    let files: Vec<(String, PathBuf)> =
        put.iter().map(|(place, path)| (place.clone(), folder.join(path))).collect();
    let made = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(Vec::new());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        for (place, path) in &files {
            let mut add = || {
                let file = std::fs::File::open(path)?;
                let metadata = file.metadata()?;
                let mut header = tar::Header::new_gnu();
                header.set_size(metadata.len());
                header.set_mode(if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 });
                header.set_mtime(now.as_secs());
                header.set_uid(0);
                header.set_gid(0);
                archive.append_data(&mut header, place.trim_start_matches('/'), file)
            };
            add().map_err(|source| SyncError::Read { path: place.clone(), source })?;
        }
        archive.into_inner().map_err(|source| SyncError::Read { path: String::new(), source })
    });
    Ok(made.await.expect("writing an archive does not panic")?.into())
}

/// Restarts one container, and waits until it is ready. Answers when it was started, by Docker's clock.
async fn restart(
    tools: &Tools,
    prepared: &Prepared,
    running: &Running,
    entry: &str,
    seen: &Seen,
) -> Result<Option<i128>, DeployError> {
    let workspace = &seen.identity.workspace;
    // Until it is ready an end is a failure, and no reason for Docker to start it again.
    tools.engine.set_restart(&seen.id, Restart::No).await?;
    hooks::stop(tools, seen).await?;
    tools.engine.start(&seen.id).await?;
    let since = tools.engine.started_at(&seen.id).await?;
    // It may have another address now.
    refresh::refresh(tools, workspace).await?;
    let definition = &prepared.project.services[entry];
    hooks::after_start(tools, entry, &seen.id, &definition.post_start).await?;
    let (addresses, _) = tools.engine.addresses(&seen.id).await?;
    let slot = running.slot().unwrap_or(seen.identity.slot);
    // Without a network it listens, if at all, where only the host comes.
    let address = refresh::address(&addresses, slot).or(Some(Ipv4Addr::LOCALHOST));
    check::ready(
        tools,
        entry,
        &seen.id,
        address,
        &start::gate(prepared, entry),
        check::End::of(&seen.identity),
    )
    .await?;
    tools.engine.set_restart(&seen.id, seen.identity.restart_once_live()).await?;
    Ok(since)
}

fn deployed(
    tools: &Tools,
    job: &Job<'_>,
    live: &Live,
    source: &Source,
    work: Work,
    started: BTreeMap<String, Newcomer>,
    is_kept: bool,
) -> Deployed {
    let mut prepared = live.prepared.clone();
    let later = prepared.warnings.split_off(prepared.warnings_of_reading.min(prepared.warnings.len()));
    prepared.warnings_of_reading = work.read.warnings.len();
    prepared.warnings = work.read.warnings.into_iter().chain(later).collect();
    prepared.source = source.clone();
    prepared.release = job.manifest.digest();
    prepared.files.extend(work.read.files);
    let mut needs = live.needs.clone();
    // What containers mount is found out from them.
    needs.sources = vec![source.folder.clone()];
    let live_now = work.running.live;
    let completed = live_now.iter().filter(|(_, seen)| seen.condition == Condition::Completed);
    let completed = completed.map(|(entry, _)| entry.clone()).collect();
    let names = live_now.into_iter().map(|(entry, seen)| (entry, seen.name)).collect();
    Deployed {
        services: prepared.services(names, &completed),
        images: prepared.ran(),
        urls: switch::urls(&tools.settings, &prepared.routes),
        warnings: prepared.warnings.clone(),
        default_compose: prepared.default_compose.clone(),
        about: about::about(&prepared),
        source: source.clone(),
        retirement: Retirement::of(tools, job.workspace, Vec::new()),
        live: Live::of(job, &prepared, &needs),
        needs,
        started,
        is_kept,
    }
}
