//! The bucket port on the embedded store: straight to the database, without HTTP.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use rusqlite::Connection;
use tokio::io::AsyncReadExt;

use super::EmbeddedStore;
use super::content;
use super::error::EmbeddedError;
use super::intake::{Intake, Staged};
use super::listing::{self, Query, Start};
use super::objects::{self, Attributes, Condition, New, ObjectRow};
use super::writer::Unit;
use super::{buckets, outbox};
use crate::bucket::{self, Bucket, BucketError, Content, Object, TopLevel};

/// What is read of a file at once.
const PIECE: usize = 256 << 10;

pub(super) struct EmbeddedBucket {
    pub store: Arc<EmbeddedStore>,
    pub name: String,
}

#[async_trait]
impl Bucket for EmbeddedBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let listed = self.page(prefix, None).await.map_err(|error| self.error("list", prefix, error))?;
        Ok(listed.objects.into_iter().map(object).collect())
    }

    async fn top_level(&self) -> Result<TopLevel, BucketError> {
        let listed = self.page("", Some("/")).await.map_err(|error| self.error("list", "", error))?;
        let name = |mut prefix: String| {
            prefix.pop();
            prefix
        };
        let folders = listed.common_prefixes.into_iter().map(name).collect();
        Ok(TopLevel { folders, objects: listed.objects.into_iter().map(object).collect() })
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        let opened =
            content::open(&self.store.readers, &self.store.blobs, content::by_key(&self.name, key)).await;
        let opened = opened.map_err(|error| self.error("get", key, error))?;
        if etag.is_some_and(|etag| etag != opened.object.etag) {
            return Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() });
        }
        let object = object(opened.object.clone());
        let (bucket, size, key) = (self.name.clone(), object.size, key.to_owned());
        let body = opened.stream(0..size).map_err(move |error| translate(&bucket, "get", &key, error));
        Ok(Content { object, body: Box::pin(body) })
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        let put = self.put_object(key, body, Condition::default()).await;
        put.map_err(|error| self.error("put", key, error))
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        let staged = self.stage(key, path).await?;
        let put = self.put_staged(key, staged, Condition::default()).await;
        put.map_err(|error| self.error("put", key, error))
    }

    async fn put_if(
        &self,
        key: &str,
        body: Bytes,
        condition: &bucket::Condition,
    ) -> Result<String, BucketError> {
        let condition = match condition {
            bucket::Condition::Absent => {
                Condition { if_none_match: Some("*".to_owned()), ..Condition::default() }
            }
            bucket::Condition::Unchanged(etag) => {
                Condition { if_match: Some(etag.clone()), ..Condition::default() }
            }
        };
        match self.put_object(key, body, condition).await {
            Ok(etag) => Ok(etag),
            Err(EmbeddedError::PreconditionFailed(_) | EmbeddedError::NoSuchKey(_)) => {
                Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() })
            }
            Err(error) => Err(self.error("put", key, error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let deleted = self.remove(key, Condition::default()).await;
        deleted.map_err(|error| self.error("delete", key, error))
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        let condition = Condition { if_match: Some(etag.to_owned()), ..Condition::default() };
        match self.remove(key, condition).await {
            Ok(()) => Ok(()),
            Err(EmbeddedError::PreconditionFailed(_) | EmbeddedError::NoSuchKey(_)) => {
                Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() })
            }
            Err(error) => Err(self.error("delete", key, error)),
        }
    }
}

impl EmbeddedBucket {
    async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
    ) -> Result<listing::Page, EmbeddedError> {
        let (bucket, prefix) = (self.name.clone(), prefix.to_owned());
        let work = move |connection: &Connection| {
            let bucket = buckets::find(connection, &bucket)?;
            let query = Query { prefix: &prefix, delimiter, start: Start::Beginning, max: usize::MAX };
            listing::page(connection, bucket, &query)
        };
        self.store.readers.read(work).await
    }

    async fn put_object(
        &self,
        key: &str,
        body: Bytes,
        condition: Condition,
    ) -> Result<String, EmbeddedError> {
        objects::check_key(key)?;
        let staged = Staged::of(Arc::clone(&self.store.blobs), body).await?;
        self.put_staged(key, staged, condition).await
    }

    /// Takes a file in, piece by piece.
    async fn stage(&self, key: &str, path: &Path) -> Result<Staged, BucketError> {
        let unreadable = |source| BucketError::Refused {
            bucket: self.name.clone(),
            operation: "read a file for",
            key: key.to_owned(),
            source: Box::new(source),
        };
        let failed = |error| self.error("put", key, error);
        objects::check_key(key).map_err(failed)?;
        let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let mut intake = Intake::new(Arc::clone(&self.store.blobs), None);
        let mut piece = BytesMut::with_capacity(PIECE);
        while file.read_buf(&mut piece).await.map_err(unreadable)? > 0 {
            intake.write(&piece).await.map_err(failed)?;
            piece.clear();
        }
        intake.finish().await.map_err(failed)
    }

    async fn put_staged(
        &self,
        key: &str,
        staged: Staged,
        condition: Condition,
    ) -> Result<String, EmbeddedError> {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let work = move |unit: &mut Unit<'_>| {
            let new = New {
                bucket: &bucket,
                key: &key,
                size: staged.size,
                etag: hex::encode(staged.md5),
                attributes: &Attributes::default(),
                condition: &condition,
                event: outbox::PUT,
            };
            objects::put(unit, new, staged).map(|row| row.etag)
        };
        self.store.writer.write(work).await
    }

    async fn remove(&self, key: &str, condition: Condition) -> Result<(), EmbeddedError> {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let work = move |unit: &mut Unit<'_>| objects::delete(unit, &bucket, &key, &condition);
        self.store.writer.write(work).await
    }

    fn error(&self, operation: &'static str, key: &str, error: EmbeddedError) -> BucketError {
        translate(&self.name, operation, key, error)
    }
}

fn translate(bucket: &str, operation: &'static str, key: &str, error: EmbeddedError) -> BucketError {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    match error {
        EmbeddedError::NoSuchKey(_) => BucketError::NotFound { bucket, key },
        error if error.is_fault() => {
            BucketError::Unavailable { bucket, operation, key, source: Box::new(error) }
        }
        error => BucketError::Refused { bucket, operation, key, source: Box::new(error) },
    }
}

fn object(row: ObjectRow) -> Object {
    Object { key: row.key, etag: row.etag, size: row.size, modified_ms: row.modified_ms }
}
