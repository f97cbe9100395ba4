//! `cloudyknight mount`: the workspaces bucket as a folder of this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::Listen;
use crate::config::Config;
use crate::errors::{self, hinted};
use crate::home::Home;
use crate::mount::{self, Report, State, keeper, point, program};
use crate::output::{HINT, Output, WARNING};
use crate::roles;

/// What `mount --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Mounted {
    version: u32,
    /// False when it was mounted already.
    started: bool,
    mount: Report,
}

pub async fn run(
    home: &Home,
    dir: Option<PathBuf>,
    foreground: bool,
    output: Output,
) -> anyhow::Result<ExitCode> {
    home.must_be_here("its workspaces are mounted on its own machine")?;
    let config = Config::load(home, &Listen::default())?;
    // Told here, and not in a log.
    crate::s3::running(home)?;
    program::fuse_device()?;
    program::fusermount()?;
    program::find(home, &config)?;
    let wished = mount::wish(home)?.map(|wish| wish.dir);
    let asked = dir.is_some();
    let dir = dir.or_else(|| wished.clone()).or_else(mount::default_dir);
    let dir = std::path::absolute(dir.context("name the folder to mount at")?)?;
    let kept = mount::now(home)?;
    if let Some(Report { dir: other, .. }) = kept.as_ref().filter(|kept| asked && kept.dir != dir) {
        let message = format!("the workspaces are mounted at {} already", other.display());
        return Err(hinted(message, "`cloudyknight unmount` first: a platform has one mounted folder"));
    }
    let ran_before = kept.is_some_and(|kept| kept.state == State::Mounted);
    if !ran_before {
        if !point::of_device(&mount::device(home))?.contains(&dir) {
            point::prepare(&dir)?;
        }
        if foreground {
            roles::log::to_stderr();
            let result = roles::mount::run(home.clone(), config, dir).await;
            return Ok(super::role(result));
        }
        keeper::keep_wish(home, &dir)?;
        if roles::lock::holder(home, mount::ROLE)?.is_none() {
            let program = std::env::current_exe().context("could not find our own program")?;
            keeper::start(home, &program, &dir)?;
        }
    }
    let report = match keeper::ready(home).await {
        Ok(report) => report,
        Err(error) => {
            // What never was mounted is not to come back with the platform.
            keeper::drop_wish(home)?;
            keeper::stop(home).await?;
            return Err(error);
        }
    };
    if output.is_json() {
        let mounted = Mounted { version: 1, started: !ran_before, mount: report };
        anstream::println!("{}", serde_json::to_string(&mounted)?);
    } else if output.talks() {
        let how = if ran_before { "are mounted already" } else { "are mounted" };
        anstream::println!("The workspaces {how} at {}", report.dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The process that keeps it.
pub async fn keep(home: Home, dir: PathBuf) -> anyhow::Result<ExitCode> {
    roles::log::to_stderr();
    let config = Config::load(&home, &Listen::default())?;
    Ok(super::role(roles::mount::run(home, config, dir).await))
}

/// Brings back what was mounted when the platform was stopped. It is no part of the platform, so that it cannot keep it
/// from starting.
pub async fn again(home: &Home) {
    let wished = match mount::wish(home) {
        Ok(None) => return,
        Ok(Some(_)) => keeper::ready(home).await,
        Err(error) => Err(error),
    };
    if let Err(error) = wished {
        anstream::eprintln!("{WARNING} the workspaces are not mounted: {}", errors::sentence(&error));
        if let Some(hint) = errors::hint(&error) {
            anstream::eprintln!("{HINT} {hint}");
        }
    }
}
