//! How errors look: what failed with its causes, and what to do about it; and the exit codes.

use std::process::ExitCode;

use cloudyknight_store::bucket::{BucketError, Follow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::output::{ERROR, HINT};

/// An error for people that knows what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    pub message: String,
    pub hint: String,
}

pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { message: message.into(), hint: hint.into() }.into()
}

/// It did not end in the time that it was given, and goes on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TimedOut {
    message: String,
    hint: String,
}

pub fn timed_out(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    TimedOut { message: message.into(), hint: hint.into() }.into()
}

/// As `timeout(1)` has it.
const TIMED_OUT: u8 = 124;
/// The command line makes no sense.
const MISTYPED: u8 = 2;

/// An error for programs, on stderr: `--json`.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub struct Told {
    /// What failed, with its causes.
    error: String,
    /// What to do about it.
    hint: Option<String>,
}

/// Tells it, and answers the exit code that tells the same.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    tell(&Told { error: sentence(error), hint: hint(error) }, json);
    if error.is::<TimedOut>() { ExitCode::from(TIMED_OUT) } else { ExitCode::FAILURE }
}

/// The same of a command line that makes no sense.
pub fn refuse(mistake: Hinted, json: bool) -> ExitCode {
    tell(&Told { error: mistake.message, hint: Some(mistake.hint) }, json);
    ExitCode::from(MISTYPED)
}

fn tell(told: &Told, json: bool) {
    if json {
        let told = serde_json::to_string(told).expect("an error is plain data");
        anstream::eprintln!("{told}");
        return;
    }
    anstream::eprintln!("{ERROR} {}", told.error);
    if let Some(hint) = &told.hint {
        anstream::eprintln!("{HINT} {hint}");
    }
}

/// What to do about it: said by whoever noticed, or known from what S3, SQS or the network answered.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    let said = error.chain().find_map(|cause| {
        let hinted = cause.downcast_ref::<Hinted>().map(|hinted| &hinted.hint);
        hinted.or_else(|| cause.downcast_ref::<TimedOut>().map(|late| &late.hint)).cloned()
    });
    said.or_else(|| cloudyknight_store::hint::of(error.as_ref()))
}

/// Whether only somebody who changes a setting or grants something can help.
pub fn needs_human(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let refused =
            cause.downcast_ref::<BucketError>().is_some_and(|error| error.follow() == Follow::Human);
        refused || cause.is::<Hinted>()
    })
}

/// The causes in one sentence, none said twice.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if sentence.is_empty() {
            sentence = text;
        } else if !sentence.ends_with(&text) {
            sentence = format!("{sentence}: {text}");
        }
    }
    sentence
}
