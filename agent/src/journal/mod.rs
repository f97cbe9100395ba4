//! The journal: what came in on the way from a push to live, what was decided, and why. For people who look on, in memory and
//! bounded; what must not be lost is in statuses, histories and dead letters.
//!
//! Beside its entries it tells what changed in the bucket, for whoever keeps a copy of what lies there. Readers ask for what
//! was told since they last looked, so that one who is slow holds nobody up: they learn that they missed something.

mod entry;
mod notifications;
mod words;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use cloudyknight_core::command::Command;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::origin::Moment;
use cloudyknight_core::workspace::WorkspaceName;
use time::OffsetDateTime;
use tokio::sync::watch;

pub use entry::{Changes, Entry, EntryKind, Line};
pub use notifications::{Batch, LastTold, Notifications};

/// The most entries that are kept.
const ENTRIES: usize = 2000;
/// The most changes of the bucket that are kept. They may hold many paths each.
const CHANGES: usize = 200;

pub struct Journal {
    told: Mutex<Told>,
    /// How much was told.
    count: watch::Sender<u64>,
    /// Which run of the agent this is: what another one told is not known here.
    epoch: String,
    hears: AtomicBool,
}

#[derive(Default)]
struct Told {
    /// The number of what was told last; they begin with 1.
    last: u64,
    entries: VecDeque<(u64, Entry)>,
    changes: VecDeque<(u64, Changes)>,
    /// The last number of changes that are forgotten.
    forgotten: u64,
    notifications: Notifications,
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    Entry(Entry),
    Changes(Changes),
}

/// What was told since a reader last looked.
#[derive(Debug, PartialEq)]
pub struct Since {
    /// In their order, with their numbers.
    pub news: Vec<(u64, News)>,
    /// Changes of the bucket are forgotten that the reader was not told: whatever it keeps of the bucket may be old.
    pub missed: bool,
}

impl Journal {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let began = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        Self {
            told: Mutex::default(),
            count: watch::Sender::new(0),
            epoch: format!("{began:x}"),
            hears: AtomicBool::new(false),
        }
    }

    /// The functions run in this process, and tell the journal what they read. Otherwise it knows only what comes of it.
    pub fn hears_notifications(&self) {
        self.hears.store(true, Ordering::Relaxed);
    }

    /// Whether somebody tells which objects changed.
    pub fn is_told_of_objects(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    pub fn write(&self, line: Line) {
        self.write_all(vec![line], Vec::new(), |_| {});
    }

    /// Writes down what became of a batch of notifications.
    pub fn read(&self, batch: &Batch<'_>) {
        let at = now();
        self.write_all(batch.lines(), batch.changes(), |told| batch.count(at, told));
    }

    /// Writes down that the bucket differed from what is deployed, in these workspaces. What was not told of them may be
    /// anything.
    pub fn swept(&self, sent: &[Command], refused: Vec<(WorkspaceName, String)>) {
        let changes = sent.iter().map(|command| Changes::of_anything(command.workspace.clone())).collect();
        self.write_all(words::swept(sent, refused), changes, |_| {});
    }

    /// Writes down that the agent received a command.
    pub fn received(&self, command: &Command) {
        let unknown = !self.is_told_of_objects();
        let changes = unknown.then(|| Changes::of_anything(command.workspace.clone()));
        self.write_all(vec![words::received(command)], changes.into_iter().collect(), |_| {});
    }

    pub fn gave_up(&self, letter: &DeadLetter) {
        self.write_all(words::gave_up(letter), Vec::new(), |_| {});
    }

    /// Says that a workspace's objects differ from what they were, where nobody else can say which.
    pub fn listed_anew(&self, workspace: &WorkspaceName) {
        if !self.is_told_of_objects() {
            self.write_all(Vec::new(), vec![Changes::of_anything(workspace.clone())], |_| {});
        }
    }

    fn write_all(&self, lines: Vec<Line>, changes: Vec<Changes>, count: impl FnOnce(&mut Notifications)) {
        let at = now();
        let mut told = self.lock();
        count(&mut told.notifications);
        for changes in changes {
            told.last += 1;
            let number = told.last;
            told.changes.push_back((number, changes));
            if told.changes.len() > CHANGES
                && let Some((gone, _)) = told.changes.pop_front()
            {
                told.forgotten = gone;
            }
        }
        for line in lines {
            told.last += 1;
            let number = told.last;
            told.entries.push_back((number, line.entry(self.id(number), at)));
            if told.entries.len() > ENTRIES {
                told.entries.pop_front();
            }
        }
        let last = told.last;
        drop(told);
        self.count.send_if_modified(|count| std::mem::replace(count, last) != last);
    }

    /// The number of what was told last.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// Changes whenever something is told.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// What was told after `number`.
    pub fn since(&self, number: u64) -> Since {
        let told = self.lock();
        let entries = told.entries.iter().rev().take_while(|(one, _)| *one > number);
        let changes = told.changes.iter().rev().take_while(|(one, _)| *one > number);
        let mut news: Vec<(u64, News)> = entries
            .map(|(one, entry)| (*one, News::Entry(entry.clone())))
            .chain(changes.map(|(one, changes)| (*one, News::Changes(changes.clone()))))
            .collect();
        news.sort_by_key(|(one, _)| *one);
        Since { news, missed: told.forgotten > number }
    }

    /// The entries that came before `number`, the newest first.
    pub fn before(&self, number: u64) -> Vec<(u64, Entry)> {
        self.lock().entries.iter().rev().filter(|(one, _)| *one < number).cloned().collect()
    }

    pub fn notifications(&self) -> Option<Notifications> {
        self.is_told_of_objects().then(|| self.lock().notifications.clone())
    }

    /// What a reader may come back with.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.epoch)
    }

    /// The number that an id stands for; none where another run of the agent gave it.
    pub fn number(&self, id: &str) -> Option<u64> {
        let number: u64 = id.strip_prefix(&self.epoch)?.strip_prefix('-')?.parse().ok()?;
        (number <= self.last()).then_some(number)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("no thread panics while it holds the journal")
    }
}

fn now() -> Moment {
    Moment::of(OffsetDateTime::now_utc())
}

#[cfg(test)]
mod tests;
