//! How errors look: what failed with its causes, and what to do about it.

use cloudyknight_store::bucket::{BucketError, Follow};
use serde_json::json;

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

pub fn report(error: &anyhow::Error, json: bool) {
    let hint = hint(error);
    let message = sentence(error);
    if json {
        anstream::eprintln!("{}", json!({ "error": message, "hint": hint }));
        return;
    }
    anstream::eprintln!("error: {message}");
    if let Some(hint) = hint {
        anstream::eprintln!("hint: {hint}");
    }
}

/// What to do about it: said by whoever noticed, or known from what S3, SQS or the network answered.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    let said =
        error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.clone());
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
