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
    /// Of everything else in this document, so that damage to any part of it is seen.
    seal: ContentDigest,
}

/// Why a document is not the release that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("its document cannot be read: {0}")]
    Unreadable(String),
    #[error("its document has version {0}, and this agent understands only version {known}", known = Release::VERSION)]
    Version(u32),
    #[error("its document is that of workspace `{0}`")]
    Workspace(WorkspaceName),
    #[error("its document is that of release {}", .0.short())]
    Release(ReleaseDigest),
    #[error("its document was changed after it had been written")]
    Seal,
}

/// The BLAKE3 digest of the bytes of a file, as 64 hexadecimal characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(String);

impl Release {
    pub const VERSION: u32 = 1;

    pub fn new(
        workspace: WorkspaceName,
        made_at: String,
        manifest: Manifest,
        content: BTreeMap<String, ContentDigest>,
    ) -> Self {
        let digest = manifest.digest();
        let seal = ContentDigest::of(b"");
        let mut release =
            Self { version: Self::VERSION, workspace, digest, made_at, manifest, content, seal };
        release.seal = release.computed_seal();
        release
    }

    /// Reads the document of release `digest` of `workspace`, and trusts nothing in it.
    pub fn from_json(text: &[u8], workspace: &WorkspaceName, digest: &ReleaseDigest) -> Result<Self, Damage> {
        let unreadable = |error: serde_json::Error| Damage::Unreadable(error.to_string());
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(text).map_err(unreadable)?;
        if version != Self::VERSION {
            return Err(Damage::Version(version));
        }
        let release: Self = serde_json::from_slice(text).map_err(unreadable)?;
        if release.workspace != *workspace {
            return Err(Damage::Workspace(release.workspace));
        }
        if release.digest != *digest {
            return Err(Damage::Release(release.digest));
        }
        if release.manifest.digest() != *digest || release.seal != release.computed_seal() {
            return Err(Damage::Seal);
        }
        Ok(release)
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a release is plain data")
    }

    /// The manifest is in it by its digest.
    fn computed_seal(&self) -> ContentDigest {
        let mut hasher = blake3::Hasher::new();
        let mut field = |text: &str| {
            // Lengths first: no field can be mistaken for the one after it.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        field(self.workspace.as_str());
        field(self.digest.as_str());
        field(&self.made_at);
        for (path, digest) in &self.content {
            field(path);
            field(digest.as_str());
        }
        hasher.finalize().into()
    }

    /// Where it lies in the platform bucket.
    pub fn key(workspace: &WorkspaceName, digest: &ReleaseDigest) -> String {
        format!("{}{}.json", Self::prefix(workspace), digest.as_str())
    }

    /// Which release lies at a key below [`Release::prefix`]; `None` for what was put there by somebody else.
    pub fn digest_of(workspace: &WorkspaceName, key: &str) -> Option<ReleaseDigest> {
        key.strip_prefix(&Self::prefix(workspace))?.strip_suffix(".json")?.parse().ok()
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

    /// What lies at a key below [`ContentDigest::prefix`]; `None` for what was put there by somebody else.
    pub fn of_key(workspace: &WorkspaceName, key: &str) -> Option<Self> {
        key.strip_prefix(&Self::prefix(workspace))?.parse().ok()
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
    use crate::manifest::Entry;

    #[test]
    fn content_and_releases_of_two_workspaces_never_share_a_key() {
        let (a, b): (WorkspaceName, WorkspaceName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let digest = ContentDigest::of(b"x");
        assert_ne!(digest.key(&a), digest.key(&b));
        assert!(digest.key(&a).starts_with(&ContentDigest::prefix(&a)));
        let release = Manifest::default().digest();
        assert!(Release::key(&a, &release).starts_with(&Release::prefix(&a)));
        assert_eq!(Release::digest_of(&a, &Release::key(&a, &release)), Some(release.clone()));
        assert_eq!(Release::digest_of(&b, &Release::key(&a, &release)), None);
        assert_eq!(ContentDigest::of_key(&a, &digest.key(&a)), Some(digest));
        assert_eq!(ContentDigest::of_key(&a, "content/a/README"), None);
    }

    fn release() -> Release {
        let entry = |etag: &str| Entry { etag: etag.to_owned(), size: 1 };
        let entries = BTreeMap::from([("a".to_owned(), entry("1")), ("b".to_owned(), entry("2"))]);
        let content = BTreeMap::from([
            ("a".to_owned(), ContentDigest::of(b"a")),
            ("b".to_owned(), ContentDigest::of(b"b")),
        ]);
        Release::new("app".parse().unwrap(), "2026-01-01T00:00:00Z".into(), Manifest { entries }, content)
    }

    #[test]
    fn a_release_is_read_as_it_was_written() {
        let release = release();
        let read = Release::from_json(&release.to_json(), &release.workspace, &release.digest);
        assert_eq!(read, Ok(release));
    }

    #[test]
    fn any_changed_byte_of_a_document_is_noticed() {
        let release = release();
        let text = release.to_json();
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            let read = Release::from_json(&changed, &release.workspace, &release.digest);
            assert!(read.is_err(), "byte {at}: {}", String::from_utf8_lossy(&changed));
            let cut = Release::from_json(&text[..at], &release.workspace, &release.digest);
            assert!(matches!(cut, Err(Damage::Unreadable(_))), "cut at {at}");
        }
    }

    #[test]
    fn a_document_in_the_place_of_another_is_told() {
        let release = release();
        let (text, other) = (release.to_json(), "other".parse().unwrap());
        let damage = Release::from_json(&text, &other, &release.digest).unwrap_err();
        assert_eq!(damage, Damage::Workspace(release.workspace.clone()));
        let damage = Release::from_json(&text, &release.workspace, &Manifest::default().digest());
        assert_eq!(damage, Err(Damage::Release(release.digest.clone())));
        let newer = String::from_utf8(text).unwrap().replace("\"version\":1", "\"version\":2");
        let damage = Release::from_json(newer.as_bytes(), &release.workspace, &release.digest);
        assert_eq!(damage, Err(Damage::Version(2)));
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
