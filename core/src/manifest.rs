//! A manifest is the listing of a workspace; its digest names the release.
//!
//! Two listings with the same paths, ETags and sizes are the same release, whenever and in whatever order they
//! were made.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the bucket said about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// As the server gives it, without quotes.
    pub etag: String,
    /// In bytes.
    pub size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Path inside the workspace → what the bucket said about it.
    pub entries: BTreeMap<String, Entry>,
}

/// The BLAKE3 digest of a manifest, as 64 hexadecimal characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[0-9a-f]{64}$")]
pub struct ReleaseDigest(String);

impl Manifest {
    pub fn digest(&self) -> ReleaseDigest {
        let mut hasher = blake3::Hasher::new();
        for (path, entry) in &self.entries {
            // Lengths first: no path can be mistaken for the field after it.
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            hasher.update(&(entry.etag.len() as u64).to_le_bytes());
            hasher.update(entry.etag.as_bytes());
            hasher.update(&entry.size.to_le_bytes());
        }
        ReleaseDigest(hex::encode(hasher.finalize().as_bytes()))
    }

    /// In bytes, all files together.
    pub fn size(&self) -> u64 {
        self.entries.values().map(|entry| entry.size).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many paths differ between two listings: added, gone or changed.
    pub fn difference(&self, other: &Self) -> usize {
        let changed_or_gone =
            self.entries.iter().filter(|(path, entry)| other.entries.get(*path) != Some(entry));
        let added = other.entries.keys().filter(|path| !self.entries.contains_key(*path));
        changed_or_gone.count() + added.count()
    }
}

impl ReleaseDigest {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 characters: enough for people and for names.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no release digest (64 hexadecimal characters)")]
pub struct InvalidDigest(String);

impl FromStr for ReleaseDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidDigest(text.to_owned())) }
    }
}

impl TryFrom<String> for ReleaseDigest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<ReleaseDigest> for String {
    fn from(digest: ReleaseDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for ReleaseDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ReleaseDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReleaseDigest({})", self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(entries: &[(&str, &str, u64)]) -> Manifest {
        let entry = |etag: &str, size| Entry { etag: etag.to_owned(), size };
        Manifest { entries: entries.iter().map(|(p, e, s)| ((*p).to_owned(), entry(e, *s))).collect() }
    }

    #[test]
    fn the_digest_depends_on_content_and_not_on_order() {
        let one = manifest(&[("a", "1", 1), ("b", "2", 2)]);
        assert_eq!(one.digest(), manifest(&[("b", "2", 2), ("a", "1", 1)]).digest());
        for other in [
            manifest(&[("a", "1", 1)]),
            manifest(&[("a", "1", 1), ("b", "3", 2)]),
            manifest(&[("a", "1", 1), ("b", "2", 3)]),
            manifest(&[("a", "1", 1), ("c", "2", 2)]),
        ] {
            assert_ne!(one.digest(), other.digest());
        }
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        assert_ne!(manifest(&[("ab", "c", 1)]).digest(), manifest(&[("a", "bc", 1)]).digest());
    }

    #[test]
    fn the_difference_counts_added_gone_and_changed_paths() {
        let old = manifest(&[("same", "1", 1), ("gone", "1", 1), ("changed", "1", 1)]);
        let new = manifest(&[("same", "1", 1), ("added", "1", 1), ("changed", "2", 1)]);
        assert_eq!(old.difference(&new), 3);
        assert_eq!(old.difference(&old), 0);
    }
}
