//! Makes one bucket a copy of another, object by object, and verifies each by its digest.

use anyhow::Context;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition, Follow, Object};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;

use super::ledger::{Ledger, Refusal, Round};
use super::probe;
use super::{ROUNDS, Report};
use crate::errors::{hinted, sentence};

const PARALLEL: usize = 8;

pub async fn copy(
    from: &S3Bucket,
    to: &S3Bucket,
    delete: bool,
    progress: &ProgressBar,
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut ledger = Ledger::default();
    for _ in 0..ROUNDS {
        let mut here = from.list("").await?;
        here.retain(|object| !probe::is_probe(&object.key));
        let there = to.list("").await?;
        let round = ledger.next(&here, &there);
        if !delete {
            check(&round, to)?;
        }
        if round.work() == 0 {
            report.refused = ledger.refusals();
            report.objects = here.len().saturating_sub(report.refused.len());
            return Ok(report);
        }
        progress.inc_length(round.work() as u64);
        let Round { missing, doubtful, withdrawn, mut renamed, extra } = round;
        if !delete {
            renamed.clear();
        }
        // What lies over there under a wrong name goes first: it may be in the way of what belongs there.
        for keys in [withdrawn, renamed] {
            report.deleted += deleted(to, &keys, &mut ledger, progress).await?;
        }
        let copies = missing.iter().map(|(object, condition)| async move {
            let done = one(from, to, object, condition).await?;
            progress.inc(1);
            Ok::<_, anyhow::Error>((object, condition, done))
        });
        let copied: Vec<_> = stream::iter(copies).buffer_unordered(PARALLEL).try_collect().await?;
        for (object, condition, done) in copied {
            note(done, object, condition, &mut ledger, &mut report);
        }
        for (object, condition) in &doubtful {
            let done = compared(from, to, object, condition).await?;
            note(done, object, condition, &mut ledger, &mut report);
            progress.inc(1);
        }
        report.deleted += deleted(to, &extra, &mut ledger, progress).await?;
    }
    let message = format!("s3://{} changes faster than it can be copied", from.name());
    Err(hinted(
        message,
        "stop what pushes to it, or the platform, and run this again: it goes on where it was",
    ))
}

/// Without leave to delete, what is not ours has to be gone before anything is copied.
fn check(round: &Round, to: &S3Bucket) -> anyhow::Result<()> {
    if let Some(key) = round.extra.first() {
        let count = round.extra.len();
        let message = format!(
            "s3://{} over there holds {count} objects that are not here, `{key}` among them",
            to.name()
        );
        return Err(hinted(message, "--delete deletes them; or name an empty bucket"));
    }
    // What was written under another name goes with the key that was written, or it never does.
    match round.renamed.first() {
        Some(key) if round.withdrawn.is_empty() => {
            let message =
                format!("s3://{} over there made `{key}` of a key that is called otherwise", to.name());
            Err(hinted(message, "give that key another name here, or name another store"))
        }
        _ => Ok(()),
    }
}

/// What became of one object.
enum Done {
    /// So many bytes, read again and found equal.
    Copied(u64),
    /// Written, and not there when it was read again.
    Written,
    Equal,
    Taken,
    /// Either side moved on meanwhile: the next round sees how.
    MovedOn,
    Refused(Refusal),
}

fn note(done: Done, object: &Object, condition: &Condition, ledger: &mut Ledger, report: &mut Report) {
    match done {
        Done::Copied(bytes) => {
            ledger.wrote(object, condition);
            report.copied += 1;
            report.verified += 1;
            report.copied_bytes += bytes;
        }
        Done::Written => ledger.wrote(object, condition),
        Done::Equal => {
            ledger.found_equal(object, condition);
            report.verified += 1;
        }
        Done::Taken => ledger.found_taken(object),
        Done::MovedOn => {}
        Done::Refused(refusal) => ledger.refuse(refusal),
    }
}

/// Copies one object and reads it again over there.
async fn one(from: &S3Bucket, to: &S3Bucket, object: &Object, condition: &Condition) -> anyhow::Result<Done> {
    let key = &object.key;
    let copied = match from.copy_to(key, to, Some(condition)).await {
        Ok(copied) => copied,
        Err(BucketError::Changed { .. }) if *condition == Condition::Absent => return Ok(Done::Taken),
        Err(error) => return passed(key, error).with_context(|| format!("could not copy `{key}`")),
    };
    let there = match to.digest(key).await {
        Ok(there) => there,
        Err(BucketError::NotFound { .. }) => return Ok(Done::Written),
        Err(error) => return passed(key, error).with_context(|| format!("could not read `{key}` again")),
    };
    if there != copied.blake3 {
        let message =
            format!("`{key}` was sent with the digest {}, and reads as {there} over there", copied.blake3);
        return Err(hinted(
            message,
            "run this again; if it happens again, the store over there is not to be trusted",
        ));
    }
    Ok(Done::Copied(copied.size))
}

/// Copies an object unless its content is over there already, whatever its ETag is.
async fn compared(
    from: &S3Bucket,
    to: &S3Bucket,
    object: &Object,
    condition: &Condition,
) -> anyhow::Result<Done> {
    let key = &object.key;
    match futures::try_join!(from.digest(key), to.digest(key)) {
        Ok((ours, theirs)) if ours == theirs => Ok(Done::Equal),
        Ok(_) => one(from, to, object, condition).await,
        Err(error) => passed(key, error).with_context(|| format!("could not compare `{key}`")),
    }
}

/// Deletes over there what is not to be there, and answers how much of it could be.
async fn deleted(
    to: &S3Bucket,
    keys: &[String],
    ledger: &mut Ledger,
    progress: &ProgressBar,
) -> anyhow::Result<usize> {
    let deletions = keys.iter().map(|key| async move {
        let refused = match to.delete(key).await {
            Ok(()) => None,
            Err(error) => Some(passed(key, error).with_context(|| format!("could not delete `{key}`"))?),
        };
        progress.inc(1);
        Ok::<_, anyhow::Error>((key, refused))
    });
    let ended: Vec<_> = stream::iter(deletions).buffer_unordered(PARALLEL).try_collect().await?;
    let mut count = 0;
    for (key, refused) in ended {
        match refused {
            None => {
                ledger.deleted(key);
                count += 1;
            }
            Some(Done::Refused(refusal)) => ledger.refuse(refusal),
            Some(_) => {}
        }
    }
    Ok(count)
}

/// What concerns only this object does not keep the others back; an outage ends the run.
fn passed(key: &str, error: BucketError) -> Result<Done, BucketError> {
    match error.follow() {
        Follow::ListAgain => Ok(Done::MovedOn),
        Follow::Retry => Err(error),
        Follow::Human => {
            let hint = cloudyknight_store::hint::of(&error);
            let reason = sentence(&error.into());
            Ok(Done::Refused(Refusal { key: key.to_owned(), reason, hint }))
        }
    }
}
