//! The embedded store through its two ports: no HTTP, real files, a clock that the tests turn.

mod bucket;
mod crash;
mod model;
mod opening;
mod queue;
mod queue_suite;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudyknight_store::embedded::{EmbeddedStore, ManualClock, Options};
use tempfile::TempDir;

/// A store in a directory of its own, that lasts as long as this value.
pub struct Bench {
    pub store: Arc<EmbeddedStore>,
    pub clock: Arc<ManualClock>,
    pub dir: TempDir,
}

impl Bench {
    pub fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::default());
        let store = EmbeddedStore::open(dir.path(), Options { clock: clock.clone() }).unwrap();
        Self { store, clock, dir }
    }

    /// As after a restart of the program.
    pub fn reopen(self) -> Self {
        let Self { store, clock, dir } = self;
        drop(store);
        let store = EmbeddedStore::open(dir.path(), Options { clock: clock.clone() }).unwrap();
        Self { store, clock, dir }
    }

    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Waits until so many blobs lie on the disk: they go after the answer, not before it.
    pub async fn blobs_become(&self, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.blobs() != expected {
            assert!(Instant::now() < deadline, "{} blobs instead of {expected}", self.blobs());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn blobs(&self) -> usize {
        let shards = std::fs::read_dir(self.dir.path().join("blobs")).unwrap();
        shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum()
    }
}
