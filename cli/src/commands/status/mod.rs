//! `cloudyknight status`: all workspaces in a table, or one with everything known about it.

use std::process::ExitCode;

use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::status::WorkspaceStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::client::{Client, segment};
use crate::home::Home;
use crate::mount::{self, Report, State};
use crate::output::{HINT, Output, WARNING};
use crate::pages::Paged;
use crate::show;

pub mod watch;

/// What the API answers for all of them.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Workspaces {
    pub workspaces: Vec<WorkspaceStatus>,
    /// What lies in the bucket as if it were a workspace, and can be none.
    pub invalid: Vec<Invalid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Part>,
    /// What was given up on.
    #[serde(default)]
    pub dead_letters: Vec<DeadLetter>,
    /// Where the workspaces are mounted on this machine: not said by the API, which knows nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<Report>,
    /// Where the next page begins; all pages are put together here.
    #[serde(default, skip_serializing)]
    next: Option<String>,
}

impl Workspaces {
    /// All of them, however many pages that takes.
    pub async fn of(client: &Client) -> anyhow::Result<Self> {
        client.all("/api/v1/workspaces").await
    }
}

impl Paged for Workspaces {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.workspaces.extend(page.workspaces);
    }
}

/// What `status NAME --json` prints: the status, and what was given up on.
#[derive(Serialize, ToSchema)]
pub struct WorkspaceDetails {
    #[serde(flatten)]
    status: WorkspaceStatus,
    /// Messages about this workspace that were given up on; none also where that cannot be found out.
    dead_letters: Vec<DeadLetter>,
}

#[derive(Deserialize)]
struct DeadLetters {
    dead_letters: Vec<DeadLetter>,
    next: Option<String>,
}

impl Paged for DeadLetters {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.dead_letters.extend(page.dead_letters);
    }
}

/// Whether a part of the platform answers.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Part {
    pub ok: bool,
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
pub struct Invalid {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// By its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    pub message: String,
    pub hint: String,
}

pub async fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let Some(name) = name else {
        let mut all = Workspaces::of(&client).await?;
        all.mount = if home.elsewhere().is_none() { mount::now(home)? } else { None };
        if output.is_json() {
            anstream::println!("{}", serde_json::to_string(&all)?);
        } else {
            print(&all);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let status: WorkspaceStatus = client.get(&format!("/api/v1/workspaces/{}", segment(name))).await?;
    // What runs is told also while the platform's own bucket does not answer.
    let letters: anyhow::Result<DeadLetters> =
        client.all(&format!("/api/v1/dead-letters?workspace={}", segment(name))).await;
    let dead_letters = letters.map(|told| told.dead_letters).unwrap_or_default();
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&WorkspaceDetails { status, dead_letters })?);
    } else {
        anstream::print!("{}", show::details(&status));
        dead_letters.iter().for_each(print_letter);
    }
    Ok(ExitCode::SUCCESS)
}

pub fn print(all: &Workspaces) {
    if let Some(Part { ok: false, message: Some(message), hint }) = &all.bucket {
        anstream::eprintln!("{WARNING} the bucket cannot be listed, and what runs serves on: {message}");
        anstream::eprintln!(
            "{HINT} {}",
            hint.as_deref().unwrap_or("`cloudyknight doctor` looks for the reason")
        );
    }
    if let Some(Part { ok: false, message: Some(message), hint }) = &all.firewall {
        anstream::eprintln!("{WARNING} {message}");
        if let Some(hint) = hint {
            anstream::eprintln!("{HINT} {hint}");
        }
    }
    match &all.mount {
        Some(Report { state: State::Mounted, dir, .. }) => {
            anstream::println!("Mounted at {}\n", dir.display());
        }
        Some(Report { dir, message, .. }) => {
            let why = message.as_deref().unwrap_or("it does not answer yet");
            anstream::eprintln!("{WARNING} the workspaces are not mounted at {}: {why}", dir.display());
        }
        None => {}
    }
    if all.workspaces.is_empty() {
        anstream::println!(
            "There is no workspace yet. A folder that is copied to s3://workspaces/NAME becomes one."
        );
    } else {
        anstream::print!("{}", show::table(&all.workspaces));
    }
    for invalid in &all.invalid {
        let what = match (&invalid.folder, &invalid.archive) {
            (Some(folder), _) => format!("the folder {folder:?} is no workspace"),
            (_, archive) => {
                format!("the archive {:?} is of no workspace", archive.as_deref().unwrap_or_default())
            }
        };
        anstream::eprintln!("\n{WARNING} {what}: {}", invalid.message);
        anstream::eprintln!("{HINT} {}", invalid.hint);
    }
    all.dead_letters.iter().for_each(print_letter);
}

fn print_letter(letter: &DeadLetter) {
    let DeadLetter { at, queue, reason, .. } = letter;
    let names: Vec<_> = letter.workspaces.iter().map(|name| format!("`{name}`")).collect();
    let whose = if names.is_empty() { String::new() } else { format!(" about {}", names.join(", ")) };
    anstream::eprintln!("\n{WARNING} a message{whose} was given up on, found on {queue} at {at}: {reason}");
    anstream::eprintln!("{HINT} when that is dealt with, delete `{}` in the platform bucket", letter.key());
}
