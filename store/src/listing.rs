//! The listing of a workspace, as everything that compares releases makes it: the same objects must give the same
//! digest to whoever lists them.

use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::workspace::WorkspaceName;

use crate::bucket::{Bucket, BucketError};

/// The manifest of a workspace as the bucket has it now; empty when nothing is left of it.
pub async fn manifest(bucket: &dyn Bucket, workspace: &WorkspaceName) -> Result<Manifest, BucketError> {
    let prefix = workspace.prefix();
    let objects = bucket.list(&prefix).await?;
    let entries = objects.into_iter().filter_map(|object| {
        let path = object.key.strip_prefix(&prefix)?.to_owned();
        Some((path, Entry { etag: object.etag, size: object.size }))
    });
    Ok(Manifest { entries: entries.collect() })
}
