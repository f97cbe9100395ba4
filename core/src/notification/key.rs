//! How a key is written in a notification. AWS form-urlencodes it; others leave it as it is; and they do not say
//! which. So a key has several readings, the likeliest first, and a workspace that any of them names is marked.
//!
//! A workspace's name needs no encoding, so in nearly every case all readings agree on it and differ only in the
//! path, which is for people to read.

use crate::form::{self, Undecodable};

/// Every key that `written` may mean, the likeliest for its source first.
pub(super) fn readings(written: &str, source: Option<&str>) -> Vec<Result<String, Undecodable>> {
    let raw = Ok(written.to_owned());
    if !written.contains(['%', '+']) {
        return vec![raw];
    }
    match source {
        // The documentation of Ceph shows keys as they are.
        Some("ceph:s3") => vec![raw, form::decoded(written)],
        _ => vec![form::decoded(written), raw],
    }
}
