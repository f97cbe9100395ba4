//! The source of a release, as files for a read-only mount. The folder lies in memory (tmpfs): no source of a
//! workspace rests on the host's disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;

use crate::identity::DeploymentId;

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
    #[error("the workspace holds {size} bytes, and the limit is {limit}")]
    TooLarge { size: u64, limit: u64 },
}

/// Objects as files. Pure: what each key becomes, and which keys can be no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub files: BTreeMap<String, Entry>,
    pub folders: BTreeSet<String>,
    /// Key and reason.
    pub left_out: Vec<(String, &'static str)>,
}

/// The longest name of a file on Linux, in bytes.
const NAME_MAX: usize = 255;
/// The longest path that Linux takes, in bytes, less what the source directory needs.
const PATH_MAX: usize = 3800;

impl Layout {
    pub fn of(manifest: &Manifest) -> Self {
        let mut layout = Self::default();
        for (path, entry) in &manifest.entries {
            // Some clients mark a folder with an empty object.
            let (name, is_folder) = match path.strip_suffix('/') {
                Some(folder) if entry.size == 0 => (folder, true),
                _ => (path.as_str(), false),
            };
            match no_file(name) {
                _ if path.is_empty() => {}
                Some(why) => layout.left_out.push((path.clone(), why)),
                None if is_folder => drop(layout.folders.insert(name.to_owned())),
                None => drop(layout.files.insert(name.to_owned(), entry.clone())),
            }
        }
        let mut parents: BTreeSet<String> = layout.folders.clone();
        for path in layout.files.keys().chain(&layout.folders) {
            parents.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        for path in &parents {
            if layout.files.remove(path).is_some() {
                layout.left_out.push((path.clone(), "other objects need a folder of this name"));
            }
        }
        layout.folders = parents;
        layout
    }
}

/// Why a key cannot be the path of a file.
fn no_file(path: &str) -> Option<&'static str> {
    if path.len() > PATH_MAX {
        return Some("it is longer than a path may be");
    }
    if path.contains('\0') {
        return Some("it contains a zero byte");
    }
    path.split('/').find_map(|name| match name {
        "" => Some("it has an empty folder name"),
        "." | ".." => Some("it has `.` or `..` for a folder name"),
        name if name.len() > NAME_MAX => Some("a name in it is longer than 255 bytes"),
        _ => None,
    })
}

/// A release's files, in memory.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of its folder below the source directory.
    pub folder: String,
    pub path: PathBuf,
    pub layout: Layout,
}

/// How many objects are read at the same time.
const PARALLEL: usize = 16;

impl Source {
    /// Fetches what `manifest` lists, each object only if it still is what was listed. Files that the `previous`
    /// release already holds are linked, not fetched.
    pub async fn fetch(
        bucket: &dyn Bucket,
        source_dir: &Path,
        workspace: &WorkspaceName,
        deployment: &DeploymentId,
        manifest: &Manifest,
        limit: u64,
        previous: Option<&Source>,
    ) -> Result<Self, SourceError> {
        let size = manifest.size();
        if size > limit {
            return Err(SourceError::TooLarge { size, limit });
        }
        let folder = format!("{workspace}.{deployment}");
        let source = Self { path: source_dir.join(&folder), folder, layout: Layout::of(manifest) };
        source.make_folders().await?;
        let mut fetches = Vec::with_capacity(source.layout.files.len());
        for (path, entry) in &source.layout.files {
            fetches.push(source.link_or_fetch(bucket, workspace, path, entry, previous));
        }
        let fetched: Result<(), SourceError> =
            futures::stream::iter(fetches).buffer_unordered(PARALLEL).try_collect().await;
        match fetched {
            Ok(()) => Ok(source),
            Err(error) => {
                source.discard().await;
                Err(error)
            }
        }
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
        workspace: &WorkspaceName,
        path: &str,
        entry: &Entry,
        previous: Option<&Source>,
    ) -> Result<(), SourceError> {
        if let Some(previous) = previous
            && previous.layout.files.get(path) == Some(entry)
            && tokio::fs::hard_link(previous.path.join(path), self.path.join(path)).await.is_ok()
        {
            return Ok(());
        }
        self.fetch_one(bucket, workspace, path, entry).await
    }

    async fn fetch_one(
        &self,
        bucket: &dyn Bucket,
        workspace: &WorkspaceName,
        path: &str,
        entry: &Entry,
    ) -> Result<(), SourceError> {
        let from_bucket = |source| SourceError::Bucket { path: path.to_owned(), source };
        let on_disk = |source| SourceError::Disk { path: path.to_owned(), source };
        let key = format!("{}{path}", workspace.prefix());
        let mut body = bucket.get(&key, Some(&entry.etag)).await.map_err(from_bucket)?.body;
        let target = self.path.join(path);
        let mut file = tokio::fs::File::create(&target).await.map_err(on_disk)?;
        let mut executable = None;
        while let Some(piece) = body.try_next().await.map_err(from_bucket)? {
            executable.get_or_insert_with(|| piece.starts_with(b"#!") || piece.starts_with(b"\x7fELF"));
            file.write_all(&piece).await.map_err(on_disk)?;
        }
        file.flush().await.map_err(on_disk)?;
        if executable == Some(true) {
            // S3 keeps no permissions: what can be run by its first bytes may be run.
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            tokio::fs::set_permissions(&target, mode).await.map_err(on_disk)?;
        }
        Ok(())
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

    pub async fn discard(&self) {
        discard(&self.path).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(keys: &[(&str, u64)]) -> Layout {
        let entry = |size| Entry { etag: "e".into(), size };
        Layout::of(&Manifest {
            entries: keys.iter().map(|(key, size)| ((*key).into(), entry(*size))).collect(),
        })
    }

    fn files(layout: &Layout) -> Vec<&str> {
        layout.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn ordinary_keys_are_files_and_their_parents_folders() {
        let layout = layout(&[("index.js", 1), ("lib/a/b.js", 1), ("ünïcode ✓ +%.txt", 1), ("new\nline", 1)]);
        assert_eq!(files(&layout), ["index.js", "lib/a/b.js", "new\nline", "ünïcode ✓ +%.txt"]);
        assert_eq!(layout.folders, BTreeSet::from(["lib".to_owned(), "lib/a".to_owned()]));
        assert_eq!(layout.left_out, []);
    }

    #[test]
    fn folder_markers_are_folders() {
        let layout = layout(&[("", 0), ("empty/", 0), ("a/b/", 0)]);
        assert_eq!(files(&layout), [""; 0]);
        let expected: BTreeSet<String> = ["a", "a/b", "empty"].map(str::to_owned).into();
        assert_eq!((layout.folders, layout.left_out), (expected, vec![]));
    }

    #[test]
    fn keys_that_can_be_no_file_are_left_out_with_the_reason() {
        let long = format!("{}/x", "n".repeat(256));
        for key in ["a/../b", "../b", "..", "./a", "a//b", "/a", "a/", "a\0b", &long, &"d/".repeat(2000)] {
            let layout = layout(&[(key, 7), ("fine", 1)]);
            assert_eq!(files(&layout), ["fine"], "{key:?}");
            assert_eq!(layout.left_out[0].0, key);
        }
    }

    #[test]
    fn a_folder_wins_over_a_file_of_its_name() {
        let layout = layout(&[("a", 1), ("a/b", 1)]);
        assert_eq!(files(&layout), ["a/b"]);
        assert_eq!(layout.left_out[0].0, "a");
    }
}
