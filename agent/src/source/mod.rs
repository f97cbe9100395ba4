//! The source of a release, as files for a read-only mount. The folder lies in memory (tmpfs): no source of a
//! workspace rests on the host's disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::release::ContentDigest;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;

use crate::identity::DeploymentId;

mod layout;
mod renew;
pub use layout::{Layout, no_file};

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("could not read `{path}` from the bucket")]
    Bucket {
        path: String,
        #[source]
        source: BucketError,
    },
    #[error("could not write `{path}` below the source directory")]
    Disk {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` holds something else than was listed")]
    Other { path: String },
    #[error("the workspace holds {size} bytes, and the limit is {limit}")]
    TooLarge { size: u64, limit: u64 },
}

/// A release's files, in memory.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of its folder below the source directory.
    pub folder: String,
    pub path: PathBuf,
    pub layout: Layout,
    /// What each file of the layout holds.
    pub content: BTreeMap<String, ContentDigest>,
}

/// Where a source is made.
pub struct Place<'a> {
    pub source_dir: &'a Path,
    pub workspace: &'a WorkspaceName,
    pub deployment: &'a DeploymentId,
    /// In bytes, all files together.
    pub limit: u64,
    /// The live one, if it is at hand.
    pub previous: Option<&'a Source>,
}

/// Where one file comes from.
pub(crate) struct Origin {
    pub key: String,
    /// Only this version of the object.
    pub etag: Option<String>,
    /// What it must hold, where that is known.
    pub digest: Option<ContentDigest>,
}

/// What follows the name of a source folder in that of its private files.
pub const PRIVATE: &str = ".private";

/// How many objects are read at the same time.
const PARALLEL: usize = 16;

impl Source {
    /// Fetches what `manifest` lists, each object only if it still is what was listed. Files that the `previous`
    /// release already holds are linked, not fetched.
    pub async fn fetch(
        bucket: &dyn Bucket,
        place: &Place<'_>,
        manifest: &Manifest,
    ) -> Result<Self, SourceError> {
        let origin = |path: &str, entry: &Entry| Origin {
            key: format!("{}{path}", place.workspace.prefix()),
            etag: Some(entry.etag.clone()),
            digest: None,
        };
        Self::make(bucket, place, manifest, &origin).await
    }

    /// The same from any bucket: `origin` says for each file where it lies.
    pub(crate) async fn make(
        bucket: &dyn Bucket,
        place: &Place<'_>,
        manifest: &Manifest,
        origin: &(dyn Fn(&str, &Entry) -> Origin + Sync),
    ) -> Result<Self, SourceError> {
        let (size, limit) = (manifest.size(), place.limit);
        if size > limit {
            return Err(SourceError::TooLarge { size, limit });
        }
        let folder = Self::folder(place.workspace, place.deployment);
        let path = place.source_dir.join(&folder);
        let mut source = Self { path, folder, layout: Layout::of(manifest), content: BTreeMap::new() };
        source.make_folders().await?;
        let mut files = Vec::with_capacity(source.layout.files.len());
        for (path, entry) in &source.layout.files {
            files.push(source.link_or_fetch(bucket, path, entry, origin(path, entry), place.previous));
        }
        let made: Result<Vec<_>, SourceError> =
            futures::stream::iter(files).buffer_unordered(PARALLEL).try_collect().await;
        match made {
            Ok(made) => {
                source.content = made.into_iter().collect();
                Ok(source)
            }
            Err(error) => {
                source.discard().await;
                Err(error)
            }
        }
    }

    /// The name of the folder that a deployment fetches into.
    pub fn folder(workspace: &WorkspaceName, deployment: &DeploymentId) -> String {
        format!("{workspace}.{deployment}")
    }

    async fn make_folders(&self) -> Result<(), SourceError> {
        let root = std::iter::once(String::new());
        for folder in root.chain(self.layout.folders.iter().cloned()) {
            let made = tokio::fs::create_dir_all(self.path.join(&folder)).await;
            made.map_err(|source| SourceError::Disk { path: folder, source })?;
        }
        Ok(())
    }

    async fn link_or_fetch(
        &self,
        bucket: &dyn Bucket,
        path: &str,
        entry: &Entry,
        origin: Origin,
        previous: Option<&Source>,
    ) -> Result<(String, ContentDigest), SourceError> {
        if let Some(previous) = previous
            && let Some(digest) = previous.holds(path, entry, origin.digest.as_ref())
            && tokio::fs::hard_link(previous.path.join(path), self.path.join(path)).await.is_ok()
        {
            return Ok((path.to_owned(), digest.clone()));
        }
        Ok((path.to_owned(), self.fetch_one(bucket, path, entry, origin).await?))
    }

    /// What is in this file here, if it is what is wanted: as its digest says where that is known, else as the listing
    /// does.
    fn holds(&self, path: &str, entry: &Entry, digest: Option<&ContentDigest>) -> Option<&ContentDigest> {
        let held = self.content.get(path)?;
        let same = match digest {
            Some(digest) => held == digest,
            None => self.layout.files.get(path) == Some(entry),
        };
        same.then_some(held)
    }

    async fn fetch_one(
        &self,
        bucket: &dyn Bucket,
        path: &str,
        entry: &Entry,
        origin: Origin,
    ) -> Result<ContentDigest, SourceError> {
        let from_bucket = |source| SourceError::Bucket { path: path.to_owned(), source };
        let on_disk = |source| SourceError::Disk { path: path.to_owned(), source };
        let other = || SourceError::Other { path: path.to_owned() };
        let mut body = bucket.get(&origin.key, origin.etag.as_deref()).await.map_err(from_bucket)?.body;
        let target = self.path.join(path);
        let mut file = tokio::fs::File::create(&target).await.map_err(on_disk)?;
        let (mut hasher, mut size, mut executable) = (blake3::Hasher::new(), 0, None);
        while let Some(piece) = body.try_next().await.map_err(from_bucket)? {
            size += piece.len() as u64;
            if size > entry.size {
                // The memory for it was not allowed for.
                return Err(other());
            }
            hasher.update(&piece);
            executable.get_or_insert_with(|| piece.starts_with(b"#!") || piece.starts_with(b"\x7fELF"));
            file.write_all(&piece).await.map_err(on_disk)?;
        }
        file.flush().await.map_err(on_disk)?;
        let digest = ContentDigest::from(hasher.finalize());
        if size != entry.size || origin.digest.is_some_and(|wanted| wanted != digest) {
            return Err(other());
        }
        if executable == Some(true) {
            // S3 keeps no permissions: what can be run by its first bytes may be run.
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            tokio::fs::set_permissions(&target, mode).await.map_err(on_disk)?;
        }
        Ok(digest)
    }

    /// The text of a small file; `None` when there is none, or when it is no text.
    pub fn text(&self, path: &str) -> Option<String> {
        self.layout.files.get(path)?;
        std::fs::read_to_string(self.path.join(path)).ok()
    }

    /// A folder beside this one that holds only some of its files, by link.
    pub async fn excerpt(&self, suffix: &str, files: &[&str]) -> Result<PathBuf, SourceError> {
        let path = self.path.with_file_name(format!("{}.{suffix}", self.folder));
        let on_disk = |source| SourceError::Disk { path: path.display().to_string(), source };
        tokio::fs::create_dir_all(&path).await.map_err(on_disk)?;
        for file in files {
            tokio::fs::hard_link(self.path.join(file), path.join(file)).await.map_err(on_disk)?;
        }
        Ok(path)
    }

    /// A file beside this folder, for us and the containers it is mounted into.
    pub async fn beside(&self, suffix: &str, text: &str) -> Result<PathBuf, SourceError> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.with_file_name(format!("{}.{suffix}", self.folder));
        let on_disk = |source| SourceError::Disk { path: path.display().to_string(), source };
        tokio::fs::write(&path, text).await.map_err(on_disk)?;
        // Installing runs as root in its container, and nobody else needs to read it.
        let private = std::fs::Permissions::from_mode(0o600);
        tokio::fs::set_permissions(&path, private).await.map_err(on_disk)?;
        Ok(path)
    }

    /// Beside this folder: what services see of their own, and nobody else.
    pub fn private(&self) -> PathBuf {
        self.path.with_file_name(format!("{}{PRIVATE}", self.folder))
    }

    pub async fn discard(&self) {
        discard(&self.path).await;
        discard(&self.private()).await;
    }
}

/// Removes a source folder or file. One that cannot be removed costs memory and nothing else.
pub async fn discard(path: &Path) {
    let removed = match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => tokio::fs::remove_file(path).await,
        removed => removed,
    };
    if let Err(error) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a source folder could not be removed");
    }
}
