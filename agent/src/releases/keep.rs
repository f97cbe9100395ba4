//! A release on its way into the platform bucket, and out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cloudyknight_core::manifest::{Entry, Manifest};
use cloudyknight_core::release::{ContentDigest, Release};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};
use futures::{StreamExt, TryStreamExt};

use super::desk::Desk;
use super::error::ReleaseError;
use crate::board::now;
use crate::source::{Layout, Origin, Place, Source, SourceError};

/// How many objects are written at the same time.
pub(super) const PARALLEL: usize = 16;

pub(super) async fn keep(
    platform: &dyn Bucket,
    desk: &Desk,
    workspace: &WorkspaceName,
    manifest: &Manifest,
    source: &Source,
) -> Result<(), ReleaseError> {
    let release = Release::new(workspace.clone(), now(), manifest.clone(), source.content.clone());
    let failed =
        |source| ReleaseError::Keep { workspace: workspace.clone(), release: release.digest.clone(), source };
    let (missing, reservation) = {
        let shelf = desk.open(platform, workspace).await?;
        desk.note_latest(&release.digest);
        let rotten = desk.rotten(source.content.values());
        if shelf.holds(&release.digest) && !desk.is_damaged(&release.digest) && rotten.is_empty() {
            return Ok(());
        }
        let wanted: BTreeMap<&ContentDigest, &String> =
            source.content.iter().map(|(path, digest)| (digest, path)).collect();
        let reservation = desk.reserve(wanted.keys().map(|digest| (*digest).clone()).collect());
        let missing =
            wanted.into_iter().filter(|(digest, _)| !shelf.has_content(digest) || rotten.contains(*digest));
        let missing: Vec<(ContentDigest, PathBuf)> =
            missing.map(|(digest, path)| (digest.clone(), source.path.join(path))).collect();
        (missing, reservation)
    };
    // Others may pin and collect while a large upload is under way; what it counts on stays.
    let mut uploads = Vec::with_capacity(missing.len());
    for (digest, path) in &missing {
        let key = digest.key(workspace);
        uploads.push(async move { platform.put_file(&key, path).await });
    }
    let sent: Result<Vec<String>, BucketError> =
        futures::stream::iter(uploads).buffer_unordered(PARALLEL).try_collect().await;
    sent.map_err(failed)?;

    let mut shelf = desk.open(platform, workspace).await?;
    let mut writing = shelf.begin();
    let key = Release::key(workspace, &release.digest);
    platform.put(&key, release.to_json().into()).await.map_err(failed)?;
    missing.iter().for_each(|(digest, _)| writing.add_content(digest));
    writing.add(&release);
    writing.done();
    reservation.done();
    desk.trust(&release.digest, missing.iter().map(|(digest, _)| digest));
    Ok(())
}

pub(super) async fn fetch(
    platform: &dyn Bucket,
    desk: &Desk,
    place: &Place<'_>,
    release: &Release,
) -> Result<Source, ReleaseError> {
    let workspace = place.workspace;
    let layout = Layout::of(&release.manifest);
    if let Some(path) = layout.files.keys().find(|path| !release.content.contains_key(*path)) {
        let why = format!("it does not say what `{path}` held");
        return Err(ReleaseError::damaged(workspace, &release.digest, why));
    }
    let origin = |path: &str, _: &Entry| {
        let digest = release.content[path].clone();
        Origin { key: digest.key(workspace), etag: None, digest: Some(digest) }
    };
    let damaged = |path: String, how: &str| {
        desk.distrust_content(&release.content[&path]);
        ReleaseError::damaged(workspace, &release.digest, format!("what `{path}` held {how}"))
    };
    match Source::make(platform, place, &release.manifest, &origin).await {
        Ok(source) => Ok(source),
        Err(SourceError::Bucket { path, source: BucketError::NotFound { .. } }) => {
            Err(damaged(path, "is missing"))
        }
        Err(SourceError::Other { path }) => Err(damaged(path, "was changed")),
        Err(source) => {
            let (workspace, release) = (workspace.clone(), release.digest.clone());
            Err(ReleaseError::Source { workspace, release, source })
        }
    }
}
