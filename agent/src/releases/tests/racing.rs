//! Keeping, collecting, pinning and restoring at the same time, on a bucket that fails now and then: what is live,
//! pinned, held or just being kept is whole at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use cloudyknight_core::desired::Pin;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::Outcome;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::failing::{BucketOperation, Fault};
use futures::FutureExt;

use super::super::ReleaseError;
use super::{World, owned, read};

const LIMIT: usize = 2;
const DEPLOYMENTS: usize = 60;

type Files = BTreeMap<String, String>;

struct Race {
    world: World,
    /// What each release holds.
    expected: Mutex<BTreeMap<ReleaseDigest, Files>>,
    over: AtomicBool,
}

impl Race {
    /// Whatever fails but for an outage is a failure of the test.
    fn passing<T>(result: Result<T, ReleaseError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) if error.is_passing() => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads a release whole; `None` for an outage, or when there is no such release.
    async fn read(&self, release: &ReleaseDigest) -> Option<()> {
        let kept = Self::passing(self.world.releases.get(&self.world.app, release).await)??;
        let deployment = self.world.deployment();
        let place = self.world.place(&deployment, None);
        let source = Self::passing(self.world.releases.fetch(&place, &kept).await)?;
        assert_eq!(read(&source), self.expected.lock().unwrap()[release]);
        source.discard().await;
        Some(())
    }

    async fn deploy(&self) {
        for n in 0..DEPLOYMENTS {
            // Content comes, goes, and comes again.
            let (a, b, c) = (format!("{}", n % 3), format!("{}", n % 7), format!("{n}"));
            let files: Vec<(&str, &str)> = match n % 4 {
                0 => vec![("a", &a), ("b", &b), ("c", &c)],
                1 => vec![("a", &b), ("b", &b)],
                2 => vec![("a", &a), ("c", &c)],
                _ => vec![("a", &a)],
            };
            let manifest = self.world.push(&files).await;
            let (release, source) = (manifest.digest(), self.world.source(&manifest, None).await);
            self.expected.lock().unwrap().insert(release.clone(), owned(&files));
            loop {
                let kept = self.world.releases.keep(&self.world.app, &manifest, &source).await;
                if Self::passing(kept).is_some() {
                    break;
                }
            }
            while self.world.try_record(&release, Outcome::Live).await.is_err() {}
            source.discard().await;
            Self::passing(self.world.releases.collect(&self.world.app, &[]).await);
            self.read(&release).await;
        }
        self.over.store(true, Ordering::Relaxed);
    }

    async fn any(&self) -> Option<ReleaseDigest> {
        let all = Self::passing(self.world.releases.list(&self.world.app).await)?;
        let at = getrandom::u32().unwrap() as usize % all.len().max(1);
        all.get(at).cloned()
    }

    async fn until_over(&self, work: impl AsyncFn()) {
        while !self.over.load(Ordering::Relaxed) {
            work().await;
            tokio::task::yield_now().await;
        }
    }

    async fn roll_back(&self) {
        let Some(release) = self.any().await else { return };
        let pin = Pin { release: release.clone(), at: "2026-01-01T00:00:00Z".into() };
        match self.world.releases.pin(&self.world.app, pin, |_| {}).await {
            // It went between the look and the pin, and that is told.
            Err(ReleaseError::Unknown { .. }) => return,
            other => {
                if Self::passing(other).is_none() {
                    return;
                }
            }
        }
        for _ in 0..3 {
            let kept = Self::passing(self.world.releases.get(&self.world.app, &release).await);
            assert!(kept != Some(None), "a pinned release is there");
            self.read(&release).await;
            tokio::task::yield_now().await;
        }
        drop(self.world.desires.change(&self.world.app, |desired| desired.pinned = None).await);
    }

    async fn restore(&self) {
        let Some(release) = self.any().await else { return };
        let _hold = self.world.releases.hold(&self.world.app, &release).await;
        for _ in 0..2 {
            self.read(&release).await;
        }
    }

    async fn collect(&self) {
        Self::passing(self.world.releases.collect(&self.world.app, &[]).await);
    }

    /// Gives a collection, or a keep, up in the middle.
    async fn give_up(&self) {
        let mut collect = Box::pin(self.world.releases.collect(&self.world.app, &[]));
        for _ in 0..getrandom::u32().unwrap() % 8 {
            if futures::future::poll_fn(|context| Poll::Ready(collect.poll_unpin(context).is_ready())).await {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn race(faults: bool) {
    let race =
        Race { world: World::slow(LIMIT).await, expected: Mutex::default(), over: AtomicBool::new(false) };
    if faults {
        race.world.platform.fail_when(|operation, _| match getrandom::u32().unwrap() % 100 {
            0..3 => Some(Fault::Unavailable),
            3..6 if operation != BucketOperation::Body => Some(Fault::AnswerLost),
            _ => None,
        });
    }
    tokio::join!(
        race.deploy(),
        race.until_over(async || race.roll_back().await),
        race.until_over(async || race.restore().await),
        race.until_over(async || race.collect().await),
        race.until_over(async || race.give_up().await),
    );
    race.world.platform.heal();
    while race.world.desires.change(&race.world.app, |desired| desired.pinned = None).await.is_err() {}

    // In the end there is what is to be there, and nothing else. For another host: this one also spares what may have
    // been pinned when the answer was lost.
    let host = World::on(race.world.platform.clone(), LIMIT).await;
    let world = &host;
    world.releases.collect(&world.app, &[]).await.unwrap();
    let kept = world.releases.list(&world.app).await.unwrap();
    assert!((1..=LIMIT + 1).contains(&kept.len()), "{kept:?}");
    let mut named = BTreeSet::new();
    for release in &kept {
        race.read(release).await.expect("it is whole");
        let expected = race.expected.lock().unwrap();
        named.extend(expected[release].values().map(|text| world.content_key(text)));
    }
    let stored = world.platform.list("content/").await.unwrap();
    assert_eq!(stored.into_iter().map(|object| object.key).collect::<BTreeSet<_>>(), named);
}

#[tokio::test]
async fn what_is_in_use_is_whole_while_others_collect() {
    race(false).await;
}

#[tokio::test]
async fn what_is_in_use_is_whole_while_others_collect_on_a_bucket_that_fails() {
    race(true).await;
}

#[tokio::test]
async fn a_keep_that_is_given_up_in_the_middle_leaves_nothing_unknown() {
    for polls in 1..40 {
        let world = World::slow(0).await;
        let before = world.keep(&[("b", "b"), ("c", "c")]).await;
        world.record(&before, Outcome::Live).await;
        let files = [("a", "a"), ("b", "b"), ("d", "d")];
        let manifest = world.push(&files).await;
        let source = world.source(&manifest, None).await;
        let mut keep = Box::pin(world.releases.keep(&world.app, &manifest, &source));
        let mut given_up = true;
        for _ in 0..polls {
            if futures::future::poll_fn(|context| Poll::Ready(keep.poll_unpin(context).is_ready())).await {
                given_up = false;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(keep);
        if given_up {
            world.releases.collect(&world.app, &[]).await.unwrap();
            world.files(&before).await;
        }
        world.releases.keep(&world.app, &manifest, &source).await.unwrap();
        assert_eq!(world.files(&manifest.digest()).await, owned(&files), "after {polls} polls");
    }
}
