//! `cloudyknight push`: makes the bucket's folder equal to a local one, through S3, and waits until it is live.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::Bucket;
use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;

use super::wait;
use crate::client::Client;
use crate::errors::hinted;
use crate::home::Home;
use crate::s3;

/// Never source: what package managers and version control keep beside it.
const LEFT_OUT: [&str; 2] = ["node_modules", ".git"];
const PARALLEL: usize = 8;

pub async fn run(
    home: &Home,
    dir: &Path,
    name: Option<String>,
    timeout: u64,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let dir = dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))?;
    let name = workspace(&dir, name)?;
    let files = files(&dir)?;
    if files.is_empty() {
        let message = format!("{} holds no file, and pushing it would delete `{name}`", dir.display());
        return Err(hinted(message, format!("`cloudyknight rm {name}` deletes a workspace")));
    }
    let bucket = s3::workspaces(home).await?;
    let (uploaded, deleted) = make_equal(&bucket, &name, &files, json).await?;
    if !json {
        anstream::eprintln!(
            "files uploaded: {uploaded}, deleted: {deleted}, unchanged: {}",
            files.len() - uploaded
        );
    }
    let client = Client::new(home)?;
    if uploaded + deleted > 0 {
        wait::hurry(home, &client, name.as_str()).await?;
    }
    match wait::wait(&client, name.as_str(), None, timeout).await? {
        Some(status) => wait::tell(&status, json),
        None => Err(hinted(
            format!("`{name}` is uploaded, but was neither live nor failed after {timeout} s"),
            format!("`cloudyknight status {name}` tells what it is doing"),
        )),
    }
}

fn workspace(dir: &Path, name: Option<String>) -> anyhow::Result<WorkspaceName> {
    let hint = "say the name: `cloudyknight push DIR NAME`";
    let folder = || dir.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name
        .or_else(folder)
        .ok_or_else(|| hinted("the folder has no name that can be one of a workspace", hint))?;
    name.parse().map_err(|error: cloudyknight_core::workspace::InvalidName| hinted(error.to_string(), hint))
}

/// Path inside the workspace → file.
fn files(dir: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not list {}", folder.display()))?;
            let name = entry.file_name().into_string();
            let name =
                name.map_err(|name| anyhow::anyhow!("the file name {name:?} is no UTF-8, as S3 wants it"))?;
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let path = format!("{prefix}{name}");
            // Links are followed: the bucket holds content, not links.
            let kind =
                std::fs::metadata(entry.path()).with_context(|| format!("could not look at {path}"))?;
            if kind.is_dir() {
                anyhow::ensure!(
                    path.matches('/').count() < 64,
                    "{path} lies too deep; is it a link to its own folder?"
                );
                folders.push((entry.path(), format!("{path}/")));
            } else {
                files.insert(path, entry.path());
            }
        }
    }
    Ok(files)
}

/// Uploads what differs, then deletes what is gone. Answers how many of each.
async fn make_equal(
    bucket: &S3Bucket,
    name: &WorkspaceName,
    files: &BTreeMap<String, PathBuf>,
    quiet: bool,
) -> anyhow::Result<(usize, usize)> {
    let prefix = name.prefix();
    let there: BTreeMap<String, String> = bucket
        .list(&prefix)
        .await?
        .into_iter()
        .filter_map(|object| Some((object.key.strip_prefix(&prefix)?.to_owned(), object.etag)))
        .collect();
    let mut changed = Vec::new();
    for (path, file) in files {
        if there.get(path) != Some(&etag(file)?) {
            changed.push((path, file));
        }
    }
    let progress = if quiet { ProgressBar::hidden() } else { ProgressBar::new(changed.len() as u64) };
    let uploads = changed.iter().map(|(path, file)| {
        let (key, progress) = (format!("{prefix}{path}"), progress.clone());
        async move {
            bucket.put_file(&key, file).await?;
            progress.inc(1);
            Ok::<(), anyhow::Error>(())
        }
    });
    futures::stream::iter(uploads).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    progress.finish_and_clear();
    let gone: Vec<String> = there
        .keys()
        .filter(|path| !files.contains_key(*path))
        .map(|path| format!("{prefix}{path}"))
        .collect();
    let deletions = gone.iter().map(|key| bucket.delete(key));
    futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    Ok((changed.len(), gone.len()))
}

/// The ETag of an object uploaded in one piece: the MD5 of its content.
fn etag(file: &Path) -> anyhow::Result<String> {
    use std::io::BufRead;

    use md5::Digest;
    let read = || {
        let mut reader = std::io::BufReader::with_capacity(256 * 1024, std::fs::File::open(file)?);
        let mut hasher = md5::Md5::new();
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                return Ok::<String, std::io::Error>(hex::encode(hasher.finalize()));
            }
            hasher.update(piece);
            let read = piece.len();
            reader.consume(read);
        }
    };
    read().with_context(|| format!("could not read {}", file.display()))
}
