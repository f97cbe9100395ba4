//! Writing under a condition, also where the server knows none.

use futures::future::BoxFuture;

use super::answer::{self, Cause};
use super::bucket::{S3Bucket, SdkFailure};
use super::verdict::{self, Verdict};
use crate::bucket::{BucketError, Condition};

/// Why a write under a condition did not happen.
pub(super) enum Declined {
    /// The server does not know conditions.
    NotImplemented,
    Failed(BucketError),
}

impl From<BucketError> for Declined {
    fn from(error: BucketError) -> Self {
        Self::Failed(error)
    }
}

impl S3Bucket {
    /// Whether the server holds writes to their conditions: both kinds, tried on `scratch_key`, which is deleted after.
    /// Some servers refuse the headers, and others ignore them, which only a try can tell.
    pub async fn conditional_writes(&self, scratch_key: &str) -> Result<bool, BucketError> {
        use crate::bucket::Bucket;
        self.put(scratch_key, "tried by the platform, to be deleted".into()).await?;
        let mut holds = true;
        for condition in [Condition::Absent, Condition::Unchanged("0".repeat(32))] {
            let write = self.put_under(scratch_key, "".into(), Some(condition));
            match write.await {
                Err(Declined::Failed(BucketError::Changed { .. })) => {}
                Err(Declined::NotImplemented) | Ok(_) => holds = false,
                Err(Declined::Failed(error)) => return Err(error),
            }
        }
        self.delete(scratch_key).await?;
        Ok(holds)
    }

    /// Whether this identity may write and delete here: both are tried on `scratch_key`, under a condition that no object
    /// fulfils, so that nothing is written where the server knows conditions.
    pub async fn may_write(&self, scratch_key: &str) -> Result<(), BucketError> {
        use crate::bucket::Bucket;
        let never = || Some(Condition::Unchanged("0".repeat(32)));
        match self.put_under(scratch_key, "".into(), never()).await {
            Err(Declined::Failed(BucketError::Changed { .. })) => {}
            // It was written, whatever the condition.
            Ok(_) => return self.delete(scratch_key).await,
            Err(Declined::NotImplemented) => {
                self.put(scratch_key, "".into()).await?;
                return self.delete(scratch_key).await;
            }
            Err(Declined::Failed(error)) => return Err(error),
        }
        match self.delete_under(scratch_key, never()).await {
            Err(Declined::Failed(BucketError::Changed { .. })) | Ok(()) => Ok(()),
            Err(Declined::NotImplemented) => self.delete(scratch_key).await,
            Err(Declined::Failed(error)) => Err(error),
        }
    }

    /// Calls `write` with the condition; or, where the server has none, asks first and calls it without.
    pub(super) async fn conditionally<'b, T>(
        &'b self,
        key: &'b str,
        condition: &Condition,
        write: impl Fn(Option<Condition>) -> BoxFuture<'b, Result<T, Declined>> + Send,
    ) -> Result<T, BucketError> {
        if !self.site.is_unconditional(&self.name) {
            match write(Some(condition.clone())).await {
                Ok(written) => return Ok(written),
                Err(Declined::Failed(error)) => return Err(error),
                Err(Declined::NotImplemented) => self.learn_unconditional(),
            }
        }
        self.ask(key, condition).await?;
        match write(None).await {
            Ok(written) => Ok(written),
            Err(Declined::Failed(error)) => Err(error),
            Err(Declined::NotImplemented) => {
                Err(self.refused("put", key, "the server does not implement PutObject"))
            }
        }
    }

    fn learn_unconditional(&self) {
        if self.site.learn_unconditional(&self.name) {
            tracing::warn!(
                bucket = self.name,
                "the server knows no conditional writes: each is checked first and written then, so that a writer in \
                 between is not noticed; let one agent at a time write to this bucket"
            );
        }
    }

    /// Whether the condition holds right now.
    pub(super) async fn ask(&self, key: &str, condition: &Condition) -> Result<(), BucketError> {
        let answer = self.client.head_object().bucket(&self.name).key(key).send().await;
        let found = match answer {
            Ok(head) => Some(super::bucket::unquoted(head.e_tag().unwrap_or_default()).to_owned()),
            Err(error) if verdict::is_missing_object(&error) => None,
            Err(error) => return Err(self.error("look at", key, error)),
        };
        let holds = match condition {
            Condition::Absent => found.is_none(),
            Condition::Unchanged(etag) => found.as_ref() == Some(etag),
        };
        if holds {
            Ok(())
        } else {
            Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() })
        }
    }

    /// An error of a write that had a condition. That there is nothing to match, or that another write was under way,
    /// means the same as another version: somebody else was there.
    pub(super) fn declined<E: SdkFailure>(
        &self,
        operation: &'static str,
        key: &str,
        error: super::bucket::Failure<E>,
    ) -> Declined {
        let code = answer::code(&error).unwrap_or_default();
        if verdict::is_not_implemented(&error) {
            return Declined::NotImplemented;
        }
        let elsewhere = verdict::of(&error) == Verdict::NoKey
            || matches!(code, "ConditionalRequestConflict" | "PreconditionFailed");
        if elsewhere {
            return Declined::Failed(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() });
        }
        Declined::Failed(self.error(operation, key, error))
    }

    pub(super) fn refused(&self, operation: &'static str, key: &str, why: impl Into<Cause>) -> BucketError {
        BucketError::Refused { bucket: self.name.clone(), operation, key: key.to_owned(), source: why.into() }
    }
}
