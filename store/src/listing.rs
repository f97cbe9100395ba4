//! The listing of a workspace, as everything that compares releases makes it: the same objects must give the same
//! digest to whoever lists them.

use cloudyknight_core::commit::{self, Commit, Gate};
use cloudyknight_core::leftover;
use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::status::{State, WorkspaceStatus};
use cloudyknight_core::workspace::WorkspaceName;

use crate::bucket::{Bucket, BucketError};

/// A workspace as the bucket has it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its source; empty when nothing is left of it.
    pub manifest: Manifest,
    /// Its commit marker, if there is one.
    pub commit: Option<Commit>,
    /// Whether something else lies in the platform's folder.
    pub announces_commits: bool,
    /// The files that are newer than the marker, in order.
    pub newer: Vec<String>,
}

pub async fn listing(bucket: &dyn Bucket, workspace: &WorkspaceName) -> Result<Listing, BucketError> {
    let prefix = workspace.prefix();
    let objects = bucket.list(&prefix).await?;
    let mut listing = Listing::default();
    let mut times = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(path) = object.key.strip_prefix(&prefix) else { continue };
        if path == commit::MARKER {
            listing.commit = Some(Commit { etag: object.etag, modified_ms: object.modified_ms });
        } else if commit::is_own(path) {
            listing.announces_commits = true;
        } else if leftover::of_object(path, object.size).is_none() {
            times.push((path.to_owned(), object.modified_ms));
            listing.manifest.entries.insert(path.to_owned(), Entry { etag: object.etag, size: object.size });
        }
    }
    if let Some(commit) = &listing.commit {
        times.retain(|(_, modified_ms)| *modified_ms > commit.modified_ms);
        listing.newer = times.into_iter().map(|(path, _)| path).collect();
    }
    Ok(listing)
}

impl Listing {
    /// What it is to be taken for, by what was taken before.
    pub fn gate(&self, status: &WorkspaceStatus) -> Gate {
        let release = self.manifest.digest();
        let taken = status.committed.as_ref();
        // Also where it does not serve at the moment.
        let tried =
            status.last().is_some_and(|last| last.release.is_some()) && status.state != State::Removed;
        let deployed = status.release.is_some() || tried;
        commit::gate(
            self.commit.as_ref(),
            self.newer.len(),
            self.announces_commits,
            &release,
            taken,
            deployed,
        )
    }

    /// Whether this marker was taken note of.
    pub fn is_taken(&self, status: &WorkspaceStatus) -> bool {
        status.committed.as_ref().is_some_and(|taken| taken.commit == self.commit)
    }
}

/// The manifest of a workspace as the bucket has it now; empty when nothing is left of it.
pub async fn manifest(bucket: &dyn Bucket, workspace: &WorkspaceName) -> Result<Manifest, BucketError> {
    Ok(listing(bucket, workspace).await?.manifest)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::memory::MemoryBucket;

    #[tokio::test]
    async fn what_an_editor_leaves_is_neither_source_nor_newer_than_a_commit() {
        let bucket = MemoryBucket::new("b");
        let app = "app".parse().unwrap();
        let put = async |key: &str, body: &'static [u8]| {
            bucket.put(key, Bytes::from_static(body)).await.unwrap();
        };
        put("app/index.js", b"x").await;
        put("app/.cloudyknight/commit", b"x").await;
        let before = listing(&bucket, &app).await.unwrap();
        for key in ["app/.index.js.swp", "app/src/index.js~", "app/.#index.js"] {
            put(key, b"x").await;
        }
        put("app/4913", b"").await;
        assert_eq!(listing(&bucket, &app).await.unwrap(), before);
        put("app/4913", b"a file of the app").await;
        assert_eq!(listing(&bucket, &app).await.unwrap().newer, ["4913"]);
    }

    #[tokio::test]
    async fn the_platform_s_folder_is_no_source_and_its_marker_tells_what_is_newer() {
        let bucket = MemoryBucket::new("b");
        let app = "app".parse().unwrap();
        let put = async |key: &str| drop(bucket.put(key, Bytes::from_static(b"x")).await.unwrap());
        for key in ["app/a", "app/.cloudyknight-not/b", "app2/x"] {
            put(key).await;
        }
        let before = listing(&bucket, &app).await.unwrap();
        assert_eq!((before.commit.clone(), before.announces_commits), (None, false));
        put("app/.cloudyknight/").await;
        put("app/.cloudyknight/commit").await;
        put("app/late").await;
        let after = listing(&bucket, &app).await.unwrap();
        assert!(after.commit.is_some() && after.announces_commits);
        assert_eq!(after.newer, ["late"]);
        let paths: Vec<_> = after.manifest.entries.keys().cloned().collect();
        assert_eq!(paths, [".cloudyknight-not/b", "a", "late"]);
        let first = after.commit;
        put("app/.cloudyknight/commit").await;
        let again = listing(&bucket, &app).await.unwrap();
        assert_ne!(again.commit, first);
        assert_eq!(again.newer, [""; 0]);
    }
}
