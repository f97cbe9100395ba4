//! What is remembered of the releases of one workspace between two operations, and who is in the middle of one. All of
//! it can be lost: it saves requests, and is read back from the platform bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use cloudyknight_core::history::History;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::release::ContentDigest;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;

use super::error::ReleaseError;
use super::shelf::Shelf;

#[derive(Default)]
pub(super) struct Desk {
    /// `None` until it was read from the bucket. Held by whoever reads or changes what is kept.
    shelf: tokio::sync::Mutex<Option<Shelf>>,
    /// `None` until it was read from the bucket.
    pub history: tokio::sync::Mutex<Option<History>>,
    /// The bucket's history lacks something that this one has.
    pub is_ahead: AtomicBool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// What was kept last: it goes live any moment, and nobody else knows of it yet.
    latest: Option<ReleaseDigest>,
    /// What may have been pinned: the answer was lost.
    doubtful: BTreeSet<ReleaseDigest>,
    /// Releases that are being read, and by how many.
    held: BTreeMap<ReleaseDigest, usize>,
    /// Content that a release which is just being kept counts on, and how many of them.
    reserved: BTreeMap<ContentDigest, usize>,
    /// Documents, and content, that were found damaged or missing: to be written anew when they can be.
    damaged: BTreeSet<ReleaseDigest>,
    rotten: BTreeSet<ContentDigest>,
    /// An operation ended in the middle: the bucket may hold more or less than the shelf says.
    unsure: bool,
}

/// The shelf, held. Whoever is going to write takes it with [`Open::begin`].
pub(super) struct Open<'a> {
    desk: &'a Desk,
    guard: tokio::sync::MutexGuard<'a, Option<Shelf>>,
}

impl Desk {
    /// Takes the shelf, reading it first where that is due.
    pub async fn open(
        &self,
        platform: &dyn Bucket,
        workspace: &WorkspaceName,
    ) -> Result<Open<'_>, ReleaseError> {
        let mut guard = self.shelf.lock().await;
        if std::mem::take(&mut self.notes().unsure) {
            *guard = None;
        }
        if guard.is_none() {
            *guard = Some(Shelf::read(platform, workspace).await?);
        }
        Ok(Open { desk: self, guard })
    }

    pub fn distrust(&self, release: &ReleaseDigest) {
        self.notes().damaged.insert(release.clone());
    }

    pub fn distrust_content(&self, content: &ContentDigest) {
        self.notes().rotten.insert(content.clone());
    }

    /// It was written anew.
    pub fn trust<'a>(&self, release: &ReleaseDigest, content: impl Iterator<Item = &'a ContentDigest>) {
        let mut notes = self.notes();
        notes.damaged.remove(release);
        for digest in content {
            notes.rotten.remove(digest);
        }
    }

    pub fn is_damaged(&self, release: &ReleaseDigest) -> bool {
        self.notes().damaged.contains(release)
    }

    /// Of these, what was found damaged or missing.
    pub fn rotten<'a>(&self, content: impl Iterator<Item = &'a ContentDigest>) -> BTreeSet<ContentDigest> {
        let notes = self.notes();
        content.filter(|digest| notes.rotten.contains(*digest)).cloned().collect()
    }

    pub fn note_latest(&self, release: &ReleaseDigest) {
        self.notes().latest = Some(release.clone());
    }

    pub fn note_doubtful_pin(&self, release: &ReleaseDigest) {
        self.notes().doubtful.insert(release.clone());
    }

    /// What is pinned is certain again.
    pub fn forget_doubtful_pins(&self) {
        self.notes().doubtful.clear();
    }

    /// Releases that are in somebody's hands.
    pub fn in_use(&self) -> BTreeSet<ReleaseDigest> {
        let notes = self.notes();
        notes.latest.iter().chain(notes.held.keys()).chain(&notes.doubtful).cloned().collect()
    }

    /// Whether somebody reads or keeps a release just now.
    pub fn is_held(&self) -> bool {
        let notes = self.notes();
        !notes.held.is_empty() || !notes.reserved.is_empty()
    }

    pub fn is_reserved(&self, content: &ContentDigest) -> bool {
        self.notes().reserved.contains_key(content)
    }

    /// To be taken while the shelf is held, so that what is counted on is still there.
    pub fn reserve(&self, content: Vec<ContentDigest>) -> Reservation<'_> {
        let mut notes = self.notes();
        for digest in &content {
            *notes.reserved.entry(digest.clone()).or_default() += 1;
        }
        Reservation { desk: self, content, done: false }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("nothing panics while it holds the notes")
    }
}

impl Open<'_> {
    /// Until the answer is dropped after [`Writing::done`], what the bucket holds is uncertain: an error, and a future
    /// that is given up, leave it so, and it is read again.
    pub fn begin(&mut self) -> Writing<'_> {
        Writing { desk: self.desk, shelf: self.guard.as_mut().expect("it was read"), done: false }
    }
}

impl Deref for Open<'_> {
    type Target = Shelf;

    fn deref(&self) -> &Shelf {
        self.guard.as_ref().expect("it was read")
    }
}

pub(super) struct Writing<'a> {
    desk: &'a Desk,
    shelf: &'a mut Shelf,
    done: bool,
}

impl Writing<'_> {
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Deref for Writing<'_> {
    type Target = Shelf;

    fn deref(&self) -> &Shelf {
        self.shelf
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Shelf {
        self.shelf
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.desk.notes().unsure = true;
        }
    }
}

/// As long as it lives, no collection takes this content. Dropped before [`Reservation::done`], it leaves the shelf
/// uncertain: some of it may have been written.
pub(super) struct Reservation<'a> {
    desk: &'a Desk,
    content: Vec<ContentDigest>,
    done: bool,
}

impl Reservation<'_> {
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut notes = self.desk.notes();
        for digest in &self.content {
            release_one(&mut notes.reserved, digest);
        }
        if !self.done {
            notes.unsure = true;
        }
    }
}

/// As long as it lives, no collection takes this release.
pub struct Hold {
    desk: Arc<Desk>,
    release: ReleaseDigest,
}

impl Hold {
    pub(super) async fn take(desk: Arc<Desk>, release: &ReleaseDigest) -> Self {
        // Not in the middle of a collection, which has made up its mind.
        let shelf = desk.shelf.lock().await;
        *desk.notes().held.entry(release.clone()).or_default() += 1;
        drop(shelf);
        Self { desk, release: release.clone() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        release_one(&mut self.desk.notes().held, &self.release);
    }
}

fn release_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
