//! Where servers that cannot speak SQS put their notifications: the webhook of MinIO and its relatives. It decides
//! nothing about workspaces: what is accepted goes on the events queue as it came, and `object_changed` reads it there.
//!
//! An event is acknowledged once it is durable, and not before; everything else is left to the sender. MinIO keeps
//! what was not answered 2xx in its `queue_dir` and sends the first such event again every three seconds, for ever,
//! with all later ones waiting behind it (without a `queue_dir` it drops it). So a refusal must be for what a person
//! can mend (the token, the queue) or for what passes (too much at once). A body that nobody will ever understand is
//! therefore accepted as well: on the events queue it becomes a dead letter that `status` shows, and blocks nothing. Only
//! what no server ever queues is refused for good: a body that is empty, or larger than any queue carries.
//! <https://github.com/minio/minio/blob/master/internal/store/store.go>

mod answer;
mod serve;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudyknight_core::notification::{self, Ignored, Parsed};
use cloudyknight_store::queue::{self, Outgoing, Queue};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

pub use answer::Answer;
pub use serve::serve;

use crate::chain::Chain;

/// The largest body that is read, in bytes: what the queue carries, and far above any real event.
pub const MAX_BODY: usize = notification::MAX_TEXT;
/// How many events are taken at once. More are told to come again: each holds a body in memory and waits for the queue.
const AT_ONCE: usize = 64;
/// How long the queue may take. A sender that is left waiting for longer gives up without knowing what became of it.
const SEND_PATIENCE: Duration = Duration::from_secs(20);

pub struct Ingest {
    /// Digest of the token; none where there is no token, and then nobody has the right one.
    token: Option<[u8; 32]>,
    events: Arc<dyn Queue>,
    bucket: String,
    places: Semaphore,
    strangers: Tally,
    turned_away: Tally,
}

/// What is known of a request before its body is read.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The header `Content-Length`.
    pub length: Option<u64>,
}

/// Why a body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Late,
    #[error("the body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Ingest {
    /// Takes events about `bucket` from whoever has the token. An empty token admits nobody.
    pub fn new(token: String, events: Arc<dyn Queue>, bucket: String) -> Self {
        Self {
            token: (!token.is_empty()).then(|| digest(token.as_bytes())),
            events,
            bucket,
            places: Semaphore::new(AT_ONCE),
            strangers: Tally::default(),
            turned_away: Tally::default(),
        }
    }

    /// Answers one request. `body` is awaited only if the head is that of an event which may be taken.
    ///
    /// `HEAD` is how MinIO and RustFS try whether the endpoint is there, the one with the token and the other without.
    /// It is answered alike for all, and tells no more than the open port does.
    pub async fn answer<B: AsRef<[u8]>>(
        &self,
        head: Head<'_>,
        body: impl Future<Output = Result<B, Unread>>,
    ) -> Answer {
        match head.method {
            "POST" => {}
            "HEAD" => return Answer::Present,
            _ => return Answer::WrongMethod,
        }
        if !self.admits(head.authorization) {
            if let Some(times) = self.strangers.telling() {
                let token = if head.authorization.is_some() { "wrong" } else { "missing" };
                tracing::warn!(times, token, "refused events whose sender has not the ingest token");
            }
            return Answer::Unauthorised;
        }
        if head.length.is_some_and(|length| length > MAX_BODY as u64) {
            return unread(&Unread::TooLarge);
        }
        let Ok(_place) = self.places.try_acquire() else {
            if let Some(times) = self.turned_away.telling() {
                tracing::warn!(times, at_once = AT_ONCE, "too many events at once; their sender tries again");
            }
            return Answer::Busy;
        };
        match body.await {
            Ok(body) => self.take(body.as_ref()).await,
            Err(why) => unread(&why),
        }
    }

    /// The token as `Bearer TOKEN`, which is how MinIO sends a token of one word, or as the whole header, which is how
    /// it sends one of two words. Compared as digests, so that the time taken tells nothing, not even a length.
    fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let (Some(token), Some(header)) = (&self.token, authorization) else {
            return false;
        };
        let bare = match header.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
            _ => header,
        };
        let is_token = |text: &[u8]| digest(text).ct_eq(token);
        (is_token(header) | is_token(bare)).into()
    }

    async fn take(&self, body: &[u8]) -> Answer {
        let text = carriable(body);
        if text.trim().is_empty() {
            return Answer::Empty;
        }
        // Looked at here as well: not every server that we run in bounds what it reads, and what a queue does not carry
        // is written in more bytes. Sent, it would be refused, and its sender would try again for ever.
        if text.len() > MAX_BODY {
            return unread(&Unread::TooLarge);
        }
        match notification::parse(&text, &self.bucket) {
            Ok(parsed) => {
                if let Some(Ignored { key, why }) = about_nothing_here(&parsed) {
                    tracing::info!(?key, why = %Chain(why), bucket = self.bucket, "ignored an event of the webhook");
                    return Answer::Ignored;
                }
            }
            Err(why) => {
                let bytes = body.len();
                tracing::warn!(bytes, error = %Chain(&why), "took a text that is no notification; it will be a dead letter");
            }
        }
        let event = Outgoing { body: text, group: None, dedup: None };
        match tokio::time::timeout(SEND_PATIENCE, self.events.send(vec![event])).await {
            Ok(Ok(())) => Answer::Queued,
            Ok(Err(error)) => {
                tracing::error!(error = %Chain(&error), "could not queue an event; its sender tries again");
                Answer::QueueFailed
            }
            Err(_) => {
                let seconds = SEND_PATIENCE.as_secs();
                tracing::error!(
                    seconds,
                    "the events queue did not answer; the sender of the event tries again"
                );
                Answer::QueueFailed
            }
        }
    }
}

/// Says nothing about the token, the queue or what went through.
impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

fn digest(text: &[u8]) -> [u8; 32] {
    *blake3::hash(text).as_bytes()
}

fn unread(why: &Unread) -> Answer {
    tracing::warn!(error = %Chain(why), "refused an event");
    match why {
        Unread::TooLarge => Answer::TooLarge,
        Unread::Late => Answer::TooSlow,
        Unread::Broken(_) => Answer::Broken,
    }
}

/// The body as a queue takes it. MinIO writes the key as it is beside the encoded one that counts.
fn carriable(body: &[u8]) -> String {
    queue::carriable(String::from_utf8_lossy(body).into_owned())
}

/// What an event says that marks no workspace, as servers do all day: a read, a folder, another bucket.
fn about_nothing_here(parsed: &Parsed) -> Option<&Ignored> {
    let all = parsed.changes.is_empty() && parsed.ignored.iter().all(|ignored| ignored.why.is_ordinary());
    parsed.ignored.first().filter(|_| all)
}

/// Counts what strangers can cause at will, and is told of at the first time, the second, the fourth and so on: a
/// flood of requests must not become a flood of log lines.
#[derive(Debug, Default)]
struct Tally(AtomicU64);

impl Tally {
    fn telling(&self) -> Option<u64> {
        let times = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        times.is_power_of_two().then_some(times)
    }
}

#[cfg(test)]
mod tests;
