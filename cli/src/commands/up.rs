//! `cloudyknight up`: starts the platform in the background, and returns when it answers.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudyknight_agent::edge_link::EdgeKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::args::Listen;
use crate::backends::Store;
use crate::client::Client;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::{Endpoints, Failure, Home};
use crate::mount::keeper;
use crate::output::{HINT, Output, WARNING};
use crate::roles::lock;

const LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A log that has grown larger is kept once as `….1` and begun anew.
const LOG_LIMIT: u64 = 32 * 1024 * 1024;

/// What `up --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Started {
    version: u32,
    /// False when it ran already.
    started: bool,
    endpoints: Endpoints,
}

pub async fn run(home: &Home, listen: &Listen, output: Output) -> anyhow::Result<ExitCode> {
    // Wrong settings are told here, and not in a log.
    let config = Config::load(home, listen)?;
    config.s3_address()?;
    config.api_address()?;
    home.make()?;
    config.agent(home)?;
    let ran_before = lock::holder(home, "run")?.is_some();
    if !ran_before {
        // A process whose supervisor died works on, and what it said of itself is still true.
        if lock::holder(home, "serve")?.is_none() {
            match std::fs::remove_file(home.run("endpoints.json")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        home.forget_failure()?;
        keeper::forget_the_last(home)?;
        start(home, listen)?;
    }
    let (endpoints, platform) = match ready(home, &config).await {
        Ok(ready) => ready,
        Err(error) if ran_before || !error.is::<CannotBegin>() => return Err(error),
        Err(error) => {
            // It would go on trying, and whoever asked for it is here and knows what to do.
            super::down::stop(home).await?;
            let failure = error.downcast::<CannotBegin>()?.0;
            return Err(hinted(failure.message, failure.hint));
        }
    };
    warn(&platform);
    super::mount::again(home).await;
    if output.is_json() {
        let started = Started { version: 1, started: !ran_before, endpoints };
        anstream::println!("{}", serde_json::to_string(&started)?);
    } else if output.talks() {
        let how = if ran_before { "already runs" } else { "runs" };
        anstream::println!(
            "The platform {how}: apps at {}, S3 at {}, API at {}",
            endpoints.edge,
            endpoints.s3,
            endpoints.api
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn start(home: &Home, listen: &Listen) -> anyhow::Result<()> {
    let log = open_log(&home.log("platform"))?;
    let program = std::env::current_exe().context("could not find our own program")?;
    let mut command = Command::new(program);
    command.arg("run").args(super::passed_on(home, listen));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // Its own process group: an interrupt typed at the terminal is not for the platform.
    command.process_group(0).current_dir("/");
    command.spawn().context("could not start the platform")?;
    Ok(())
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let log = OpenOptions::new().create(true).append(true).open(path);
    log.with_context(|| format!("could not open the log {}", path.display()))
}

/// The platform said why it cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct CannotBegin(Failure);

/// What does not answer yet, and will be tried on: the platform is up without it.
fn warn(platform: &Value) {
    for part in ["docker", "edge", "bucket", "platform_bucket", "commands"] {
        let text = |field| platform.pointer(&format!("/{part}/{field}")).and_then(Value::as_str);
        if let Some(message) = text("message") {
            anstream::eprintln!("{WARNING} {part}: {message}");
            anstream::eprintln!(
                "{HINT} {}",
                text("hint").unwrap_or("`cloudyknight doctor` looks for the reason")
            );
        }
    }
}

/// Waits until every part of our own answers, and tells what the platform then says of itself.
async fn ready(home: &Home, config: &Config) -> anyhow::Result<(Endpoints, Value)> {
    let serves_s3 = config.store == Store::Embedded;
    // A Traefik is not ours to start, and need not be there yet.
    let has_edge = config.edge == EdgeKind::Embedded;
    let give_up = Instant::now() + LIMIT;
    let began = Instant::now();
    loop {
        if let Some(endpoints) = home.endpoints()?
            && (!serves_s3 || answers(&endpoints.s3).await)
            && let Ok(platform) = Client::of(home)?.get::<Value>("/api/v1/platform").await
            && (!has_edge || platform.pointer("/edge/ok") == Some(&Value::Bool(true)))
        {
            return Ok((endpoints, platform));
        }
        if let Some(failure) = home.failure()? {
            return Err(CannotBegin(failure).into());
        }
        let gone = began.elapsed() > Duration::from_secs(1) && lock::holder(home, "run")?.is_none();
        if gone || Instant::now() >= give_up {
            let log = home.log("platform");
            let end = std::fs::read_to_string(&log).unwrap_or_default();
            let end: Vec<&str> = end.lines().rev().take(8).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            let what = if gone {
                "ended at once".to_owned()
            } else {
                format!("does not answer after {} s", LIMIT.as_secs())
            };
            let message = format!("the platform {what}; the end of its log:\n  {}", end.join("\n  "));
            let go_on = if gone { "" } else { "; it goes on trying, and `cloudyknight down` stops it" };
            return Err(hinted(message, format!("the whole log is {}{go_on}", log.display())));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn answers(url: &str) -> bool {
    let Some(address) = url.strip_prefix("http://") else { return false };
    tokio::net::TcpStream::connect(address).await.is_ok()
}
