//! How errors look: what failed with its causes, and what to do about it.

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
    let hint =
        error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.as_str());
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

/// The causes in one sentence, none said twice.
fn sentence(error: &anyhow::Error) -> String {
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
