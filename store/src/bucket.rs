//! The object-store port: the few things the platform asks of a bucket, in its own words.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

/// One bucket. Listings are strongly consistent: what was acknowledged before the call is in the answer.
#[async_trait]
pub trait Bucket: Send + Sync + 'static {
    /// Every object below `prefix`, in key order, however many pages that takes.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError>;

    /// What lies at the first level of the bucket: its folders, and the objects that lie in none.
    async fn top_level(&self) -> Result<TopLevel, BucketError>;

    /// The first-level folders of the bucket, without their slash, in order.
    async fn folders(&self) -> Result<Vec<String>, BucketError> {
        Ok(self.top_level().await?.folders)
    }

    /// Reads one object. With `etag`, only if it still is that version ([`BucketError::Changed`] otherwise).
    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError>;

    /// Writes one object whole and answers its ETag. When it returns, the object is durable.
    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError>;

    /// Writes a local file as one object, never holding it whole in memory, and answers its ETag. One object takes at most
    /// what the server allows in one PUT, which is 5 GiB on S3.
    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError>;

    /// The same as `put`, if `condition` holds at that moment ([`BucketError::Changed`] otherwise).
    ///
    /// Caveat: a server that knows no conditional writes is asked first and written to then, so that a writer in between
    /// is not noticed. The adapter says so once, in the log.
    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError>;

    /// Deletes one object; deleting what is not there is no error.
    async fn delete(&self, key: &str) -> Result<(), BucketError>;

    /// The same, if the object still is the version with this ETag ([`BucketError::Changed`] otherwise, also where there
    /// is none any more).
    ///
    /// Caveat: a server that knows no conditional deletes is only asked first.
    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError>;
}

/// The first level of a bucket, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopLevel {
    /// Without their slash.
    pub folders: Vec<String>,
    pub objects: Vec<Object>,
}

/// What must be true of a key for it to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no object of that key.
    Absent,
    /// It still is the version with this ETag.
    Unchanged(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    /// Without quotes.
    pub etag: String,
    /// In bytes.
    pub size: u64,
    /// When it was written, in milliseconds since the Unix epoch; 0 where the server does not say. S3 lists whole seconds.
    pub modified_ms: i64,
}

/// An object being read; the body arrives in pieces so that its size never decides our memory.
pub struct Content {
    pub object: Object,
    pub body: BoxStream<'static, Result<Bytes, BucketError>>,
}

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("there is no object `{key}` in bucket `{bucket}`")]
    NotFound { bucket: String, key: String },
    #[error("object `{key}` in bucket `{bucket}` was replaced while it was read")]
    Changed { bucket: String, key: String },
    #[error("bucket `{bucket}` refused to {operation}{}", named(.key))]
    Refused {
        bucket: String,
        operation: &'static str,
        key: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("could not {operation}{} in bucket `{bucket}`", named(.key))]
    Unavailable {
        bucket: String,
        operation: &'static str,
        key: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A key in a sentence; what concerns the whole bucket has none.
fn named(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" `{key}`") }
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The bucket moved on: list again.
    ListAgain,
    /// Try again, with a pause that grows.
    Retry,
    /// Trying again cannot help; somebody has to act.
    Human,
}

impl BucketError {
    pub fn follow(&self) -> Follow {
        match self {
            Self::NotFound { .. } | Self::Changed { .. } => Follow::ListAgain,
            Self::Unavailable { .. } => Follow::Retry,
            Self::Refused { .. } => Follow::Human,
        }
    }
}

impl Content {
    /// The whole body in memory. For objects that we wrote ourselves and know to be small.
    pub async fn bytes(mut self) -> Result<Bytes, BucketError> {
        use futures::TryStreamExt;
        let mut whole = Vec::with_capacity(self.object.size as usize);
        while let Some(piece) = self.body.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }
}
