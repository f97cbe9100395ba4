//! Feeds the handlers inside the platform's own process, where no Lambda does: receives, handles, and takes off the
//! queue what is done. Each pump runs until `shutdown`, and ends between two batches.
//!
//! What fails stays on its queue and comes again when its visibility runs out; after too often the queue puts it among
//! its dead letters. Notifications whose commands cannot be sent are kept instead, however long that takes: they are not
//! at fault. Nothing here is lost by being dropped at any point.

use std::sync::Arc;
use std::time::Duration;

use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::hint;
use cloudyknight_store::queue::{Message, Queue};
use tokio_util::sync::CancellationToken;

use crate::backoff::{self, Backoff};
use crate::chain::Chain;
use crate::observe::Observer;
use crate::{Incoming, clock, dead_letter, object_changed, sweep};

/// A burst of a thousand files should be a few commands, so batches are large; what has come is never kept waiting
/// for more.
const BATCH: usize = 500;
/// As many at once mean that there may be more: SQS hands out no more than these.
const FULL: usize = 10;
/// How long to wait for a message before asking again.
const WAIT: Duration = Duration::from_secs(20);
/// How long a batch may take, and how soon what failed comes again.
const VISIBILITY: Duration = Duration::from_secs(30);
/// For how long a batch that cannot be handled now is kept from coming again: well beyond the pause, and the try after it.
const HELD: Duration = backoff::LONGEST.saturating_mul(3);
/// How often the same sweep is tried before it is left for later; all in all a few seconds.
const ATTEMPTS: u32 = 5;

/// Notifications about `bucket` into commands.
pub async fn object_changed(
    events: Arc<dyn Queue>,
    commands: Arc<dyn Queue>,
    bucket: String,
    observer: Arc<dyn Observer>,
    shutdown: CancellationToken,
) {
    while let Some(batch) = next_batch(&*events, "events", &shutdown).await {
        let outcome = sent(&batch, &*events, &bucket, &*commands, &*observer, &shutdown).await;
        outcome.log();
        if outcome.not_sent.is_none() {
            observer.changed(&outcome);
        }
        let done = batch.iter().filter(|message| !outcome.failed.contains(&message.id));
        take_off(&*events, "events", done).await;
    }
}

/// Exhausted messages of the queue that `queue` names into documents of the platform bucket. `bucket` is the
/// workspaces bucket.
pub async fn dead_letter(
    dead: Arc<dyn Queue>,
    queue: String,
    bucket: String,
    platform: Arc<dyn Bucket>,
    observer: Arc<dyn Observer>,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::default();
    while let Some(batch) = next_batch(&*dead, &queue, &shutdown).await {
        let incoming: Vec<_> = batch.iter().map(incoming).collect();
        let failed =
            dead_letter::handle(&incoming, &queue, &bucket, &clock::now(), &*platform, &*observer).await;
        take_off(&*dead, &queue, batch.iter().filter(|message| !failed.contains(&message.id))).await;
        if failed.is_empty() {
            backoff.succeeded();
        } else {
            or_shutdown(backoff.failed(), &shutdown).await;
        }
    }
}

/// A sweep every `interval`; the first after one interval, since the agent itself looks at everything when it starts.
pub async fn sweep(
    interval: Duration,
    workspaces: Arc<dyn Bucket>,
    platform: Arc<dyn Bucket>,
    commands: Arc<dyn Queue>,
    observer: Arc<dyn Observer>,
    shutdown: CancellationToken,
) {
    while or_shutdown(tokio::time::sleep(interval), &shutdown).await.is_some() {
        let mut backoff = Backoff::default();
        loop {
            match sweep::handle(&*workspaces, &*platform, &*commands, None).await {
                Ok(swept) => {
                    swept.log();
                    break observer.swept(&swept);
                }
                Err(error) if backoff.failures() + 1 >= ATTEMPTS => {
                    break tracing::error!(error = %Chain(&error), "gave up on this sweep; the next one comes");
                }
                Err(error) => tracing::debug!(error = %Chain(&error), "a sweep failed; trying again"),
            }
            if or_shutdown(backoff.failed(), &shutdown).await.is_none() {
                return;
            }
        }
    }
}

/// What else is there now: some queues hand out few messages at a time, however many are asked for.
async fn take_the_rest(queue: &dyn Queue, name: &str, batch: &mut Vec<Message>) {
    let mut taken = batch.len();
    while taken >= FULL && batch.len() < BATCH {
        match queue.receive(BATCH - batch.len(), Duration::ZERO, VISIBILITY).await {
            Ok(more) => {
                taken = more.len();
                batch.extend(more);
            }
            Err(error) => {
                // Those that came are handled; the next receive tells whether it was more than a moment.
                tracing::debug!(queue = name, error = %Chain(&error), "could not receive the rest of a burst");
                return;
            }
        }
    }
}

/// The next messages, however long that takes; none on shutdown.
async fn next_batch(queue: &dyn Queue, name: &str, shutdown: &CancellationToken) -> Option<Vec<Message>> {
    let mut backoff = Backoff::default();
    loop {
        match or_shutdown(queue.receive(BATCH, WAIT, VISIBILITY), shutdown).await? {
            Ok(mut batch) => {
                if backoff.failures() > 0 {
                    tracing::info!(queue = name, "messages can be received again");
                    backoff.succeeded();
                }
                if !batch.is_empty() {
                    take_the_rest(queue, name, &mut batch).await;
                    return Some(batch);
                }
            }
            Err(error) => {
                if backoff.failures() == 0 {
                    let hint = hint::of(&error);
                    tracing::error!(queue = name, error = %Chain(&error), hint, "could not receive; trying on");
                }
                or_shutdown(backoff.failed(), shutdown).await?;
            }
        }
    }
}

/// Handles a batch, and again for as long as its commands cannot be sent. Meanwhile it is kept, so that an outage uses up
/// no delivery that the messages have. On shutdown they stay on the queue.
async fn sent(
    batch: &[Message],
    events: &dyn Queue,
    bucket: &str,
    commands: &dyn Queue,
    observer: &dyn Observer,
    shutdown: &CancellationToken,
) -> object_changed::Outcome {
    let notified_at = clock::moment();
    let incoming: Vec<_> = batch.iter().map(incoming).collect();
    let mut backoff = Backoff::default();
    loop {
        let handling = object_changed::handle(&incoming, bucket, commands, None, notified_at);
        let outcome = kept(handling, events, batch).await;
        let Some(error) = &outcome.not_sent else {
            if backoff.failures() > 0 {
                tracing::info!("commands can be sent again");
            }
            return outcome;
        };
        if backoff.failures() == 0 {
            let (messages, hint) = (batch.len(), hint::of(error));
            tracing::error!(messages, error = %Chain(error), hint, "no commands can be sent; trying on");
            observer.changed(&outcome);
        }
        let pause = async {
            hold(events, batch).await;
            backoff.failed().await;
        };
        if or_shutdown(pause, shutdown).await.is_none() {
            return outcome;
        }
    }
}

/// What `handling` a batch gives. A queue that hangs may take longer to fail than the batch is ours.
async fn kept<T>(handling: impl Future<Output = T>, events: &dyn Queue, batch: &[Message]) -> T {
    tokio::pin!(handling);
    tokio::select! {
        outcome = &mut handling => outcome,
        () = tokio::time::sleep(VISIBILITY / 2) => tokio::join!(handling, hold(events, batch)).0,
    }
}

/// Keeps a batch from coming again during the next pause or a long try.
async fn hold(events: &dyn Queue, batch: &[Message]) {
    let receipts: Vec<_> = batch.iter().map(|message| message.receipt.clone()).collect();
    if let Err(error) = events.extend_all(&receipts, HELD).await {
        // What comes again makes the same commands, which is harmless.
        tracing::debug!(error = %Chain(&error), "could not keep notifications from coming again");
    }
}

async fn take_off<'a>(queue: &dyn Queue, name: &str, done: impl Iterator<Item = &'a Message>) {
    let receipts: Vec<_> = done.map(|message| message.receipt.clone()).collect();
    if receipts.is_empty() {
        return;
    }
    if let Err(error) = queue.delete(receipts).await {
        tracing::error!(queue = name, error = %Chain(&error), "could not take messages off; they come again, which is harmless");
    }
}

fn incoming(message: &Message) -> Incoming<'_> {
    Incoming { id: &message.id, body: &message.body }
}

/// What `work` gives, or none when the shutdown comes first.
async fn or_shutdown<T>(work: impl Future<Output = T>, shutdown: &CancellationToken) -> Option<T> {
    shutdown.run_until_cancelled(work).await
}

#[cfg(test)]
mod tests;
