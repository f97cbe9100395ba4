//! `cloudyknight down`: stops the platform and removes what it runs; with `--purge` also what it keeps.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudyknight_agent::engine::Engine;
use cloudyknight_agent::firewall::{self, NftError};
use rustix::process::{Signal, kill_process};
use serde::Serialize;
use utoipa::ToSchema;

use super::confirmed;
use crate::args::Listen;
use crate::backends::Store;
use crate::config::Config;
use crate::home::Home;
use crate::mount::{self, keeper};
use crate::output::{HINT, Output, WARNING};
use crate::processes;
use crate::roles::lock;
use crate::traefik;

/// In the order in which they are asked to stop: the supervisor stops the others.
const ROLES: [&str; 3] = ["run", "serve", "edge"];
/// For a process that nobody's lock tells of.
const ORPHAN_LIMIT: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What `down --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Stopped {
    version: u32,
    /// False when it did not run.
    stopped: bool,
    containers_removed: usize,
    /// Whether the data is deleted as well.
    purged: bool,
}

pub async fn run(home: &Home, purge: bool, yes: bool, output: Output) -> anyhow::Result<ExitCode> {
    let config = Config::load(home, &Listen::default())?;
    let engine = Engine::new(config.docker_host.clone(), home.platform());
    let docker = engine.ready().await;
    let volumes = match &docker {
        Ok(_) => engine.own_volumes().await?,
        Err(_) => Vec::new(),
    };
    if purge {
        let volumes = if volumes.is_empty() {
            "no volumes".to_owned()
        } else {
            format!("the volumes {}", volumes.join(", "))
        };
        let (folder, mut what) = (home.path().display(), purged(&config.store));
        match mount::only_here(home) {
            0 => {}
            count => what.push_str(&format!(
                "; what was written to the mounted folder and may be in no bucket, files: {count}"
            )),
        }
        let images = "the images made for workspaces";
        let question = format!("Delete {folder} ({what}), {volumes} and {images}?");
        if output.talks() {
            anstream::eprintln!("This deletes {folder}: {what}; {volumes}; and {images}.");
        }
        if !confirmed(&question, yes)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    let stopped = stop(home).await?;
    let unsent = mount::report(home)?.map_or(0, |report| report.unsent);
    let containers = match docker {
        Ok(_) => {
            let containers = clear(&engine, purge).await?;
            // Last: as long as a container is there, it is kept from what it may not reach.
            remove_firewall(engine.platform()).await;
            containers
        }
        Err(error) => {
            anstream::eprintln!(
                "{WARNING} Docker does not answer, so its containers were not looked at: {error}"
            );
            0
        }
    };
    // Whatever routes by them now would lead nowhere.
    cloudyknight_agent::traefik::forget(&traefik::dir(&config, home), &home.platform())?;
    remove_dir(&config.source_dir(home))?;
    if purge {
        remove_dir(home.path())?;
    }
    if output.is_json() {
        let stopped = Stopped { version: 1, stopped, containers_removed: containers, purged: purge };
        anstream::println!("{}", serde_json::to_string(&stopped)?);
    } else if output.talks() {
        let what = if stopped { "The platform is stopped" } else { "The platform did not run" };
        let data = if purge {
            "its data is deleted".to_owned()
        } else {
            format!("its data stays in {}", home.path().display())
        };
        anstream::println!("{what}; {containers} containers removed; {data}.");
    }
    if unsent > 0 && !purge {
        anstream::eprintln!("{WARNING} {unsent} files of the mounted folder could not be sent to the bucket");
        anstream::eprintln!("{HINT} they are sent when it is mounted again");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is in a home. Somebody else's store is not ours to delete.
fn purged(store: &Store) -> String {
    match store {
        Store::Embedded => "all buckets, releases, credentials and logs".to_owned(),
        Store::S3(endpoint) => format!("credentials, queues and logs; the buckets at {} stay", endpoint.url),
    }
}

/// Asks every process of the platform to stop, and ends those that do not. The mounted folder goes first, as long as
/// there is a store to send to.
pub async fn stop(home: &Home) -> anyhow::Result<bool> {
    let mut any = stop_roles(home, &ROLES[..1]).await?;
    keeper::stop(home).await?;
    any |= stop_roles(home, &ROLES[1..]).await?;
    any |= stop_orphans(home).await?;
    Ok(any)
}

/// What runs without a lock that tells of it: the folder that it lay in is lost, or was not ours to read.
async fn stop_orphans(home: &Home) -> anyhow::Result<bool> {
    let give_up = Instant::now() + ORPHAN_LIMIT;
    let mut asked: Vec<processes::Process> = Vec::new();
    loop {
        let left = processes::of(home);
        if left.is_empty() {
            // A keeper among them may have ended before it unmounted.
            crate::roles::mount::clear(home, &mount::device(home))?;
            return Ok(!asked.is_empty());
        }
        for process in left {
            let late = Instant::now() >= give_up;
            if !asked.contains(&process) || late {
                match kill_process(process.id, if late { Signal::KILL } else { Signal::TERM }) {
                    Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                    Err(error) => {
                        return Err(error)
                            .with_context(|| format!("could not stop the process `{}`", process.does));
                    }
                }
                asked.push(process);
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn stop_roles(home: &Home, roles: &[&str]) -> anyhow::Result<bool> {
    let mut any = false;
    for &role in roles {
        let give_up = Instant::now() + LIMIT;
        let mut asked = false;
        while let Some(process) = lock::holder(home, role)? {
            any = true;
            if !asked || Instant::now() >= give_up {
                let signal = if asked { Signal::KILL } else { Signal::TERM };
                match kill_process(process, signal) {
                    Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                    Err(error) => {
                        return Err(error).with_context(|| format!("could not stop the process `{role}`"));
                    }
                }
                asked = true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(any)
}

/// Removes our containers and networks; with `purge` also volumes and images made for workspaces.
async fn clear(engine: &Engine, purge: bool) -> anyhow::Result<usize> {
    let removed = engine.remove_all_containers().await?;
    for network in engine.networks(None).await? {
        remove_network(engine, &network).await?;
    }
    if purge {
        for volume in engine.own_volumes().await? {
            engine.remove_volume(&volume).await?;
        }
        for image in engine.own_images(None).await? {
            engine.remove_image(&image.name).await?;
        }
    }
    Ok(removed)
}

/// The step of a build that was just cut off holds its network for a moment longer: that is Docker's to take away.
async fn remove_network(engine: &Engine, network: &str) -> anyhow::Result<()> {
    let give_up = Instant::now() + LIMIT;
    loop {
        match engine.remove_network(network).await {
            Err(error) if error.is_in_use() && Instant::now() < give_up => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            removed => return Ok(removed?),
        }
    }
}

async fn remove_firewall(platform: &str) {
    match firewall::remove(platform).await {
        // Without the program there never were rules.
        Ok(()) | Err(NftError::Missing) => {}
        Err(error) => {
            anstream::eprintln!(
                "{WARNING} the firewall could not be removed: {error}\n{HINT} {}",
                error.hint()
            );
        }
    }
}

fn remove_dir(path: &std::path::Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not delete {}", path.display()))
        }
        _ => Ok(()),
    }
}
