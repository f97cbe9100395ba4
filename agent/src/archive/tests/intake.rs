//! From the bucket to the bucket.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
use cloudyknight_store::memory::MemoryBucket;
use futures::FutureExt;

use super::*;

struct World {
    /// What lies behind the other one, and never fails.
    inner: Arc<MemoryBucket>,
    bucket: Arc<FailingBucket>,
    board: Board,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(objects: &[(&str, &str)]) -> Self {
        let inner = Arc::new(MemoryBucket::new("workspaces"));
        let world = Self {
            bucket: Arc::new(FailingBucket::new(inner.clone())),
            inner,
            board: Board::load(Arc::new(MemoryBucket::new("cloudyknight"))).await.unwrap(),
            dir: tempfile::tempdir().unwrap(),
        };
        for (key, body) in objects {
            world.put(key, body.as_bytes()).await;
        }
        world
    }

    async fn put(&self, key: &str, body: &[u8]) {
        self.bucket.put(key, Bytes::copy_from_slice(body)).await.unwrap();
    }

    async fn take(&self) -> Result<Taken, ArchiveError> {
        self.take_or(false).await
    }

    async fn take_or(&self, again: bool) -> Result<Taken, ArchiveError> {
        let intake = Intake {
            workspaces: self.bucket.as_ref(),
            board: &self.board,
            source_dir: self.dir.path(),
            max_bytes: 1 << 20,
        };
        let taken = intake.take(&"app".parse().unwrap(), again).await;
        assert_eq!(std::fs::read_dir(self.dir.path()).unwrap().count(), 0, "nothing is left in memory");
        taken
    }

    async fn keys(&self) -> Vec<String> {
        self.bucket.list("").await.unwrap().into_iter().map(|object| object.key).collect()
    }

    async fn text(&self, key: &str) -> Bytes {
        self.bucket.get(key, None).await.unwrap().bytes().await.unwrap()
    }

    fn result(&self) -> Option<ArchiveResult> {
        Some(self.board.get(&"app".parse().unwrap())?.archive?.result)
    }
}

#[tokio::test]
async fn an_archive_becomes_the_workspace_and_is_replaced_by_its_result() {
    let world =
        World::new(&[("app/same", "1"), ("app/gone", "1"), ("app/.cloudyknight/commit", "c"), ("b/x", "1")])
            .await;
    world.put("app.tar.gz", &gzipped(&tarred(&[("p/same", "1"), ("p/new", "2")]))).await;
    world.put("readme.txt", b"none of our business").await;
    assert_eq!(world.take().await.unwrap(), Taken::Published);
    assert_eq!(world.keys().await, ["app/.cloudyknight/commit", "app/new", "app/same", "b/x", "readme.txt"]);
    let published = ArchiveResult::Published { put: 1, deleted: 1, unchanged: 1, left_out: vec![] };
    assert_eq!(world.result(), Some(published.clone()));
    // It was one push: nothing of it waits for a commit.
    let app = "app".parse().unwrap();
    let (now, status) = (listing(world.bucket.as_ref(), &app).await.unwrap(), world.board.get(&app).unwrap());
    assert_eq!(now.gate(&status), cloudyknight_core::commit::Gate::Committed);
    assert_eq!(world.take().await.unwrap(), Taken::None);
    assert_eq!(world.result(), Some(published));
}

#[tokio::test]
async fn a_refused_archive_changes_nothing_stays_and_is_not_looked_at_again() {
    let world = World::new(&[("app/a", "1"), ("app.zip", "no archive")]).await;
    let Taken::Refused(failure) = world.take().await.unwrap() else { panic!() };
    assert!(
        failure.message.starts_with("the archive `app.zip` was refused: it is no tar archive")
            && failure.hint.is_some(),
        "{failure:?}"
    );
    assert_eq!(world.keys().await, ["app.zip", "app/a"]);
    world.bucket.fail_when(|operation, _| (operation == BucketOperation::Get).then_some(Fault::Refused));
    assert_eq!(world.take().await.unwrap(), Taken::None);
    world.bucket.heal();
    assert!(matches!(world.take_or(true).await.unwrap(), Taken::Refused(_)));
    // The same bytes uploaded again are another upload.
    world.put("app.zip", b"no archive").await;
    assert!(matches!(world.take().await.unwrap(), Taken::Refused(_)));
    world.bucket.delete("app.zip").await.unwrap();
    assert_eq!(world.take().await.unwrap(), Taken::None);
    assert_eq!(world.result(), None);
}

#[tokio::test]
async fn broken_off_anywhere_it_is_done_again_with_the_same_end() {
    for broken in 1.. {
        let world =
            World::new(&[("app/a", "old"), ("app/gone", "1"), ("app.tgz", "older, and no archive")]).await;
        world.put("app.zip", &zipped(&[("a", "new"), ("b/c", "2")])).await;
        let mut calls = 0;
        world.bucket.fail_when(move |_, _| {
            calls += 1;
            (calls == broken).then_some(if calls % 2 == 0 { Fault::AnswerLost } else { Fault::Unavailable })
        });
        let whole = world.take().await.is_ok();
        world.bucket.heal();
        // Nobody was told of an archive that is still there: the sweep finds it.
        world.take().await.unwrap();
        assert_eq!(world.keys().await, ["app/a", "app/b/c"], "{broken}");
        assert_eq!(world.text("app/a").await, "new");
        assert!(matches!(world.result(), Some(ArchiveResult::Published { .. })), "{broken}");
        if whole {
            assert!(broken > 8, "{broken}");
            return;
        }
    }
}

#[tokio::test]
async fn an_archive_that_is_replaced_while_it_is_taken_is_taken_anew() {
    let world = World::new(&[]).await;
    world.put("app.zip", &zipped(&[("a", "1"), ("b", "1")])).await;
    let (bucket, newer) = (world.bucket.clone(), zipped(&[("a", "2")]));
    // The upload of the newer one ends just as the first file of the older one is put.
    let upload = Mutex::new(Some(newer));
    let handle = tokio::runtime::Handle::current();
    world.bucket.fail_when(move |operation, key| {
        if operation == BucketOperation::Put
            && key.starts_with("app/")
            && let Some(newer) = upload.lock().unwrap().take()
        {
            let bucket = bucket.clone();
            handle.spawn(async move { bucket.put("app.zip", newer.into()).await });
        }
        None
    });
    assert_eq!(world.take().await.unwrap(), Taken::Published);
    world.bucket.heal();
    world.take().await.unwrap();
    assert_eq!(world.keys().await, ["app/a"]);
    assert_eq!(world.text("app/a").await, "2");
}

#[tokio::test]
async fn an_agent_that_may_not_write_says_so_and_tries_again() {
    let world = World::new(&[("app/a", "1")]).await;
    world.put("app.zip", &zipped(&[("a", "2")])).await;
    world.bucket.fail_when(|operation, _| (operation == BucketOperation::Put).then_some(Fault::Refused));
    assert!(world.take().await.is_err());
    let Some(ArchiveResult::Waiting(failure)) = world.result() else { panic!("{:?}", world.result()) };
    assert!(failure.hint.unwrap().contains("may write"));
    world.bucket.heal();
    assert_eq!(world.take().await.unwrap(), Taken::Published);
}

#[tokio::test]
async fn one_that_only_remained_to_be_deleted_replaces_nothing_that_was_pushed_since() {
    let world = World::new(&[]).await;
    world.put("app.zip", &zipped(&[("a", "1")])).await;
    world.bucket.fail_when(|operation, key| {
        (operation == BucketOperation::Delete && key == "app.zip").then_some(Fault::Unavailable)
    });
    assert!(world.take().await.is_err());
    world.bucket.heal();
    world.put("app/a", b"2").await;
    assert_eq!(world.take().await.unwrap(), Taken::Published);
    assert_eq!(world.keys().await, ["app/a"]);
    assert_eq!(world.text("app/a").await, "2");
}

/// Puts this whenever the archive's first file is put, so many times.
fn meanwhile(world: &World, key: &'static str, times: usize) {
    let (inner, left) = (world.inner.clone(), Mutex::new(times));
    world.bucket.fail_when(move |operation, put| {
        let mut left = left.lock().unwrap();
        if operation == BucketOperation::Put && put == "app/a" && *left > 0 {
            *left -= 1;
            let put = inner.put(key, Bytes::from_static(b"other"));
            put.now_or_never().expect("memory does not wait").unwrap();
        }
        None
    });
}

#[tokio::test]
async fn what_others_push_meanwhile_waits_for_the_quiet_window_where_nobody_commits() {
    let world = World::new(&[("app/a", "0")]).await;
    world.put("app.zip", &zipped(&[("a", "1"), ("b", "1")])).await;
    meanwhile(&world, "app/late", 1);
    assert_eq!(world.take().await.unwrap(), Taken::Published);
    world.bucket.heal();
    assert_eq!(world.keys().await, ["app/a", "app/b", "app/late"]);
    let app = "app".parse().unwrap();
    let (now, status) = (listing(world.bucket.as_ref(), &app).await.unwrap(), world.board.get(&app).unwrap());
    assert_eq!(now.gate(&status), cloudyknight_core::commit::Gate::Open);
}

#[tokio::test]
async fn what_others_push_meanwhile_is_replaced_where_somebody_commits() {
    let world = World::new(&[("app/a", "0"), ("app/.cloudyknight/commit", "c")]).await;
    world.put("app.zip", &zipped(&[("a", "1"), ("b", "1")])).await;
    meanwhile(&world, "app/late", 1);
    assert_eq!(world.take().await.unwrap(), Taken::Published);
    world.bucket.heal();
    assert_eq!(world.keys().await, ["app/.cloudyknight/commit", "app/a", "app/b"]);
    let app = "app".parse().unwrap();
    let (now, status) = (listing(world.bucket.as_ref(), &app).await.unwrap(), world.board.get(&app).unwrap());
    assert_eq!(now.gate(&status), cloudyknight_core::commit::Gate::Committed);
}
