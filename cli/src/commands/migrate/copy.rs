//! Makes one bucket a copy of another, object by object, and verifies each by its digest.

use std::collections::BTreeMap;

use anyhow::Context;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition, Object};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;

use super::difference::{Difference, difference};
use super::{ROUNDS, Report};
use crate::errors::hinted;

const PARALLEL: usize = 8;

pub async fn copy(
    from: &S3Bucket,
    to: &S3Bucket,
    delete: bool,
    progress: &ProgressBar,
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    // Contents that were compared and are equal though the servers made up other ETags.
    let mut equal: BTreeMap<String, (String, String)> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let here = from.list("").await?;
        let there = to.list("").await?;
        let mut difference = difference(&here, &there);
        difference.doubtful.retain(|(object, condition)| {
            let Condition::Unchanged(etag) = condition else { return true };
            equal.get(&object.key) != Some(&(object.etag.clone(), etag.clone()))
        });
        let Difference { missing, doubtful, extra } = difference;
        report.objects = here.len();
        if !extra.is_empty() && !delete {
            let message = format!(
                "s3://{} over there holds {} objects that are not here, `{}` among them",
                to.name(),
                extra.len(),
                extra[0]
            );
            return Err(hinted(message, "--delete deletes them; or name an empty bucket"));
        }
        if missing.is_empty() && doubtful.is_empty() && extra.is_empty() {
            return Ok(report);
        }
        progress.inc_length((missing.len() + doubtful.len() + extra.len()) as u64);
        let copies = missing.iter().map(|(object, condition)| async move {
            let copied = one(from, to, object, condition).await;
            progress.inc(1);
            copied
        });
        let copied: Vec<Option<u64>> = stream::iter(copies).buffer_unordered(PARALLEL).try_collect().await?;
        for bytes in copied.into_iter().flatten() {
            report.copied += 1;
            report.verified += 1;
            report.copied_bytes += bytes;
        }
        for (object, condition) in &doubtful {
            let (ours, theirs) = futures::try_join!(from.digest(&object.key), to.digest(&object.key))?;
            if ours == theirs {
                let Condition::Unchanged(etag) = condition else { continue };
                equal.insert(object.key.clone(), (object.etag.clone(), etag.clone()));
                report.verified += 1;
            } else if let Some(bytes) = one(from, to, object, condition).await? {
                report.copied += 1;
                report.verified += 1;
                report.copied_bytes += bytes;
            }
            progress.inc(1);
        }
        let deletions = extra.iter().map(|key| async move {
            to.delete(key).await?;
            progress.inc(1);
            Ok::<(), BucketError>(())
        });
        stream::iter(deletions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        report.deleted += extra.len();
    }
    let message = format!("s3://{} changes faster than it can be copied", from.name());
    Err(hinted(
        message,
        "stop what pushes to it, or the platform, and run this again: it goes on where it was",
    ))
}

/// Copies one object and reads it again over there. `None` when either side moved on meanwhile: the next round sees how.
async fn one(
    from: &S3Bucket,
    to: &S3Bucket,
    object: &Object,
    condition: &Condition,
) -> anyhow::Result<Option<u64>> {
    let key = &object.key;
    let copied = match from.copy_to(key, to, Some(condition)).await {
        Err(BucketError::Changed { .. } | BucketError::NotFound { .. }) => return Ok(None),
        copied => copied.with_context(|| format!("could not copy `{key}`"))?,
    };
    let there = to.digest(key).await.with_context(|| format!("could not read `{key}` again"))?;
    if there != copied.blake3 {
        let message =
            format!("`{key}` was sent with the digest {}, and reads as {there} over there", copied.blake3);
        return Err(hinted(
            message,
            "run this again; if it happens again, the store over there is not to be trusted",
        ));
    }
    Ok(Some(copied.size))
}
