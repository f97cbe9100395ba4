//! `cloudyknight wait`: until what the bucket holds is live or has failed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use cloudyknight_core::status::{Outcome, State, WorkspaceStatus};
use serde::Deserialize;

use crate::args::Listen;
use crate::client::{Client, segment};
use crate::config::Config;
use crate::errors::{hinted, timed_out};
use crate::home::Home;
use crate::output::Output;
use crate::show;

#[derive(Deserialize)]
struct Waited {
    done: bool,
    status: Option<WorkspaceStatus>,
}

/// One request waits at most this long, in seconds.
const ONE_REQUEST: u64 = 30;

pub async fn run(
    home: &Home,
    name: &str,
    release: Option<&str>,
    timeout: u64,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    match wait(&client, name, release, timeout).await? {
        Some(status) => tell_of(&status, release, output),
        None => Err(timed_out(
            format!("`{name}` was neither live nor failed after {timeout} s"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        )),
    }
}

/// The status at the end; `None` when the time was over first.
pub async fn wait(
    client: &Client,
    name: &str,
    release: Option<&str>,
    timeout: u64,
) -> anyhow::Result<Option<WorkspaceStatus>> {
    let give_up = Instant::now() + Duration::from_secs(timeout);
    let release = release.map(|release| format!("&release={}", segment(release))).unwrap_or_default();
    loop {
        let rest = give_up.saturating_duration_since(Instant::now()).as_secs().min(ONE_REQUEST);
        let path = format!("/api/v1/workspaces/{}/wait?timeout={rest}{release}", segment(name));
        let waited: Waited = client.get(&path).await?;
        match waited.status {
            Some(status) if waited.done => return Ok(Some(status)),
            None if waited.done => {
                return Err(hinted("the platform answered without a status", "is it another version?"));
            }
            _ if Instant::now() >= give_up => return Ok(None),
            _ => {}
        }
    }
}

/// Has the agent look now where no notification may come: it would wait for the next sweep.
pub async fn hurry(home: &Home, client: &Client, name: &str) -> anyhow::Result<()> {
    if home.elsewhere().is_some() {
        return Ok(());
    }
    let told = Config::load(home, &Listen::default())?.is_told();
    if !told {
        client.post(&format!("/api/v1/workspaces/{}/reconcile", segment(name))).await?;
    }
    Ok(())
}

/// Prints how it ended; the exit code tells the same.
pub fn tell(status: &WorkspaceStatus, output: Output) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(status)?);
    }
    let outcome = status.deployment.as_ref().map(|deployment| &deployment.outcome);
    let trouble = match outcome {
        _ if !matches!(status.state, State::Degraded | State::Failed) => None,
        Some(Outcome::Failed(failure)) => Some(show::failed(status, failure)),
        Some(Outcome::Cancelled) => Some(show::cancelled(status)),
        _ => None,
    };
    if let Some(trouble) = trouble {
        if !output.is_json() {
            anstream::eprint!("{trouble}");
        }
        return Ok(ExitCode::FAILURE);
    }
    if output.talks() {
        let url = status.urls.first().map(|url| format!(" at {url}")).unwrap_or_default();
        match status.state {
            State::Live if waits_for_commit(status) => {
                anstream::println!("{} serves what was committed last{url}", status.workspace);
            }
            state => anstream::println!("{} is {}{url}", status.workspace, show::coloured(state)),
        }
        anstream::eprint!("{}", show::held(status));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether what the bucket holds is not deployed for the one reason that nobody has committed it.
pub fn waits_for_commit(status: &WorkspaceStatus) -> bool {
    status.uncommitted.is_some() && status.pinned.is_none() && status.state != State::Stopped
}

/// The same of one release that was asked for, which may not be what is to run.
fn tell_of(status: &WorkspaceStatus, release: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let is_held_back = release.is_some() && status.held_back.as_ref().map(|held| held.as_str()) == release;
    let code = tell(status, output)?;
    Ok(if is_held_back { ExitCode::FAILURE } else { code })
}
