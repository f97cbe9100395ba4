//! Makes the folder of a workspace in the workspaces bucket equal to a local folder of files: how an archive becomes the
//! source of its workspace, and how a removed workspace comes back.
//!
//! Guarantee: when it answers `Ok`, the bucket held exactly the files of the folder at some moment since the call, if
//! nobody else wrote there. It can be broken off at any point and called again with the same end. Caveat: S3 has no
//! transaction, so meanwhile the bucket holds a mixture: whoever calls it keeps the workspace from being deployed.
//! What lies below `.cloudyknight/` in the bucket is no source and is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloudyknight_core::commit;
use cloudyknight_core::leftover;
use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError, Object};
use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};

/// What was done, in objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub put: usize,
    pub deleted: usize,
    pub unchanged: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("could not write the files to the workspace's folder in the bucket")]
    Bucket(#[from] BucketError),
    #[error("could not read `{path}` to write it to the bucket")]
    Disk {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` is no name that an object can have")]
    Name { path: String },
}

/// How many objects are read, written or deleted at the same time.
const PARALLEL: usize = 16;
/// What is read of a file at once.
const PIECE: usize = 128 << 10;

/// Puts what differs, deletes what the folder does not hold. Links in the folder are not followed and not published. An
/// empty folder becomes a folder marker. Answers also what the bucket holds then, if nobody else writes there.
pub async fn publish(
    bucket: &dyn Bucket,
    workspace: &WorkspaceName,
    folder: &Path,
) -> Result<(Published, Manifest), PublishError> {
    let root = folder.to_owned();
    let local =
        tokio::task::spawn_blocking(move || Local::read(&root)).await.expect("reading does not panic")?;
    let prefix = workspace.prefix();
    let there = bucket.list(&prefix).await?;
    let there: BTreeMap<&str, &Object> = there
        .iter()
        .filter_map(|object| Some((object.key.strip_prefix(&prefix)?, object)))
        .filter(|(path, _)| !commit::is_own(path))
        .collect();
    let gone: Vec<&str> =
        there.iter().filter(|(path, object)| !local.keeps(path, object)).map(|(p, _)| *p).collect();
    // A server that keeps objects as files takes no `a/b` while there is an `a`, nor the other way round.
    let (in_the_way, others): (Vec<&str>, Vec<&str>) =
        gone.into_iter().partition(|path| local.collides(path));

    let delete = async |paths: Vec<&str>| {
        let count = paths.len();
        let deletes =
            paths.into_iter().map(|path| async move { bucket.delete(&workspace_key(workspace, path)).await });
        let deletes: Vec<_> = deletes.collect();
        futures::stream::iter(deletes).buffer_unordered(PARALLEL).try_collect::<()>().await.map(|()| count)
    };
    let mut made = Manifest::default();
    for (path, object) in there.iter().filter(|(path, object)| local.keeps(path, object)) {
        let Object { etag, size, .. } = (*object).clone();
        made.entries.insert((*path).to_owned(), Entry { etag, size });
    }
    let mut done = Published { deleted: delete(in_the_way).await?, ..Published::default() };
    let mut puts = Vec::with_capacity(local.files.len());
    for (path, size) in &local.files {
        puts.push(put(bucket, workspace, folder, path, *size, there.get(path.as_str()).copied()));
    }
    let mut puts = futures::stream::iter(puts).buffer_unordered(PARALLEL);
    while let Some((path, entry)) = puts.try_next().await? {
        match entry {
            Some(entry) => {
                made.entries.insert(path.to_owned(), entry);
                done.put += 1;
            }
            None => done.unchanged += 1,
        }
    }
    for marker in local.markers().filter(|marker| !there.contains_key(marker.as_str())) {
        let etag = bucket.put(&workspace_key(workspace, &marker), bytes::Bytes::new()).await?;
        made.entries.insert(marker, Entry { etag, size: 0 });
        done.put += 1;
    }
    done.deleted += delete(others).await?;
    Ok((done, made))
}

fn workspace_key(workspace: &WorkspaceName, path: &str) -> String {
    format!("{}{path}", workspace.prefix())
}

/// Puts one file, unless the bucket holds it already. Answers its path, and what the bucket holds now if it was put.
async fn put<'p>(
    bucket: &dyn Bucket,
    workspace: &WorkspaceName,
    folder: &Path,
    path: &'p str,
    size: u64,
    there: Option<&Object>,
) -> Result<(&'p str, Option<Entry>), PublishError> {
    let file = folder.join(path);
    if let Some(there) = there
        && there.size == size
        && is_md5(&there.etag)
        && there.etag == md5_of(file.clone()).await.map_err(|source| on_disk(path, source))?
    {
        return Ok((path, None));
    }
    let etag = bucket.put_file(&workspace_key(workspace, path), &file).await?;
    Ok((path, Some(Entry { etag, size })))
}

/// Uploads in parts and some encryptions have ETags of another kind.
fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

async fn md5_of(file: PathBuf) -> std::io::Result<String> {
    let digest = move || {
        let mut file = std::fs::File::open(file)?;
        let (mut hasher, mut piece) = (Md5::new(), vec![0; PIECE]);
        loop {
            match std::io::Read::read(&mut file, &mut piece)? {
                0 => return Ok(hex::encode(hasher.finalize())),
                read => hasher.update(&piece[..read]),
            }
        }
    };
    tokio::task::spawn_blocking(digest).await.expect("a digest does not panic")
}

fn on_disk(path: &str, source: std::io::Error) -> PublishError {
    PublishError::Disk { path: path.to_owned(), source }
}

/// What the local folder holds, by path below it.
#[derive(Default)]
struct Local {
    /// With their sizes in bytes.
    files: BTreeMap<String, u64>,
    folders: BTreeSet<String>,
}

impl Local {
    fn read(root: &Path) -> Result<Self, PublishError> {
        let mut local = Self::default();
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            let entries = std::fs::read_dir(root.join(&folder)).map_err(|source| on_disk(&folder, source))?;
            for entry in entries {
                let entry = entry.map_err(|source| on_disk(&folder, source))?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    return Err(PublishError::Name { path: format!("{folder}/{}", name.display()) });
                };
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if commit::is_own(&path) || path == commit::FOLDER {
                    continue;
                }
                let facts = entry.metadata().map_err(|source| on_disk(&path, source))?;
                if facts.is_dir() {
                    open.push(path.clone());
                    local.folders.insert(path);
                } else if facts.is_file() && leftover::of_object(&path, facts.len()).is_none() {
                    local.files.insert(path, facts.len());
                }
            }
        }
        Ok(local)
    }

    /// Whether an object of the bucket stays: a file that is here too, or the marker of a folder that is.
    fn keeps(&self, path: &str, object: &Object) -> bool {
        match path.strip_suffix('/') {
            _ if path.is_empty() => true,
            Some(folder) => object.size == 0 && self.folders.contains(folder),
            None => self.files.contains_key(path),
        }
    }

    /// Whether one of our files needs a folder where this object lies, or lies where this object needs a folder.
    fn collides(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.folders.contains(path) || parents.into_iter().any(|parent| self.files.contains_key(parent))
    }

    /// The markers of the folders that hold nothing.
    fn markers(&self) -> impl Iterator<Item = String> {
        self.folders.iter().map(|folder| format!("{folder}/")).filter(|below| {
            let holds =
                |paths: &mut dyn Iterator<Item = &String>| paths.next().is_some_and(|p| p.starts_with(below));
            !holds(&mut self.files.range(below.clone()..).map(|(path, _)| path))
                && !holds(&mut self.folders.range(below.clone()..))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
    use cloudyknight_store::memory::MemoryBucket;

    use super::*;

    struct World {
        bucket: Arc<FailingBucket>,
        folder: tempfile::TempDir,
    }

    impl World {
        async fn new(there: &[(&str, &str)], here: &[(&str, &str)]) -> Self {
            let bucket = Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("workspaces"))));
            for (key, body) in there {
                bucket.put(key, Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
            }
            let folder = tempfile::tempdir().unwrap();
            for (path, body) in here {
                let path = folder.path().join(path);
                if body.is_empty() && path.to_str().unwrap().ends_with('/') {
                    std::fs::create_dir_all(path).unwrap();
                } else {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, body).unwrap();
                }
            }
            Self { bucket, folder }
        }

        /// Also checks that it answers what the bucket holds then.
        async fn publish(&self) -> Result<Published, PublishError> {
            let app = "app".parse().unwrap();
            let (done, made) = publish(self.bucket.as_ref(), &app, self.folder.path()).await?;
            self.bucket.heal();
            let now = cloudyknight_store::listing::manifest(self.bucket.as_ref(), &app).await.unwrap();
            assert_eq!(made, now);
            Ok(done)
        }

        async fn keys(&self) -> Vec<String> {
            self.bucket.list("").await.unwrap().into_iter().map(|object| object.key).collect()
        }

        async fn text(&self, key: &str) -> Bytes {
            self.bucket.get(key, None).await.unwrap().bytes().await.unwrap()
        }
    }

    #[tokio::test]
    async fn the_bucket_ends_equal_to_the_folder_and_what_is_equal_is_not_put() {
        let there =
            [("app/same", "1"), ("app/changed", "a"), ("app/gone", "1"), ("other/x", "1"), ("app2/x", "1")];
        let world = World::new(&there, &[("same", "1"), ("changed", "b"), ("new/é +%.txt", "2")]).await;
        let done = world.publish().await.unwrap();
        assert_eq!(done, Published { put: 2, deleted: 1, unchanged: 1 });
        assert_eq!(world.keys().await, ["app/changed", "app/new/é +%.txt", "app/same", "app2/x", "other/x"]);
        assert_eq!(world.text("app/changed").await, "b");
        let again = world.publish().await.unwrap();
        assert_eq!(again, Published { put: 0, deleted: 0, unchanged: 3 });
    }

    #[tokio::test]
    async fn the_platform_s_own_folder_is_left_alone_on_both_sides() {
        let world =
            World::new(&[("app/.cloudyknight/commit", "1")], &[(".cloudyknight/commit", "2"), ("a", "1")])
                .await;
        world.publish().await.unwrap();
        assert_eq!(world.keys().await, ["app/.cloudyknight/commit", "app/a"]);
        assert_eq!(world.text("app/.cloudyknight/commit").await, "1");
    }

    #[tokio::test]
    async fn empty_folders_become_markers_and_markers_of_folders_that_are_there_stay() {
        let there = [("app/", ""), ("app/full/", ""), ("app/old/", "")];
        let world = World::new(&there, &[("full/a", "1"), ("empty/deep/", "")]).await;
        world.publish().await.unwrap();
        assert_eq!(world.keys().await, ["app/", "app/empty/deep/", "app/full/", "app/full/a"]);
        assert_eq!(world.publish().await.unwrap(), Published { put: 0, deleted: 0, unchanged: 1 });
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_deleted_before_anything_is_put() {
        let world = World::new(&[("app/a", "1"), ("app/b/c", "1")], &[("a/x", "1"), ("b", "1")]).await;
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = order.clone();
        world.bucket.fail_when(move |operation, key| {
            seen.lock().unwrap().push((operation, key.to_owned()));
            None
        });
        world.publish().await.unwrap();
        let order: Vec<_> = order.lock().unwrap().iter().map(|(operation, _)| *operation).collect();
        use BucketOperation::{Delete, List, Put};
        assert_eq!(order, [List, Delete, Delete, Put, Put]);
        assert_eq!(world.keys().await, ["app/a/x", "app/b"]);
    }

    #[tokio::test]
    async fn broken_off_anywhere_and_done_again_it_ends_the_same() {
        for broken in 0..6 {
            let there = [("app/1", "old"), ("app/2", "2"), ("app/gone", "1"), ("app/dir", "1")];
            let world = World::new(&there, &[("1", "new"), ("2", "2"), ("3", "3"), ("dir/x", "1")]).await;
            let mut calls = 0;
            world.bucket.fail_when(move |_, _| {
                calls += 1;
                (calls == broken + 1).then_some(if calls % 2 == 0 {
                    Fault::AnswerLost
                } else {
                    Fault::Unavailable
                })
            });
            assert!(world.publish().await.is_err(), "{broken}");
            world.bucket.heal();
            world.publish().await.unwrap();
            assert_eq!(world.keys().await, ["app/1", "app/2", "app/3", "app/dir/x"]);
            assert_eq!(world.text("app/1").await, "new");
        }
    }

    #[tokio::test]
    async fn links_are_neither_followed_nor_published() {
        let world = World::new(&[], &[("a", "1")]).await;
        std::os::unix::fs::symlink("/etc", world.folder.path().join("etc")).unwrap();
        world.publish().await.unwrap();
        assert_eq!(world.keys().await, ["app/a"]);
    }
}
