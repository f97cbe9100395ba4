//! A bucket that fails on demand.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{Fault, Faults, Injected};
use crate::bucket::{Bucket, BucketError, Condition, Content, Object, TopLevel};

pub struct FailingBucket {
    inner: Arc<dyn Bucket>,
    faults: Faults<BucketOperation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketOperation {
    List,
    Folders,
    Get,
    /// A body that breaks off: after its first piece, whatever the fault.
    Body,
    Put,
    Delete,
}

impl FailingBucket {
    pub fn new(inner: Arc<dyn Bucket>) -> Self {
        Self { inner, faults: Faults::none() }
    }

    /// The next `times` calls of `operation` fail; later ones work again.
    pub fn fail_next(&self, operation: BucketOperation, times: usize, fault: Fault) {
        self.faults.plan(operation, times, fault);
    }

    /// Every call for which `decide` names a fault fails; it is given the operation and the key or prefix.
    pub fn fail_when(&self, decide: impl FnMut(BucketOperation, &str) -> Option<Fault> + Send + 'static) {
        self.faults.decide(decide);
    }

    /// From now on everything works.
    pub fn heal(&self) {
        self.faults.clear();
    }

    async fn call<T>(
        &self,
        operation: BucketOperation,
        key: &str,
        call: impl Future<Output = Result<T, BucketError>> + Send,
    ) -> Result<T, BucketError> {
        match self.faults.next(operation, key) {
            None => call.await,
            Some(fault) => {
                if fault == Fault::AnswerLost {
                    call.await?;
                }
                Err(operation.error(fault, key))
            }
        }
    }
}

#[async_trait]
impl Bucket for FailingBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        self.call(BucketOperation::List, prefix, self.inner.list(prefix)).await
    }

    async fn top_level(&self) -> Result<TopLevel, BucketError> {
        self.call(BucketOperation::Folders, "", self.inner.top_level()).await
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        let content = self.call(BucketOperation::Get, key, self.inner.get(key, etag)).await?;
        let Some(fault) = self.faults.next(BucketOperation::Body, key) else {
            return Ok(content);
        };
        let error = BucketOperation::Body.error(fault, key);
        let body = content.body.take(1).chain(stream::iter([Err(error)])).boxed();
        Ok(Content { object: content.object, body })
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        self.call(BucketOperation::Put, key, self.inner.put(key, body)).await
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        self.call(BucketOperation::Put, key, self.inner.put_file(key, path)).await
    }

    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError> {
        self.call(BucketOperation::Put, key, self.inner.put_if(key, body, condition)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.call(BucketOperation::Delete, key, self.inner.delete(key)).await
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        self.call(BucketOperation::Delete, key, self.inner.delete_if(key, etag)).await
    }
}

impl BucketOperation {
    fn error(self, fault: Fault, key: &str) -> BucketError {
        let operation = match self {
            Self::List => "list",
            Self::Folders => "list the folders of",
            Self::Get => "get",
            Self::Body => "read",
            Self::Put => "put",
            Self::Delete => "delete",
        };
        let (bucket, key, source) = ("failing".to_owned(), key.to_owned(), Box::new(Injected));
        match fault {
            Fault::Refused => BucketError::Refused { bucket, operation, key, source },
            Fault::Unavailable | Fault::AnswerLost => {
                BucketError::Unavailable { bucket, operation, key, source }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryBucket;

    fn failing() -> FailingBucket {
        FailingBucket::new(Arc::new(MemoryBucket::new("b")))
    }

    #[tokio::test]
    async fn planned_calls_fail_and_later_ones_work() {
        let bucket = failing();
        bucket.fail_next(BucketOperation::Put, 2, Fault::Unavailable);
        for _ in 0..2 {
            assert!(matches!(bucket.put("k", Bytes::new()).await, Err(BucketError::Unavailable { .. })));
        }
        assert_eq!(bucket.list("").await.unwrap(), []);
        bucket.put("k", Bytes::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_its_effect() {
        let bucket = failing();
        bucket.fail_next(BucketOperation::Put, 1, Fault::AnswerLost);
        assert!(matches!(bucket.put("k", Bytes::new()).await, Err(BucketError::Unavailable { .. })));
        assert_eq!(bucket.list("").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_body_can_break_off_in_the_middle() {
        let bucket = failing();
        bucket.put("k", Bytes::from(vec![0; 200_000])).await.unwrap();
        bucket.fail_next(BucketOperation::Body, 1, Fault::Unavailable);
        let content = bucket.get("k", None).await.unwrap();
        let pieces: Vec<_> = content.body.collect().await;
        assert!(matches!(&pieces[..], [Ok(_), Err(BucketError::Unavailable { .. })]));
    }

    #[tokio::test]
    async fn a_closure_picks_the_keys_that_fail() {
        let bucket = failing();
        bucket.fail_when(|_, key| key.starts_with("bad").then_some(Fault::Refused));
        assert!(matches!(bucket.put("bad/1", Bytes::new()).await, Err(BucketError::Refused { .. })));
        bucket.put("good/1", Bytes::new()).await.unwrap();
        bucket.heal();
        bucket.put("bad/1", Bytes::new()).await.unwrap();
    }
}
