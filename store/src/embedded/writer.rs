//! The one writer. It takes every job that waits, runs each in a savepoint of its own, commits them together
//! with one fsync, and only then answers: what was answered is durable, and many writers share the disk's pace.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::blobs::{BlobId, Blobs, StagedBlob};
use super::clock::Clock;
use super::error::EmbeddedError;
use super::wakers::Wakers;
use super::witness::{self, Changed, Witness};

/// Jobs that wait for the writer; whoever finds it full waits too, so memory stays bounded.
const WAITING: usize = 256;

pub(super) struct Writer {
    /// `None` only while the writer is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    witness: Arc<OnceLock<Arc<dyn Witness>>>,
}

/// One write as its job sees it: the open transaction, and what shall happen once it is committed.
pub(super) struct Unit<'a> {
    pub connection: &'a Connection,
    pub clock: &'a dyn Clock,
    effects: Effects,
}

#[derive(Default)]
struct Effects {
    wake: Vec<String>,
    keep: Vec<StagedBlob>,
    discard: Vec<BlobId>,
    changed: Vec<Changed>,
}

type Committed = Result<(), Arc<rusqlite::Error>>;
type Answer = Box<dyn FnOnce(Committed) + Send>;
/// Does its work and says whether to keep it, and how to answer after the commit. Without a unit the transaction
/// was lost before its turn: there is nothing to do but to answer.
type Job = Box<dyn FnOnce(Option<&mut Unit<'_>>) -> (bool, Answer) + Send>;

impl Writer {
    pub fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        blobs: Arc<Blobs>,
        wakers: Arc<Wakers>,
    ) -> Self {
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || {
            // Unlinking a large file takes long enough for the next commit to notice.
            let (discarded, discards) = std::sync::mpsc::channel::<Vec<BlobId>>();
            let collector = std::thread::spawn(move || discards.iter().for_each(|ids| blobs.discard(ids)));
            while let Some(first) = waiting.blocking_recv() {
                let group = std::iter::once(first)
                    .chain(std::iter::from_fn(|| waiting.try_recv().ok()))
                    .take(WAITING);
                let discard = commit_group(&connection, &*clock, &wakers, group);
                // Without a collector they stay for the sweep at the next start.
                if discarded.send(discard).is_err() {
                    tracing::error!("nobody collects the blobs that are no longer named");
                }
            }
            drop(discarded);
            if collector.join().is_err() {
                tracing::error!("the collector of blobs had panicked");
            }
        });
        Self { jobs: Some(jobs), thread: Some(thread), witness: Arc::default() }
    }

    /// See [`super::EmbeddedStore::tell`].
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        if self.witness.set(witness).is_err() {
            tracing::error!("the store has a witness already, and listens to no other");
        }
    }

    /// Runs `work` inside the next commit. An error undoes what `work` did, and nothing else. Returns after the
    /// commit is on the disk, and the witness knows of it.
    pub async fn write<T, W>(&self, work: W) -> Result<T, EmbeddedError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Unit<'_>) -> Result<T, EmbeddedError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (witness, is_told) = (Arc::clone(&self.witness), witness::is_told());
        let job: Job = Box::new(move |unit| {
            let (outcome, changed) = match unit {
                // Whoever asked has gone: nobody would hear of a success, least of all a receiver of messages.
                Some(unit) if !answer.is_closed() => {
                    (work(&mut *unit), std::mem::take(&mut unit.effects.changed))
                }
                _ => (Err(EmbeddedError::Closed), Vec::new()),
            };
            let keep = outcome.is_ok();
            let respond = move |committed: Committed| {
                let outcome = match committed {
                    Ok(()) => outcome,
                    Err(source) => Err(EmbeddedError::Commit(source)),
                };
                // From here and not by the caller, who may have gone: what is committed has to be told in any case.
                let told = match witness.get() {
                    Some(witness) if is_told && outcome.is_ok() && !changed.is_empty() => {
                        Some(witness.tell(changed))
                    }
                    _ => None,
                };
                // A caller that stopped listening meanwhile is no fault of the write.
                let _ = answer.send((outcome, told));
            };
            (keep, Box::new(respond))
        });
        let jobs = self.jobs.as_ref().ok_or(EmbeddedError::Closed)?;
        jobs.send(job).await.map_err(|_| EmbeddedError::Closed)?;
        let (outcome, told) = answered.await.map_err(|_| EmbeddedError::Closed)?;
        if let Some(told) = told {
            told.await;
        }
        outcome
    }
}

impl Drop for Writer {
    /// Waits for the last commit, so that a store that is dropped can be opened again at once.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

impl Unit<'_> {
    /// The next number of the store: it orders versions, messages and deliveries.
    pub fn next_number(&self) -> Result<i64, EmbeddedError> {
        let mut statement =
            self.connection.prepare_cached("UPDATE counter SET value = value + 1 RETURNING value")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Milliseconds since the Unix epoch.
    pub fn wall_ms(&self) -> i64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as i64
    }

    /// Milliseconds on the clock that visibility runs on.
    pub fn elapsed_ms(&self) -> i64 {
        self.clock.elapsed().as_millis() as i64
    }

    /// Wakes whoever waits for messages of this queue.
    pub fn wake(&mut self, queue: &str) {
        self.effects.wake.push(queue.to_owned());
    }

    /// This object is another one once the transaction is committed, or none.
    pub fn changed(&mut self, bucket: &str, key: &str) {
        self.effects.changed.push(Changed { bucket: bucket.to_owned(), key: key.to_owned() });
    }

    /// The transaction now names this blob: it stays, unless the transaction fails.
    pub fn keep(&mut self, blob: StagedBlob) {
        self.effects.keep.push(blob);
    }

    /// The transaction names this blob no more.
    pub fn discard(&mut self, blob: BlobId) {
        self.effects.discard.push(blob);
    }
}

/// Returns the blobs that no object names any more.
fn commit_group(
    connection: &Connection,
    clock: &dyn Clock,
    wakers: &Wakers,
    group: impl Iterator<Item = Job>,
) -> Vec<BlobId> {
    let mut answers = Vec::new();
    let mut effects = Effects::default();
    let committed = run_group(connection, clock, group, &mut answers, &mut effects).map_err(Arc::new);
    if let Err(error) = &committed {
        tracing::error!(error = %error, "the store could not commit");
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %error, "the store could not roll back");
        }
    } else {
        for queue in &effects.wake {
            wakers.wake(queue);
        }
    }
    for answer in answers {
        answer(committed.clone());
    }
    // A commit that failed may still be found on the disk at the next start, so its blobs stay: the sweep at
    // the start knows which are wanted.
    effects.keep.into_iter().for_each(StagedBlob::keep);
    if committed.is_ok() { effects.discard } else { Vec::new() }
}

fn run_group(
    connection: &Connection,
    clock: &dyn Clock,
    group: impl Iterator<Item = Job>,
    answers: &mut Vec<Answer>,
    effects: &mut Effects,
) -> Result<(), rusqlite::Error> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]).map(|_| ());
    let mut broken = execute("BEGIN IMMEDIATE").err();
    // Each job is taken and answered, even when the transaction under it is lost: then with that error.
    for job in group {
        if broken.is_none() {
            broken = execute("SAVEPOINT job").err();
        }
        if broken.is_some() {
            answers.push(job(None).1);
            continue;
        }
        let mut unit = Unit { connection, clock, effects: Effects::default() };
        let (keep, answer) = job(Some(&mut unit));
        answers.push(answer);
        // A full disk makes SQLite give up the whole transaction; then releasing fails, and so does the group.
        broken = if keep {
            effects.wake.append(&mut unit.effects.wake);
            effects.keep.append(&mut unit.effects.keep);
            effects.discard.append(&mut unit.effects.discard);
            execute("RELEASE job").err()
        } else {
            execute("ROLLBACK TO job").and_then(|()| execute("RELEASE job")).err()
        };
    }
    match broken {
        Some(error) => Err(error),
        None => execute("COMMIT"),
    }
}
