//! Starting and stopping the keeper: by whoever mounts, and by the platform when it starts and ends.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Signal, kill_process};

use super::{Files, ROLE, Report, State, Wish, report, wish};
use crate::errors::hinted;
use crate::home::Home;
use crate::roles::lock;

/// Longer than a keeper needs to send what was written.
const STOP: Duration = Duration::from_secs(40);
/// Longer than it waits for its mount to answer.
const START: Duration = Duration::from_secs(45);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Starts a keeper by itself: it goes on when whoever started it has ended.
pub fn start(home: &Home, program: &Path, dir: &Path) -> anyhow::Result<()> {
    forget_the_last(home)?;
    let log = home.log(ROLE);
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("could not open {}", log.display()))?;
    let mut command = Command::new(program);
    command.arg("mount-keeper").arg("--home").arg(home.path()).arg("--").arg(dir);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.process_group(0).current_dir("/");
    command.spawn().context("could not start the keeper of the mount")?;
    Ok(())
}

/// What a keeper said that is gone is true no more.
pub fn forget_the_last(home: &Home) -> anyhow::Result<()> {
    if lock::holder(home, ROLE)?.is_some() { Ok(()) } else { remove(&Files(home).report()) }
}

/// Starts a keeper if a mount is wished for and nobody keeps it. Answers whether it did.
pub fn bring_back(home: &Home, program: &Path) -> anyhow::Result<bool> {
    let Some(Wish { dir }) = wish(home)? else { return Ok(false) };
    if lock::holder(home, ROLE)?.is_some() || home.endpoints()?.is_none() {
        return Ok(false);
    }
    start(home, program, &dir)?;
    Ok(true)
}

/// Waits until what the keeper keeps answers.
pub async fn ready(home: &Home) -> anyhow::Result<Report> {
    let give_up = Instant::now() + START;
    loop {
        match report(home)? {
            Some(report) if report.state == State::Mounted => return Ok(report),
            Some(Report { state: State::Failed, message: Some(message), hint, .. }) => {
                let log = format!("its log is {}", home.log(ROLE).display());
                return Err(hinted(message, hint.unwrap_or(log)));
            }
            _ if Instant::now() >= give_up => {
                let message = format!("the mount does not answer after {} s", START.as_secs());
                return Err(hinted(message, format!("its log is {}", home.log(ROLE).display())));
            }
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Asks the keeper to unmount, and waits until it has; ends it if it does not.
pub async fn stop(home: &Home) -> anyhow::Result<()> {
    let give_up = Instant::now() + STOP;
    let mut asked = false;
    while let Some(process) = lock::holder(home, ROLE)? {
        let late = Instant::now() >= give_up;
        if !asked || late {
            match kill_process(process, if late { Signal::KILL } else { Signal::TERM }) {
                Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                Err(error) => return Err(error).context("could not stop the keeper of the mount"),
            }
            asked = true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // What a keeper that was killed has left.
    crate::roles::mount::clear(home, &super::device(home))
}

pub fn keep_wish(home: &Home, dir: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(&Wish { dir: dir.to_owned() })?;
    crate::home::write_private(&Files(home).wish(), &text)
}

pub fn drop_wish(home: &Home) -> anyhow::Result<()> {
    remove(&Files(home).wish())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not delete {}", path.display()))
        }
        _ => Ok(()),
    }
}
