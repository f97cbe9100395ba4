//! `cloudyknight doctor`: looks at everything the platform needs, and says what to do about what is missing.

use std::process::ExitCode;
use std::time::Duration;

use cloudyknight_store::aws::{ConnectSettings, Patience};
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::Listen;
use crate::config::Config;
use crate::errors;
use crate::home::Home;
use crate::output::{HINT, Output};

mod host;
mod mount;
mod platform;
mod queues;
mod store;
mod traefik;

/// What `doctor --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Diagnosis {
    version: u32,
    /// Whether nothing is wrong.
    ok: bool,
    findings: Vec<Finding>,
}

#[derive(Serialize, ToSchema)]
struct Finding {
    check: &'static str,
    /// Nothing is known to be wrong.
    ok: bool,
    /// Whether it could be looked at.
    checked: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What was found so far. Each is printed as it comes: some take their time.
struct Findings {
    found: Vec<Finding>,
    output: Output,
}

impl Findings {
    fn push(&mut self, finding: Finding) {
        if self.output.talks() || (self.output == Output::Quiet && !finding.ok) {
            let mark = match (finding.ok, finding.checked, &finding.hint) {
                (false, ..) => "\u{1b}[1;31mWRONG\u{1b}[0m",
                (true, false, _) => "\u{1b}[33m?\u{1b}[0m    ",
                (true, true, None) => "\u{1b}[32mok\u{1b}[0m   ",
                (true, true, Some(_)) => "\u{1b}[33mnote\u{1b}[0m ",
            };
            let unchecked = if finding.checked { "" } else { "not checked: " };
            anstream::println!("{mark} {}: {unchecked}{}", finding.check, finding.message);
            if let Some(hint) = &finding.hint {
                anstream::println!("      {HINT} {hint}");
            }
        }
        self.found.push(finding);
    }

    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

pub async fn run(home: &Home, output: Output) -> anyhow::Result<ExitCode> {
    let mut findings = Findings { found: Vec::new(), output };
    match home.elsewhere() {
        Some(address) => from_elsewhere(home, &address, &mut findings).await,
        None => here(home, &mut findings).await,
    }
    let well = findings.found.iter().all(|finding| finding.ok);
    if output.is_json() {
        let diagnosis = Diagnosis { version: 1, ok: well, findings: findings.found };
        anstream::println!("{}", serde_json::to_string(&diagnosis)?);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing of this machine is that platform's: what its API tells is all that can be known.
async fn from_elsewhere(home: &Home, address: &str, findings: &mut Findings) {
    findings.push(noted(
        "where",
        format!("CLOUDYKNIGHT_API names the platform at {address}, and this is what its API tells"),
        "`cloudyknight doctor` on its own machine also looks at settings, store, queues, Docker and the mounted folder",
    ));
    platform::platform(home, findings).await;
}

async fn here(home: &Home, findings: &mut Findings) {
    let config = Config::load(home, &Listen::default());
    findings.push(match &config {
        Ok(_) => fine("settings", format!("{} is well formed or absent", home.config().display())),
        Err(error) => {
            let hint = errors::hint(error).unwrap_or_else(|| "correct the file".to_owned());
            wrong("settings", errors::sentence(error), hint)
        }
    });
    // Without settings nobody knows which store and which queues are meant.
    if let Ok(config) = &config {
        store::look(home, config, findings).await;
        queues::look(config, findings).await;
    }
    let config = config.unwrap_or_default();
    host::docker(&config, home, findings).await;
    host::source_dir(&config, findings);
    traefik::look(home, &config, findings).await;
    mount::look(home, &config, findings);
    platform::platform(home, findings).await;
}

/// Whoever asks what is wrong does not want to wait for it as long as the platform would.
fn quickly(settings: ConnectSettings) -> ConnectSettings {
    let patience = Patience { attempt: Duration::from_secs(5), attempts: 2, ..Patience::default() };
    ConnectSettings { patience, ..settings }
}

/// Something that does not work, with what is known of the reason.
fn broken(check: &'static str, error: anyhow::Error, else_hint: &str) -> Finding {
    let hint = errors::hint(&error).unwrap_or_else(|| else_hint.to_owned());
    wrong(check, errors::sentence(&error), hint)
}

/// Something that could not be looked at, and need not be: an agent's own identity may do little more than its work.
fn unknown(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { checked: false, ..fine(check, message) }
}

fn fine(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, ok: true, checked: true, message: message.into(), hint: None }
}

/// Something that works, and that somebody should look at.
fn noted(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { hint: Some(hint.into()), ..fine(check, message) }
}

fn wrong(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { ok: false, ..noted(check, message, hint) }
}
