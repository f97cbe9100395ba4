//! What can go wrong in the embedded store, in words that both ports and the S3 protocol can translate.

use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("another process uses the store in {0}")]
    InUse(PathBuf),
    #[error("the store in {dir} has schema version {found}, but this program understands only {understood}")]
    Schema { dir: PathBuf, found: i64, understood: i64 },
    #[error("could not {operation} {path}")]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store's database failed")]
    Database(#[from] rusqlite::Error),
    /// Many writes share one commit, so they share its failure.
    #[error("the store could not commit")]
    Commit(#[source] Arc<rusqlite::Error>),
    #[error("the store holds attributes of `{key}` that it cannot read")]
    Attributes {
        key: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the system gave no random bytes for a name")]
    Random(#[source] getrandom::Error),
    #[error("the store is closed")]
    Closed,

    #[error("`{0}` can be no bucket's name")]
    InvalidBucketName(String),
    #[error("there is no bucket `{0}`")]
    NoSuchBucket(String),
    #[error("bucket `{0}` is not empty")]
    BucketNotEmpty(String),
    #[error("bucket `{bucket}` notifies queue `{queue}`, so it stays")]
    BucketNotifies { bucket: String, queue: String },

    #[error("a key has 1 to 1024 bytes, this one has {0}")]
    KeyLength(usize),
    #[error("there is no object `{0}`")]
    NoSuchKey(String),
    #[error("object `{0}` does not meet the condition of the request")]
    PreconditionFailed(String),

    #[error("there is no upload `{0}`")]
    NoSuchUpload(String),
    #[error("part {0} was not uploaded, or with another ETag")]
    InvalidPart(i32),
    #[error("the parts are not in rising order")]
    InvalidPartOrder,
    #[error("part {number} has {size} bytes, too few for a part that is not the last")]
    PartTooSmall { number: i32, size: u64 },
    #[error("an upload needs at least one part")]
    NoParts,
    #[error("the parts give another checksum than the request names")]
    ChecksumOfParts,

    #[error("there is no queue `{0}`")]
    NoSuchQueue(String),
    #[error(
        "queue `{queue}` and its dead-letter queue `{dead_letter}` must be of one kind, and not the same"
    )]
    DeadLetterKind { queue: String, dead_letter: String },
    #[error("queue `{0}` cannot change its kind")]
    QueueKind(String),
    #[error("a bucket cannot notify the FIFO queue `{0}`")]
    NotifyFifo(String),
    #[error("a message on the FIFO queue `{0}` needs a group")]
    NoGroup(String),
    #[error("a message of {0} bytes is too large")]
    MessageSize(usize),
    #[error("the receipt has run out: the message is or will be delivered again")]
    ReceiptRanOut,
}

impl EmbeddedError {
    /// Whether it is the store that failed, and not the request that was wrong.
    pub(super) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::InUse(_)
                | Self::Schema { .. }
                | Self::File { .. }
                | Self::Database(_)
                | Self::Commit(_)
                | Self::Attributes { .. }
                | Self::Random(_)
                | Self::Closed
        )
    }
}
