//! A bucket in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use md5::{Digest, Md5};

use crate::bucket::{Bucket, BucketError, Condition, Content, Object, TopLevel};

/// How much of a body arrives at once, in bytes: small enough that tests see bodies in pieces.
const PIECE: usize = 64 * 1024;

pub struct MemoryBucket {
    name: String,
    objects: Mutex<BTreeMap<String, Stored>>,
    writes: AtomicI64,
}

#[derive(Clone)]
struct Stored {
    etag: String,
    body: Bytes,
    /// Which write it was: time, as far as this bucket knows it.
    written: i64,
}

impl MemoryBucket {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), objects: Mutex::default(), writes: AtomicI64::new(0) }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        // No code that holds the lock can panic halfway through a change.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, objects: &mut BTreeMap<String, Stored>, key: &str, body: Bytes) -> String {
        let etag = hex::encode(Md5::digest(&body));
        let written = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        objects.insert(key.to_owned(), Stored { etag: etag.clone(), body, written });
        etag
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let objects = self.objects();
        let below = objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(below.map(|(key, stored)| stored.object(key)).collect())
    }

    async fn top_level(&self) -> Result<TopLevel, BucketError> {
        let mut top = TopLevel::default();
        for (key, stored) in &*self.objects() {
            match key.split_once('/') {
                Some((folder, _)) => top.folders.push(folder.to_owned()),
                None => top.objects.push(stored.object(key)),
            }
        }
        top.folders.dedup();
        Ok(top)
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let Some(stored) = self.objects().get(&key).cloned() else {
            return Err(BucketError::NotFound { bucket, key });
        };
        if etag.is_some_and(|etag| etag != stored.etag) {
            return Err(BucketError::Changed { bucket, key });
        }
        let pieces: Vec<_> = (0..stored.body.len())
            .step_by(PIECE)
            .map(|at| stored.body.slice(at..stored.body.len().min(at + PIECE)))
            .collect();
        Ok(Content { object: stored.object(&key), body: stream::iter(pieces).map(Ok).boxed() })
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        Ok(self.insert(&mut self.objects(), key, body))
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        match std::fs::read(path) {
            Ok(body) => self.put(key, body.into()).await,
            Err(error) => Err(BucketError::Refused {
                bucket: self.name.clone(),
                operation: "read a file for",
                key: key.to_owned(),
                source: Box::new(error),
            }),
        }
    }

    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError> {
        let mut objects = self.objects();
        let holds = match (condition, objects.get(key)) {
            (Condition::Absent, there) => there.is_none(),
            (Condition::Unchanged(etag), there) => there.is_some_and(|stored| stored.etag == *etag),
        };
        if !holds {
            return Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() });
        }
        Ok(self.insert(&mut objects, key, body))
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.objects().remove(key);
        Ok(())
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        let mut objects = self.objects();
        if objects.get(key).is_none_or(|stored| stored.etag != etag) {
            return Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() });
        }
        objects.remove(key);
        Ok(())
    }
}

impl Stored {
    fn object(&self, key: &str) -> Object {
        Object {
            key: key.to_owned(),
            etag: self.etag.clone(),
            size: self.body.len() as u64,
            modified_ms: self.written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bucket(keys: &[&str]) -> MemoryBucket {
        let bucket = MemoryBucket::new("b");
        for key in keys {
            bucket.put(key, Bytes::from_static(b"x")).await.unwrap();
        }
        bucket
    }

    #[tokio::test]
    async fn listings_and_folders_are_in_order_and_below_their_prefix() {
        let bucket = bucket(&["b/2", "b/1", "a/x/y", "top", "ab/1", "c"]).await;
        let keys: Vec<_> = bucket.list("b/").await.unwrap().into_iter().map(|object| object.key).collect();
        assert_eq!(keys, ["b/1", "b/2"]);
        assert_eq!(bucket.folders().await.unwrap(), ["a", "ab", "b"]);
    }

    #[tokio::test]
    async fn a_condition_that_does_not_hold_keeps_what_is_there() {
        let bucket = bucket(&[]).await;
        let put = async |body: &'static str, condition| {
            let written = bucket.put_if("k", Bytes::from_static(body.as_bytes()), &condition).await;
            written.map_err(|error| assert!(matches!(error, BucketError::Changed { .. }), "{error}"))
        };
        assert!(put("x", Condition::Unchanged("none".into())).await.is_err());
        let first = put("1", Condition::Absent).await.unwrap();
        assert!(put("2", Condition::Absent).await.is_err());
        assert!(put("2", Condition::Unchanged(first.clone())).await.is_ok());
        assert!(put("3", Condition::Unchanged(first)).await.is_err());
        assert_eq!(bucket.get("k", None).await.unwrap().bytes().await.unwrap(), "2");
    }

    #[tokio::test]
    async fn a_replaced_object_is_changed_and_a_deleted_one_is_gone() {
        let bucket = bucket(&[]).await;
        let old = bucket.put("k", Bytes::from_static(b"old")).await.unwrap();
        let new = bucket.put("k", Bytes::from(vec![7; 3 * PIECE + 1])).await.unwrap();
        assert!(matches!(bucket.get("k", Some(&old)).await, Err(BucketError::Changed { .. })));
        let content = bucket.get("k", Some(&new)).await.unwrap();
        assert_eq!(content.object.size, 3 * PIECE as u64 + 1);
        assert_eq!(content.bytes().await.unwrap(), vec![7; 3 * PIECE + 1]);
        assert!(matches!(bucket.delete_if("k", &old).await, Err(BucketError::Changed { .. })));
        bucket.delete_if("k", &new).await.unwrap();
        bucket.delete("k").await.unwrap();
        assert!(matches!(bucket.get("k", None).await, Err(BucketError::NotFound { .. })));
    }
}
