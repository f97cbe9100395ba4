//! What differs between two releases, file by file, and line by line where the files are text. Bounded in what it reads
//! and in what it answers, whatever the files are.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::difference::{Change, Difference, FileDifference, NoText};
use cloudyknight_core::release::{ContentDigest, Release};
use futures::{StreamExt, TryStreamExt};
use similar::TextDiff;

use super::{ReleaseError, Releases};

/// The largest file that is compared line by line, in bytes.
const LARGEST: u64 = 512 << 10;
/// The most that all the lines together take, in bytes.
const ALL_TEXT: usize = 4 << 20;
/// How long one file is compared at the finest: after that the result is right, and coarser.
const FINE: Duration = Duration::from_millis(500);
const CONTEXT: usize = 3;
const PARALLEL: usize = 8;

impl Releases {
    pub async fn difference(&self, from: &Release, to: &Release) -> Result<Difference, ReleaseError> {
        let mut files = between(from, to);
        let mut room = ALL_TEXT;
        // One after the other as they are listed, so that the answer does not depend on who is faster.
        let texts = files.iter().map(|file| self.text(from, to, file));
        let texts: Vec<_> = texts.collect();
        let mut texts = futures::stream::iter(texts).buffered(PARALLEL);
        let mut at = 0;
        while let Some(text) = texts.try_next().await? {
            (files[at].text, files[at].no_text) = match text {
                Ok(text) if text.len() <= room => {
                    room -= text.len();
                    (Some(text), None)
                }
                Ok(_) => (None, Some(NoText::TooLarge)),
                Err(why) => (None, Some(why)),
            };
            at += 1;
        }
        drop(texts);
        Ok(Difference {
            version: Difference::VERSION,
            workspace: to.workspace.clone(),
            from: from.digest.clone(),
            to: to.digest.clone(),
            files,
        })
    }

    /// The lines of one file that differ.
    fn text(
        &self,
        from: &Release,
        to: &Release,
        file: &FileDifference,
    ) -> impl Future<Output = Result<Result<String, NoText>, ReleaseError>> + use<'_> {
        let path = file.path.clone();
        let is_large = file.size_before.max(file.size_after).is_some_and(|size| size > LARGEST);
        let side = |release: &Release, size: Option<u64>| match size {
            Some(size) => Some((release.content.get(&path).cloned()?, size, release.digest.clone())),
            None => None,
        };
        let (before, after) = (side(from, file.size_before), side(to, file.size_after));
        let is_file =
            before.is_some() == file.size_before.is_some() && after.is_some() == file.size_after.is_some();
        let workspace = to.workspace.clone();
        async move {
            if !is_file {
                return Ok(Err(NoText::NoFile));
            }
            if is_large {
                return Ok(Err(NoText::TooLarge));
            }
            let read = async |side: Option<(ContentDigest, u64, _)>| match side {
                None => Ok(Bytes::new()),
                Some((digest, size, release)) => {
                    self.content(&workspace, &release, &path, &digest, size).await
                }
            };
            let (old, new) = futures::try_join!(read(before.clone()), read(after.clone()))?;
            let (Some(old), Some(new)) = (text_of(&old), text_of(&new)) else {
                return Ok(Err(NoText::Binary));
            };
            let header =
                |letter: &str, side: bool| if side { format!("{letter}/{path}") } else { "/dev/null".into() };
            let header = (header("a", before.is_some()), header("b", after.is_some()));
            let compared = tokio::task::spawn_blocking(move || unified(&old, &new, &header));
            Ok(Ok(compared.await.expect("comparing does not panic")))
        }
    }

    /// The bytes of a small file of a release.
    async fn content(
        &self,
        workspace: &cloudyknight_core::workspace::WorkspaceName,
        release: &cloudyknight_core::manifest::ReleaseDigest,
        path: &str,
        digest: &ContentDigest,
        size: u64,
    ) -> Result<Bytes, ReleaseError> {
        let failed = |source| match source {
            cloudyknight_store::bucket::BucketError::NotFound { .. } => {
                ReleaseError::damaged(workspace, release, format!("what `{path}` held is missing"))
            }
            source => ReleaseError::read(workspace, release, source),
        };
        let mut body = self.platform.get(&digest.key(workspace), None).await.map_err(failed)?.body;
        let mut bytes = Vec::new();
        while let Some(piece) = body.try_next().await.map_err(failed)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > size {
                break;
            }
        }
        if ContentDigest::of(&bytes) != *digest {
            let why = format!("what `{path}` held was changed");
            return Err(ReleaseError::damaged(workspace, release, why));
        }
        Ok(bytes.into())
    }
}

/// The paths that differ, without their text.
fn between(from: &Release, to: &Release) -> Vec<FileDifference> {
    let (old, new) = (&from.manifest.entries, &to.manifest.entries);
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |path: &&String| match (from.content.get(*path), to.content.get(*path)) {
        (Some(before), Some(after)) => before != after,
        _ => old.get(*path) != new.get(*path),
    };
    let difference = |path: &String| {
        let (before, after) = (old.get(path), new.get(path));
        FileDifference {
            path: path.clone(),
            change: match (before, after) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            },
            size_before: before.map(|entry| entry.size),
            size_after: after.map(|entry| entry.size),
            text: None,
            no_text: None,
        }
    };
    paths.into_iter().filter(differs).map(difference).collect()
}

/// `None` where it is no text: as git has it, text holds no zero byte.
fn text_of(bytes: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

fn unified(old: &str, new: &str, header: &(String, String)) -> String {
    let diff = TextDiff::configure().timeout(FINE).diff_lines(old, new);
    diff.unified_diff().context_radius(CONTEXT).header(&header.0, &header.1).to_string()
}
