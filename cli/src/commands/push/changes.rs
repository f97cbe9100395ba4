//! When to look at a folder again: once something has changed in it, and nobody is writing any more. What has changed is
//! found out by looking, so no event decides anything, and the files that editors make on the way are nothing to see.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::errors::hinted;

/// As long without an event, and a save is complete.
const QUIET: Duration = Duration::from_millis(20);
/// As long is waited for the end of a write that has begun.
const UNFINISHED: Duration = Duration::from_millis(500);
/// However much goes on, it is looked at this often.
const LONGEST: Duration = Duration::from_secs(2);

pub struct Changes {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<notify::Result<Event>>,
    watched: BTreeSet<PathBuf>,
    settling: Option<Settling>,
}

/// Something has changed, and may go on to.
struct Settling {
    since: Instant,
    writes: Writes,
}

impl Changes {
    pub fn new() -> anyhow::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        // Nobody listens any more only when all ends.
        let tell = move |event| drop(sender.send(event));
        let watcher = notify::recommended_watcher(tell).context("could not watch files")?;
        Ok(Self { watcher, events, watched: BTreeSet::new(), settling: None })
    }

    /// Watches these folders, and no others. Not what lies below them: most files are in folders that are left out.
    pub fn watch(&mut self, folders: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
        for folder in folders.difference(&self.watched) {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) if !folder.exists() => drop(error),
                Err(error) => return Err(refused(folder, error)),
            }
        }
        for folder in self.watched.difference(folders) {
            // Gone, most likely, and its watch with it.
            let _ = self.watcher.unwatch(folder);
        }
        self.watched.clone_from(folders);
        Ok(())
    }

    /// Waits until something has changed and nobody writes, and answers when it began. Nothing is forgotten when nobody
    /// waits to the end.
    pub async fn settled(&mut self) -> Instant {
        loop {
            let Some(settling) = &self.settling else {
                match self.events.recv().await {
                    Some(event) => self.see(event),
                    None => std::future::pending().await,
                }
                continue;
            };
            let rest = LONGEST.saturating_sub(settling.since.elapsed());
            let quiet = settling.writes.patience().min(rest);
            match tokio::time::timeout(quiet, self.events.recv()).await {
                Ok(Some(event)) if !rest.is_zero() => self.see(event),
                _ => {
                    let since = settling.since;
                    self.settling = None;
                    return since;
                }
            }
        }
    }

    fn see(&mut self, event: notify::Result<Event>) {
        // Events that were lost may have been about anything.
        let event = event.unwrap_or_else(|_| Event::new(EventKind::Any));
        if is_look(&event.kind) {
            return;
        }
        let settling = Settling { since: Instant::now(), writes: Writes::default() };
        self.settling.get_or_insert(settling).writes.see(&event);
    }
}

/// Whether somebody only read.
fn is_look(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if !matches!(access, AccessKind::Close(AccessMode::Write)))
}

/// Files that are being written: between the first write and the end of it, a file is not what it will be.
#[derive(Default)]
struct Writes(BTreeSet<PathBuf>);

impl Writes {
    fn see(&mut self, event: &Event) {
        for path in &event.paths {
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) => self.0.insert(path.clone()),
                _ => self.0.remove(path),
            };
        }
    }

    fn patience(&self) -> Duration {
        if self.0.is_empty() { QUIET } else { UNFINISHED }
    }
}

fn refused(folder: &Path, error: notify::Error) -> anyhow::Error {
    let hint = match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "Linux allows as many watches as fs.inotify.max_user_watches says; raise it, or leave folders out in \
             .cloudyknightignore"
        }
        _ => "`cloudyknight push` without --watch pushes once",
    };
    hinted(format!("could not watch {}: {error}", folder.display()), hint)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, RemoveKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn a_write_that_has_not_ended_is_waited_for() {
        let mut writes = Writes::default();
        writes.see(&event(EventKind::Create(CreateKind::File), "a"));
        assert_eq!(writes.patience(), QUIET);
        writes.see(&event(EventKind::Modify(ModifyKind::Data(DataChange::Any)), "a"));
        writes.see(&event(EventKind::Modify(ModifyKind::Data(DataChange::Any)), "b"));
        assert_eq!(writes.patience(), UNFINISHED);
        writes.see(&event(EventKind::Access(AccessKind::Close(AccessMode::Write)), "a"));
        assert_eq!(writes.patience(), UNFINISHED);
        writes.see(&event(EventKind::Remove(RemoveKind::File), "b"));
        assert_eq!(writes.patience(), QUIET);
    }

    #[test]
    fn reading_a_file_changes_nothing() {
        assert!(is_look(&EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(is_look(&EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(!is_look(&EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(!is_look(&EventKind::Remove(RemoveKind::Any)));
    }

    #[tokio::test]
    async fn a_saved_file_is_noticed_once_and_those_in_new_folders_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut changes = Changes::new().unwrap();
        changes.watch(&BTreeSet::from([dir.path().to_owned()])).unwrap();
        std::fs::write(dir.path().join("a"), "one").unwrap();
        changes.settled().await;
        assert!(tokio::time::timeout(QUIET * 3, changes.settled()).await.is_err());

        std::fs::create_dir(dir.path().join("sub")).unwrap();
        changes.settled().await;
        changes.watch(&BTreeSet::from([dir.path().to_owned(), dir.path().join("sub")])).unwrap();
        std::fs::write(dir.path().join("sub/b"), "two").unwrap();
        changes.settled().await;
    }
}
