//! Both ports in one folder, for a machine without a cloud: objects, their notifications and the queues' messages
//! lie in one SQLite file, so that a change and the message about it are one commit.
//!
//! The path of a write: `s3` or `bucket` takes the request, `intake` its content, `writer` commits what
//! `objects`, `uploads`, `outbox` and `messages` do, and wakes the receivers. Reads go through `readers`, to
//! `listing` and `content`.

mod blobs;
mod bucket;
mod buckets;
mod checksum;
mod clock;
mod content;
mod error;
mod intake;
mod listing;
mod messages;
mod objects;
mod outbox;
mod queue;
mod readers;
pub mod s3;
mod schema;
mod uploads;
mod wakers;
mod witness;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::EmbeddedError;
pub use witness::{AGENT, Changed, Witness};

use self::blobs::{Blobs, file_error};
use self::bucket::EmbeddedBucket;
use self::queue::EmbeddedQueue;
use self::readers::Readers;
use self::wakers::Wakers;
use self::writer::Writer;
use crate::bucket::Bucket;
use crate::queue::Queue;

/// What listings and notifications name as the region and the owner of everything.
const REGION: &str = "us-east-1";
const OWNER: &str = "cloudyknight";

pub struct EmbeddedStore {
    writer: Writer,
    readers: Readers,
    blobs: Arc<Blobs>,
    wakers: Arc<Wakers>,
    clock: Arc<dyn Clock>,
}

pub struct Options {
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::default()) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// Cannot change once the queue exists.
    pub fifo: bool,
    pub dead_letter: Option<DeadLetter>,
}

/// A message that was received `max_receives` times goes to `queue` instead of being received once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Must exist, and be of the same kind.
    pub queue: String,
    pub max_receives: u32,
}

impl EmbeddedStore {
    /// Opens the store in `dir`, or makes it, and cleans up after a crash. Blocks: for the start of a program.
    ///
    /// Messages that were in flight are given back, because their receivers ended with the process.
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, EmbeddedError> {
        fs::create_dir_all(dir).map_err(|source| file_error("create", dir, source))?;
        let lock = lock(dir)?;
        let connection = schema::open_for_writing(dir)?;
        let blobs = Arc::new(Blobs::open(dir.join("blobs"), lock)?);
        let swept = blobs.sweep(|blob| content::names(&connection, blob))?;
        if swept > 0 {
            tracing::info!(swept, dir = %dir.display(), "deleted blobs that no object names");
        }
        let readers = Readers::open(dir)?;
        let wakers = Arc::new(Wakers::default());
        let clock = options.clock;
        let writer = Writer::start(connection, Arc::clone(&clock), Arc::clone(&blobs), Arc::clone(&wakers));
        Ok(Arc::new(Self { writer, readers, blobs, wakers, clock }))
    }

    /// Makes a bucket, unless it exists.
    pub async fn create_bucket(&self, name: &str) -> Result<(), EmbeddedError> {
        let name = name.to_owned();
        self.writer.write(move |unit| buckets::create(unit, &name)).await.map(|_new| ())
    }

    /// The bucket of this name; its calls are refused while there is none.
    pub fn bucket(self: &Arc<Self>, name: &str) -> Arc<dyn Bucket> {
        Arc::new(EmbeddedBucket { store: Arc::clone(self), name: name.to_owned() })
    }

    /// Makes a queue, or gives an existing one these settings.
    pub async fn create_queue(&self, name: &str, settings: QueueSettings) -> Result<(), EmbeddedError> {
        let name = name.to_owned();
        let work = move |unit: &mut writer::Unit<'_>| {
            let dead_letter = settings.dead_letter.as_ref().map(|to| (to.queue.as_str(), to.max_receives));
            messages::create(unit.connection, &name, settings.fifo, dead_letter)
        };
        self.writer.write(work).await
    }

    /// The queue of this name; its calls are refused while there is none.
    pub fn queue(self: &Arc<Self>, name: &str) -> Arc<dyn Queue> {
        Arc::new(EmbeddedQueue { store: Arc::clone(self), name: name.to_owned() })
    }

    /// From now on, `witness` knows of each change before whoever made it is told that it was made. There is one; a
    /// second one is not listened to.
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        self.writer.tell(witness);
    }

    /// From now on, every change in `bucket` puts an S3 event message on `queue`.
    pub async fn notify(&self, bucket: &str, queue: &str) -> Result<(), EmbeddedError> {
        let (bucket, queue) = (bucket.to_owned(), queue.to_owned());
        self.writer.write(move |unit| buckets::notify(unit.connection, &bucket, &queue)).await
    }
}

/// The lock belongs to the open file, so it ends with the process, however that ends.
fn lock(dir: &Path) -> Result<File, EmbeddedError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|source| file_error("create", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(file_error("lock", &path, source)),
    }
}
