//! A release as it is kept: its manifest, and the digest of what each file held. It lies in the platform bucket with
//! the content beside it, so that going back to it needs nothing of the workspaces bucket.
//!
//! Content is kept once for each workspace and digest: releases that share a file share its content.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, ReleaseDigest};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub version: u32,
    pub workspace: WorkspaceName,
    /// That of `manifest`.
    pub digest: ReleaseDigest,
    /// RFC 3339, UTC: when it was first kept.
    pub made_at: String,
    /// What the bucket listed.
    pub manifest: Manifest,
    /// Path → what the file held, for every path of the manifest that can be a file.
    pub content: BTreeMap<String, ContentDigest>,
}

/// The BLAKE3 digest of the bytes of a file, as 64 hexadecimal characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(String);

impl Release {
    pub const VERSION: u32 = 1;

    /// Where it lies in the platform bucket.
    pub fn key(workspace: &WorkspaceName, digest: &ReleaseDigest) -> String {
        format!("{}{}.json", Self::prefix(workspace), digest.as_str())
    }

    /// Below this lie all releases of the workspace, and nothing else.
    pub fn prefix(workspace: &WorkspaceName) -> String {
        format!("releases/{workspace}/")
    }
}

impl ContentDigest {
    pub fn of(bytes: &[u8]) -> Self {
        blake3::hash(bytes).into()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the bytes lie in the platform bucket.
    pub fn key(&self, workspace: &WorkspaceName) -> String {
        format!("{}{}", Self::prefix(workspace), self.0)
    }

    /// Below this lies all content of the workspace, and nothing else.
    pub fn prefix(workspace: &WorkspaceName) -> String {
        format!("content/{workspace}/")
    }
}

impl From<blake3::Hash> for ContentDigest {
    fn from(hash: blake3::Hash) -> Self {
        Self(hash.to_hex().to_string())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no content digest (64 hexadecimal characters)")]
pub struct InvalidContentDigest(String);

impl FromStr for ContentDigest {
    type Err = InvalidContentDigest;

    fn from_str(text: &str) -> Result<Self, InvalidContentDigest> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidContentDigest(text.to_owned())) }
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = InvalidContentDigest;

    fn try_from(text: String) -> Result<Self, InvalidContentDigest> {
        text.parse()
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({})", &self.0[..12])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_releases_of_two_workspaces_never_share_a_key() {
        let (a, b): (WorkspaceName, WorkspaceName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let digest = ContentDigest::of(b"x");
        assert_ne!(digest.key(&a), digest.key(&b));
        assert!(digest.key(&a).starts_with(&ContentDigest::prefix(&a)));
        let release = Manifest::default().digest();
        assert!(Release::key(&a, &release).starts_with(&Release::prefix(&a)));
    }

    #[test]
    fn a_content_digest_is_read_strictly() {
        let digest = ContentDigest::of(b"x");
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        for wrong in ["", "abc", "../../x", &digest.as_str().to_uppercase(), &format!("{digest}0")] {
            assert!(wrong.parse::<ContentDigest>().is_err(), "{wrong}");
        }
    }
}
