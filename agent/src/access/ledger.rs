//! One document of the platform bucket, read back at the start, kept in memory for whoever asks, and changed only if it
//! still is what we know: what somebody else wrote meanwhile is read, and the change made to that.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub struct Ledger<T> {
    platform: Arc<dyn Bucket>,
    key: &'static str,
    known: Mutex<Arc<T>>,
    /// The version that we read or wrote last. Held while the document is changed.
    etag: tokio::sync::Mutex<Option<String>>,
}

/// How often somebody else may be quicker.
const TRIES: usize = 5;

impl<T: Clone + Default + Serialize + DeserializeOwned> Ledger<T> {
    /// A document that cannot be read is put aside and said so, and an empty one takes its place: nobody is let in by
    /// what nobody understands.
    pub async fn load(platform: Arc<dyn Bucket>, key: &'static str) -> Result<Self, BucketError> {
        let (known, etag) = match platform.get(key, None).await {
            Err(BucketError::NotFound { .. }) => (T::default(), None),
            Err(error) => return Err(error),
            Ok(content) => {
                let etag = content.object.etag.clone();
                let text = content.bytes().await?;
                let known = match serde_json::from_slice(&text) {
                    Ok(known) => known,
                    Err(error) => {
                        let aside = format!("{key}.damaged");
                        tracing::warn!(key, %error, aside, "a document cannot be read: it is put aside, and begun anew");
                        platform.put(&aside, text).await?;
                        T::default()
                    }
                };
                (known, Some(etag))
            }
        };
        Ok(Self { platform, key, known: Mutex::new(Arc::new(known)), etag: tokio::sync::Mutex::new(etag) })
    }

    pub fn get(&self) -> Arc<T> {
        self.known.lock().expect("nothing panics while it holds this").clone()
    }

    /// Changes the document. When it returns, that outlives this host; when it fails, nothing has changed here.
    pub async fn change<R, E: From<BucketError>>(
        &self,
        change: impl Fn(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut etag = self.etag.lock().await;
        let mut tries = 0;
        loop {
            let mut next = T::clone(&self.get());
            let result = change(&mut next)?;
            let text = Bytes::from(serde_json::to_vec(&next).expect("a document is plain data"));
            let condition = etag.clone().map_or(Condition::Absent, Condition::Unchanged);
            match self.platform.put_if(self.key, text, &condition).await {
                Ok(written) => {
                    *etag = Some(written);
                    self.set(next);
                    return Ok(result);
                }
                Err(BucketError::Changed { .. }) if tries < TRIES => {
                    tries += 1;
                    *etag = self.read_again().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What somebody else wrote, or we did without being told.
    async fn read_again(&self) -> Result<Option<String>, BucketError> {
        match self.platform.get(self.key, None).await {
            Err(BucketError::NotFound { .. }) => {
                self.set(T::default());
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(content) => {
                let etag = content.object.etag.clone();
                match serde_json::from_slice(&content.bytes().await?) {
                    Ok(known) => self.set(known),
                    Err(error) => {
                        tracing::warn!(key = self.key, %error, "what somebody else wrote cannot be read, and is replaced");
                    }
                }
                Ok(Some(etag))
            }
        }
    }

    fn set(&self, known: T) {
        *self.known.lock().expect("nothing panics while it holds this") = Arc::new(known);
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
    use cloudyknight_store::memory::MemoryBucket;

    use super::*;

    const KEY: &str = "access/numbers.json";

    fn bucket() -> Arc<FailingBucket> {
        Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight"))))
    }

    async fn load(bucket: &Arc<FailingBucket>) -> Ledger<Vec<u32>> {
        Ledger::load(bucket.clone(), KEY).await.unwrap()
    }

    async fn add(ledger: &Ledger<Vec<u32>>, number: u32) -> Result<(), BucketError> {
        ledger
            .change(|numbers| {
                numbers.push(number);
                Ok(())
            })
            .await
    }

    #[tokio::test]
    async fn what_was_changed_is_read_back_at_the_next_start() {
        let bucket = bucket();
        let ledger = load(&bucket).await;
        add(&ledger, 1).await.unwrap();
        add(&ledger, 2).await.unwrap();
        assert_eq!(*load(&bucket).await.get(), [1, 2]);
    }

    #[tokio::test]
    async fn a_change_that_could_not_be_written_has_not_happened() {
        let bucket = bucket();
        let ledger = load(&bucket).await;
        bucket.fail_next(BucketOperation::Put, 1, Fault::Unavailable);
        assert!(add(&ledger, 1).await.is_err());
        assert!(ledger.get().is_empty());
        add(&ledger, 2).await.unwrap();
        assert_eq!(*load(&bucket).await.get(), [2]);
    }

    #[tokio::test]
    async fn what_somebody_else_wrote_is_kept() {
        let bucket = bucket();
        let (one, other) = (load(&bucket).await, load(&bucket).await);
        add(&one, 1).await.unwrap();
        add(&other, 2).await.unwrap();
        add(&one, 3).await.unwrap();
        assert_eq!(*load(&bucket).await.get(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_read_is_put_aside() {
        let bucket = bucket();
        bucket.put(KEY, Bytes::from_static(b"{")).await.unwrap();
        let ledger = load(&bucket).await;
        assert!(ledger.get().is_empty());
        add(&ledger, 1).await.unwrap();
        assert_eq!(*load(&bucket).await.get(), [1]);
        let aside = bucket.get("access/numbers.json.damaged", None).await.unwrap();
        assert_eq!(aside.bytes().await.unwrap(), Bytes::from_static(b"{"));
    }
}
