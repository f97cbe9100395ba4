//! Where a push goes: into the bucket through S3; or, for whoever has only a token, through the API.

use std::path::PathBuf;

use anyhow::Context;
use bytes::Bytes;
use cloudyknight_core::commit::{self, Gate, MARKER};
use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::listing::Listing;
use futures::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use super::archive;
use super::difference::{Difference, Object, There};
use super::source::Source;
use crate::client::{Client, workspace};
use crate::files;
use crate::home::Home;
use crate::output::Output;
use crate::s3;

/// Uploads at the same time.
const PARALLEL: usize = 16;
/// The same through the API, which takes 16 at once of all who upload.
const PARALLEL_IN_API: usize = 8;
/// As many files go one by one through the API; more go as one archive, which is one request.
const FEW: usize = 16;
/// What the API takes as one file, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

pub enum Target {
    S3(S3Bucket),
    Api,
}

impl Target {
    pub async fn of(home: &Home) -> anyhow::Result<Self> {
        Ok(if s3::is_reachable(home) { Self::S3(s3::workspaces(home).await?) } else { Self::Api })
    }

    /// What there is of a workspace.
    pub async fn list(&self, client: &Client, name: &WorkspaceName) -> anyhow::Result<There> {
        Ok(match self {
            Self::S3(bucket) => {
                let prefix = name.prefix();
                let objects = bucket.list(&prefix).await?.into_iter();
                let objects = objects.filter_map(|object| {
                    let path = object.key.strip_prefix(&prefix).filter(|path| !path.is_empty())?;
                    Some((path.to_owned(), Object { size: object.size, etag: object.etag }))
                });
                objects.collect()
            }
            Self::Api => {
                let files = files::through_api(client, name).await?.into_iter();
                files.map(|file| (file.path, Object { size: file.size_bytes, etag: file.etag })).collect()
            }
        })
    }

    /// Uploads what differs, then deletes what is gone, then commits where the workspace waits for that.
    pub async fn make_equal(
        &self,
        client: &Client,
        name: &WorkspaceName,
        source: &Source,
        difference: &Difference,
        there: &There,
        output: Output,
    ) -> anyhow::Result<()> {
        let commits = waits_for_commit(client, name, there).await;
        let uploads: Vec<Upload> = difference.upload.iter().map(|path| Upload::of(source, path)).collect();
        let bytes = uploads.iter().map(|upload| upload.size).sum();
        let progress = progress(bytes, output);
        let is_archive = uploads.len() > FEW || uploads.iter().any(|upload| upload.size > LARGEST);
        let done = match self {
            Self::S3(bucket) => through_s3(bucket, name, uploads, &difference.delete, &progress).await,
            Self::Api if is_archive => archive::upload(client, name, source, &progress).await,
            Self::Api => through_api(client, name, uploads, &difference.delete, &progress).await,
        };
        progress.finish_and_clear();
        done?;
        // A push is a whole: what waits for a commit is not to wait for somebody else's.
        match self {
            Self::S3(bucket) if commits => drop(bucket.put(&format!("{name}/{MARKER}"), marker()?).await?),
            // An archive is a commit of its own, and is still being taken.
            Self::Api if commits && !is_archive => {
                let marker = marker()?;
                let piece = async || Ok(futures::stream::iter([Ok(marker.clone())]));
                client.put(&files::in_api(name, MARKER), piece).await?;
            }
            Self::S3(_) | Self::Api => {}
        }
        Ok(())
    }

    /// Deletes every file of a workspace.
    pub async fn delete_all(&self, client: &Client, name: &WorkspaceName) -> anyhow::Result<()> {
        match self {
            Self::S3(bucket) => {
                // Also what lies in it that is no file, such as the folder itself.
                let objects = bucket.list(&name.prefix()).await?;
                let deletions = objects.iter().map(|object| bucket.delete(&object.key));
                Ok(futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect().await?)
            }
            Self::Api => {
                let path = workspace(name.as_str(), "");
                client.delete(path.trim_end_matches('/')).await.map(drop)
            }
        }
    }
}

struct Upload {
    path: String,
    at: PathBuf,
    size: u64,
}

impl Upload {
    fn of(source: &Source, path: &str) -> Self {
        let file = &source.files[path];
        Self { path: path.to_owned(), at: file.at.clone(), size: file.size }
    }
}

/// Whether files wait for a commit: while the workspace holds a marker; and before its first push, where that was announced.
async fn waits_for_commit(client: &Client, name: &WorkspaceName, there: &There) -> bool {
    if there.contains_key(MARKER) {
        return true;
    }
    if !there.keys().any(|path| commit::is_own(path)) {
        return false;
    }
    // Of one that nobody knows yet, nothing was deployed either.
    let known = client.get(workspace(name.as_str(), "").trim_end_matches('/')).await;
    let status = known.unwrap_or_else(|_| WorkspaceStatus::new(name.clone(), String::new()));
    let listing = Listing { announces_commits: true, ..Listing::default() };
    listing.gate(&status) == Gate::Closed
}

async fn through_s3(
    bucket: &S3Bucket,
    name: &WorkspaceName,
    uploads: Vec<Upload>,
    gone: &[String],
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let prefix = name.prefix();
    let uploads = uploads.into_iter().map(|Upload { path, at, size }| {
        let (key, bucket, progress) = (format!("{prefix}{path}"), bucket.clone(), progress.clone());
        // A task each, so that more than one processor has a share in them.
        let upload = tokio::spawn(async move {
            bucket.put_file(&key, &at).await?;
            progress.inc(size);
            Ok::<(), anyhow::Error>(())
        });
        async move { upload.await.context("an upload broke off")? }
    });
    futures::stream::iter(uploads).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    let keys: Vec<String> = gone.iter().map(|path| format!("{prefix}{path}")).collect();
    let deletions = keys.iter().map(|key| bucket.delete(key));
    futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    Ok(())
}

async fn through_api(
    client: &Client,
    name: &WorkspaceName,
    uploads: Vec<Upload>,
    gone: &[String],
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let uploads = uploads.into_iter().map(async |Upload { path, at, size }| {
        let pieces = async || {
            let file = tokio::fs::File::open(&at).await;
            Ok(ReaderStream::new(file.with_context(|| format!("could not read {}", at.display()))?))
        };
        client.put(&files::in_api(name, &path), pieces).await?;
        progress.inc(size);
        anyhow::Ok(())
    });
    futures::stream::iter(uploads).buffer_unordered(PARALLEL_IN_API).try_collect::<()>().await?;
    let deletions = gone.iter().map(async |path| client.delete(&files::in_api(name, path)).await.map(drop));
    futures::stream::iter(deletions).buffer_unordered(PARALLEL_IN_API).try_collect::<()>().await
}

/// Something else each time: the same content twice within a second is one commit.
fn marker() -> anyhow::Result<Bytes> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(hex::encode(random).into())
}

/// Only on a terminal, as `indicatif` has it.
fn progress(bytes: u64, output: Output) -> ProgressBar {
    if !output.talks() {
        return ProgressBar::hidden();
    }
    let style = "{bar:40.cyan/dim} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}
