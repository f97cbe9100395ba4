//! The audit: who changed what through the API, and who was refused. In memory for whoever asks, and in the platform
//! bucket, in pages: an entry is written at once where none was written for a second, and with the others of that second
//! otherwise, so that a flood of requests is no flood of writes. The oldest page goes when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::backoff;
use cloudyknight_store::bucket::{Bucket, BucketError};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::role::Role;
use crate::deploy::with_causes;

/// One request that changed something, was to, or was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// Grows with each entry.
    pub id: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// The name of the token, or of whose session it was; `operator`, or a workspace whose socket it came through.
    pub who: String,
    pub role: Role,
    pub method: String,
    /// Without its query.
    pub path: String,
    pub workspace: Option<String>,
    /// What was answered.
    pub status: u16,
}

/// What is known of a request.
#[derive(Clone, Debug)]
pub struct Happened {
    pub at: String,
    pub who: String,
    pub role: Role,
    pub method: String,
    pub path: String,
    pub workspace: Option<String>,
    pub status: u16,
}

#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    platform: Arc<dyn Bucket>,
    book: Mutex<Book>,
    /// Held while pages are written, so that no older one overtakes a newer one.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Book {
    /// The oldest first.
    pages: VecDeque<Page>,
    next: u64,
    /// Whether somebody is about to write.
    is_attended: bool,
    /// Pages that are to be deleted.
    old: Vec<u64>,
}

struct Page {
    number: u64,
    entries: Vec<Entry>,
    /// Nothing is added to it any more.
    is_closed: bool,
    is_behind: bool,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    entries: Vec<Entry>,
}

const PREFIX: &str = "audit/";
const VERSION: u32 = 1;
/// Entries of a page, and pages that are kept.
const PAGE: usize = 200;
const PAGES: usize = 50;
/// In bytes, of a path.
const LONGEST_PATH: usize = 512;
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 8;

fn key(number: u64) -> String {
    format!("{PREFIX}{number:010}.json")
}

impl Book {
    /// Adds an entry, and answers whether somebody has to be found who writes it.
    fn add(&mut self, happened: Happened) -> bool {
        let Happened { at, who, role, method, mut path, workspace, status } = happened;
        path.truncate(path.floor_char_boundary(LONGEST_PATH));
        let id = format!("{:012}", self.next);
        self.next += 1;
        let entry = Entry { id, at, who, role, method, path, workspace, status };
        match self.pages.back_mut().filter(|page| !page.is_closed && page.entries.len() < PAGE) {
            Some(page) => {
                page.entries.push(entry);
                page.is_behind = true;
            }
            None => {
                let number = self.pages.back().map_or(0, |page| page.number + 1);
                self.pages.push_back(Page {
                    number,
                    entries: vec![entry],
                    is_closed: false,
                    is_behind: true,
                });
            }
        }
        while self.pages.len() > PAGES {
            self.old.extend(self.pages.pop_front().map(|page| page.number));
        }
        !std::mem::replace(&mut self.is_attended, true)
    }

    /// The newest first, older than `before`.
    fn page(&self, before: Option<&str>, limit: usize) -> (Vec<Entry>, bool) {
        let entries = self.pages.iter().rev().flat_map(|page| page.entries.iter().rev());
        let mut older = entries.filter(|entry| before.is_none_or(|before| entry.id.as_str() < before));
        let page = older.by_ref().take(limit).cloned().collect();
        (page, older.next().is_some())
    }

    fn behind(&mut self) -> Vec<(u64, Bytes)> {
        let behind = self.pages.iter_mut().filter(|page| page.is_behind);
        behind
            .map(|page| {
                page.is_behind = false;
                let document = Document { version: VERSION, entries: page.entries.clone() };
                (page.number, serde_json::to_vec(&document).expect("an entry is plain data").into())
            })
            .collect()
    }
}

impl Audit {
    /// Reads back what was written. A page that cannot be read is left as it is, and said so.
    pub async fn load(platform: Arc<dyn Bucket>) -> Result<Self, BucketError> {
        let objects = platform.list(PREFIX).await?;
        let numbered = objects.into_iter().filter_map(|object| {
            let number = object.key.strip_prefix(PREFIX)?.strip_suffix(".json")?.parse().ok()?;
            (key(number) == object.key).then_some(number)
        });
        let mut numbers: Vec<u64> = numbered.collect();
        numbers.sort_unstable();
        let old: Vec<u64> = numbers.drain(..numbers.len().saturating_sub(PAGES)).collect();
        let reading = futures::stream::iter(numbers).map(|number| read(platform.clone(), number));
        let pages: VecDeque<Page> = reading.buffered(AT_ONCE).try_collect().await?;
        let ids = pages.iter().flat_map(|page| &page.entries).filter_map(|entry| entry.id.parse().ok());
        let next = ids.max().map_or(0, |last: u64| last + 1);
        let book = Mutex::new(Book { pages, next, is_attended: false, old });
        Ok(Self(Arc::new(Shared { platform, book, writing: tokio::sync::Mutex::default() })))
    }

    /// Notes what happened.
    pub fn note(&self, happened: Happened) {
        if self.0.book().add(happened) {
            tokio::spawn(attend(self.0.clone()));
        }
    }

    /// The newest first, older than the entry `before`, and whether there are more.
    pub fn page(&self, before: Option<&str>, limit: usize) -> (Vec<Entry>, bool) {
        self.0.book().page(before, limit)
    }

    /// Writes what is not written yet, before the end.
    pub async fn finish(&self) {
        if let Err(error) = self.0.write().await {
            tracing::warn!(error = with_causes(&error), "the end of the audit could not be written");
        }
    }
}

async fn read(platform: Arc<dyn Bucket>, number: u64) -> Result<Page, BucketError> {
    let text = platform.get(&key(number), None).await?.bytes().await?;
    let (entries, is_closed) = match serde_json::from_slice::<Document>(&text) {
        Ok(document) => (document.entries, false),
        Err(error) => {
            tracing::warn!(key = key(number), %error, "a page of the audit is not readable");
            // What could not be read would be lost.
            (Vec::new(), true)
        }
    };
    Ok(Page { number, entries, is_closed, is_behind: false })
}

/// Writes for as long as there is something to write.
async fn attend(shared: Arc<Shared>) {
    let mut failures = 0;
    loop {
        let pause = match shared.write().await {
            Ok(()) => {
                failures = 0;
                PAUSE
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(error = with_causes(&error), "the audit could not be written; trying on");
                }
                failures += 1;
                let random = getrandom::u32().unwrap_or(u32::MAX);
                backoff::pause(failures, PAUSE, LONGEST_PAUSE, random)
            }
        };
        tokio::time::sleep(pause).await;
        let mut book = shared.book();
        if !book.pages.iter().any(|page| page.is_behind) {
            book.is_attended = false;
            return;
        }
    }
}

impl Shared {
    async fn write(&self) -> Result<(), BucketError> {
        let _turn = self.writing.lock().await;
        let (behind, old) = {
            let mut book = self.book();
            (book.behind(), std::mem::take(&mut book.old))
        };
        for (number, text) in &behind {
            if let Err(error) = self.platform.put(&key(*number), text.clone()).await {
                let mut book = self.book();
                for page in &mut book.pages {
                    page.is_behind |= behind.iter().any(|(number, _)| *number == page.number);
                }
                book.old.extend(old);
                return Err(error);
            }
        }
        for number in old {
            self.platform.delete(&key(number)).await?;
        }
        Ok(())
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it holds this")
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
    use cloudyknight_store::memory::MemoryBucket;

    use super::*;

    fn happened(n: usize) -> Happened {
        Happened {
            at: "then".into(),
            who: format!("who-{n}"),
            role: Role::Deploy,
            method: "POST".into(),
            path: "/api/v1/workspaces/app/stop".into(),
            workspace: Some("app".into()),
            status: 202,
        }
    }

    fn bucket() -> Arc<FailingBucket> {
        Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight"))))
    }

    fn who(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.who.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_noted_is_read_back_the_newest_first() {
        let bucket = bucket();
        let audit = Audit::load(bucket.clone()).await.unwrap();
        for n in 0..3 {
            audit.note(happened(n));
        }
        audit.finish().await;
        let again = Audit::load(bucket.clone()).await.unwrap();
        again.note(happened(3));
        let (first, more) = again.page(None, 2);
        assert_eq!((who(&first), more), (vec!["who-3", "who-2"], true));
        let (second, more) = again.page(Some(&first[1].id), 2);
        assert_eq!((who(&second), more), (vec!["who-1", "who-0"], false));
        assert_eq!(bucket.list(PREFIX).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_written_later() {
        let bucket = bucket();
        let audit = Audit::load(bucket.clone()).await.unwrap();
        bucket.fail_next(BucketOperation::Put, 2, Fault::Unavailable);
        audit.note(happened(0));
        let written = async {
            while Audit::load(bucket.clone()).await.unwrap().page(None, 1).0.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(10 * LONGEST_PAUSE, written).await.unwrap();
    }

    #[test]
    fn only_so_many_are_kept_and_a_path_is_cut() {
        let mut book = Book::default();
        let all = PAGE * (PAGES + 1);
        for n in 0..all {
            let added = book.add(Happened { path: "é".repeat(LONGEST_PATH), ..happened(n) });
            assert_eq!(added, n == 0, "one writes for all");
        }
        assert_eq!((book.pages.len(), book.old.as_slice()), (PAGES, [0].as_slice()));
        let (entries, more) = book.page(None, usize::MAX);
        assert_eq!((entries.len(), more), (PAGE * PAGES, false));
        assert_eq!((entries[0].who.as_str(), entries[0].path.len()), ("who-10199", LONGEST_PATH));
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_read_stays_as_it_is() {
        let bucket = bucket();
        bucket.put(&key(7), Bytes::from_static(b"{")).await.unwrap();
        let audit = Audit::load(bucket.clone()).await.unwrap();
        audit.note(happened(0));
        audit.finish().await;
        let kept = bucket.get(&key(7), None).await.unwrap().bytes().await.unwrap();
        assert_eq!(kept, Bytes::from_static(b"{"));
        assert_eq!(Audit::load(bucket).await.unwrap().page(None, 9).0.len(), 1);
    }
}
