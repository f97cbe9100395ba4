//! How a key is written in a notification. AWS form-urlencodes it; others leave it as it is; and they do not say
//! which. So a key has several readings, the likeliest first, and a workspace that any of them names is marked.
//!
//! A workspace's name needs no encoding, so in nearly every case all readings agree on it and differ only in the
//! path, which is for people to read.

use crate::form::{self, Undecodable};

/// What is likeliest of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As in a form, or with `%20` for a space and perhaps `%2F` for `/`: one decoding reads them all.
    Form,
    /// As it is; but the dialect has relatives that encode.
    Plain,
    /// A path of a file system, and certainly not encoded.
    Path,
}

pub(super) struct Reading {
    pub key: Result<String, Undecodable>,
    /// Something in it could not be decoded and was guessed.
    pub lossy: bool,
}

/// Every key that `written` may mean, the likeliest first.
pub(super) fn readings(written: &str, spelling: Spelling) -> Vec<Reading> {
    let exact = |key| Reading { key, lossy: false };
    let plain = exact(Ok(written.to_owned()));
    if spelling == Spelling::Path || !written.contains(['%', '+']) {
        return vec![plain];
    }
    let decoded = form::decoded(written);
    // An encoding that somebody got wrong in the name of a file must not hide the folder before it.
    let guessed = decoded.is_err().then(|| Reading { key: Ok(form::decoded_lossily(written)), lossy: true });
    let mut readings = match spelling {
        Spelling::Form => vec![exact(decoded), plain],
        Spelling::Plain | Spelling::Path => vec![plain, exact(decoded)],
    };
    readings.extend(guessed);
    readings
}
