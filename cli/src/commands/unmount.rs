//! `cloudyknight unmount`: takes the mounted folder away, once all that was written to it is in the bucket.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::hinted;
use crate::home::Home;
use crate::mount::{self, keeper, point};
use crate::output::{HINT, Output, WARNING};

/// What `unmount --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Unmounted {
    version: u32,
    /// False when nothing was mounted.
    unmounted: bool,
    dir: Option<String>,
    /// Files that are not in the bucket yet; they are sent at the next mount.
    unsent: usize,
}

pub async fn run(home: &Home, dir: Option<PathBuf>, lazy: bool, output: Output) -> anyhow::Result<ExitCode> {
    let kept = mount::now(home)?.map(|report| report.dir);
    let left = point::of_device(&mount::device(home))?;
    let known = kept.or_else(|| left.first().cloned()).or(mount::wish(home)?.map(|wish| wish.dir));
    if let Some(dir) = dir {
        let dir = std::path::absolute(dir)?;
        if known.as_ref() != Some(&dir) {
            let message = format!("no workspaces of this platform are mounted at {}", dir.display());
            let hint = match &known {
                Some(known) => format!("they are mounted at {}", known.display()),
                None => "`cloudyknight doctor` tells what is mounted".to_owned(),
            };
            return Err(hinted(message, hint));
        }
    }
    let Some(dir) = known else {
        tell(output, None, 0);
        return Ok(ExitCode::SUCCESS);
    };
    if !lazy {
        refuse_if_used(&dir)?;
    }
    keeper::drop_wish(home)?;
    keeper::stop(home).await?;
    let unsent = mount::report(home)?.map_or(0, |report| report.unsent);
    tell(output, Some(&dir), unsent);
    Ok(ExitCode::SUCCESS)
}

fn refuse_if_used(dir: &std::path::Path) -> anyhow::Result<()> {
    let users = point::users(dir);
    if users.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = users.iter().take(5).map(|(id, name)| format!("{name} ({id})")).collect();
    let more = if users.len() > names.len() { " and others" } else { "" };
    let message = format!("{} is in use by {}{more}", dir.display(), names.join(", "));
    Err(hinted(
        message,
        "leave the folder and close its files; or --lazy, which lets them go on with what they have",
    ))
}

fn tell(output: Output, dir: Option<&std::path::Path>, unsent: usize) {
    if output.is_json() {
        let dir = dir.map(|dir| dir.display().to_string());
        let told = Unmounted { version: 1, unmounted: dir.is_some(), dir, unsent };
        anstream::println!("{}", serde_json::to_string(&told).expect("it is plain data"));
        return;
    }
    match dir {
        _ if !output.talks() => {}
        Some(dir) => anstream::println!("{} is unmounted", dir.display()),
        None => anstream::println!("Nothing was mounted"),
    }
    if unsent > 0 {
        anstream::eprintln!(
            "{WARNING} {unsent} files could not be sent to the bucket, and lie on this machine only"
        );
        anstream::eprintln!(
            "{HINT} they are sent when it is mounted again; `cloudyknight doctor` looks for the reason"
        );
    }
}
