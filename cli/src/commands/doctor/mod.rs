//! `cloudyknight doctor`: looks at everything the platform needs, and says what to do about what is missing.

use std::process::ExitCode;

use serde::Serialize;

use crate::args::Listen;
use crate::config::Config;
use crate::errors;
use crate::home::Home;

mod host;
mod platform;
mod queues;
mod store;

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub async fn run(home: &Home, json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let config = Config::load(home, &Listen::default());
    findings.push(match &config {
        Ok(_) => fine("settings", format!("{} is well formed or absent", home.config().display())),
        Err(error) => wrong("settings", format!("{error:#}"), "correct the file"),
    });
    // Without settings nobody knows which store and which queues are meant.
    if let Ok(config) = &config {
        store::look(home, config, &mut findings).await;
        queues::look(config, &mut findings).await;
    }
    let config = config.unwrap_or_default();
    host::docker(&config, home, &mut findings).await;
    host::source_dir(&config, &mut findings);
    platform::platform(home, &mut findings).await;

    let well = findings.iter().all(|finding| finding.ok);
    if json {
        anstream::println!("{}", serde_json::json!({ "ok": well, "findings": findings }));
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok   " } else { "WRONG" };
            anstream::println!("{mark} {}: {}", finding.check, finding.message);
            if let Some(hint) = &finding.hint {
                anstream::println!("      hint: {hint}");
            }
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Something that does not work, with what is known of the reason.
fn broken(check: &'static str, error: anyhow::Error, else_hint: &str) -> Finding {
    let hint = errors::hint(&error).unwrap_or_else(|| else_hint.to_owned());
    wrong(check, errors::sentence(&error), hint)
}

/// Something that could not be looked at, and need not be: an agent's own identity may do little more than its work.
fn unknown(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, ok: true, message: message.into(), hint: None }
}

fn fine(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, ok: true, message: message.into(), hint: None }
}

fn wrong(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { check, ok: false, message: message.into(), hint: Some(hint.into()) }
}
