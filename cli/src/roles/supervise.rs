//! `cloudyknight run`: keeps the processes of the platform alive: two, or one where a Traefik is the edge. Either may die
//! and is started again without the other noticing more than a pause.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudyknight_agent::edge_link::EdgeKind;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::EXIT_SETTINGS;
use super::lock::RoleLock;
use crate::errors::hinted;
use crate::home::Home;
use crate::mount::keeper;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran this long was well: the pause starts small again.
const WELL: Duration = Duration::from_secs(60);
/// How often it is looked whether the mounted folder that somebody wants has a keeper.
const MOUNT_LOOK: Duration = Duration::from_millis(500);
const STOP_LIMIT: Duration = Duration::from_secs(45);

pub async fn run(home: Home, edge: EdgeKind, arguments: Vec<String>) -> anyhow::Result<()> {
    home.make()?;
    let _lock = RoleLock::take(&home, "run").await?;
    // Asked for once: after an upgrade the path leads to the new program, but Linux would name the old one.
    let program = std::env::current_exe().context("could not find our own program")?;
    let shutdown = CancellationToken::new();
    let leave = CancellationToken::new();
    let mount = tokio::spawn(mount_if_wished(home.clone(), program.clone(), shutdown.clone()));
    let mut keepers = tokio::task::JoinSet::new();
    for role in roles(edge) {
        keepers.spawn(keep(role, program.clone(), arguments.clone(), leave.clone()));
    }
    let result = tokio::select! {
        result = super::asked_to_stop() => result,
        // A keeper ends by itself only when its role cannot work with these settings.
        ended = keepers.join_next() => ended.context("there are keepers")?.context("a keeper panicked")?,
    };
    shutdown.cancel();
    // First: what was written to the folder may still have to go to the store.
    if let Err(error) = mount.await.context("what brings the mount back panicked").and_then(|ended| ended) {
        tracing::warn!(error = format!("{error:#}"), "the mounted folder may be left behind");
    }
    leave.cancel();
    while let Some(ended) = keepers.join_next().await {
        ended.context("a keeper panicked")??;
    }
    result
}

/// Brings the mounted folder back that somebody wanted, also when its keeper was ended; and stops it at the end. The keeper
/// is no child of ours: whoever mounts starts it as well.
async fn mount_if_wished(home: Home, program: PathBuf, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut pause = MOUNT_LOOK;
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match keeper::bring_back(&home, &program) {
            // One that cannot work needs somebody who acts, and is tried at a pace that disturbs nobody.
            Ok(true) => pause = (pause * 2).min(LONGEST_PAUSE),
            Ok(false) => pause = MOUNT_LOOK,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "could not bring the mounted folder back")
            }
        }
    }
    keeper::stop(&home).await
}

/// The processes of the platform. A Traefik is the operator's to start.
fn roles(edge: EdgeKind) -> &'static [&'static str] {
    match edge {
        EdgeKind::Embedded => &["serve", "edge"],
        EdgeKind::Traefik => &["serve"],
    }
}

/// Starts a role again and again until it is time to stop.
async fn keep(
    role: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    // Settings that have worked are not what is wrong now: another program may hold our port for a moment.
    let mut was_well = false;
    loop {
        let began = Instant::now();
        match start(role, &program, &arguments) {
            Ok(mut child) => tokio::select! {
                status = child.wait() => {
                    let status = status.with_context(|| format!("could not wait for the process `{role}`"))?;
                    if status.code() == Some(i32::from(EXIT_SETTINGS)) && !was_well {
                        let message = format!("the process `{role}` cannot work with these settings");
                        return Err(hinted(message, "what it said last, above, tells why"));
                    }
                    tracing::warn!(role, %status, again_in_ms = pause.as_millis() as u64, "a process ended");
                }
                () = shutdown.cancelled() => return end(role, child).await,
            },
            // The program is just being replaced, or the machine is out of something.
            Err(error) => {
                tracing::warn!(role, error = format!("{error:#}"), "a process could not be started")
            }
        }
        was_well |= began.elapsed() >= WELL;
        pause = if began.elapsed() >= WELL { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

fn start(role: &str, program: &Path, arguments: &[String]) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.arg(role).args(arguments).stdin(Stdio::null());
    // Its own group: a terminal's interrupt goes to the supervisor, which stops its processes in order.
    command.process_group(0);
    command.spawn().with_context(|| format!("could not start the process `{role}`"))
}

async fn end(role: &str, mut child: Child) -> anyhow::Result<()> {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
        kill_process(pid, Signal::TERM).with_context(|| format!("could not stop the process `{role}`"))?;
    }
    if tokio::time::timeout(STOP_LIMIT, child.wait()).await.is_err() {
        tracing::warn!(role, "did not stop when asked and is ended");
        child.kill().await.with_context(|| format!("could not end the process `{role}`"))?;
    }
    Ok(())
}
