//! Batches of SQS that were taken in part: what failed through no fault of ours is sent again.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};

use super::patience::jitter;

/// How often a batch is sent, the first time included, beside the SDK's own retries of whole calls.
const ATTEMPTS: u32 = 4;
/// The longest pause before the second time. It doubles: 1.4 s at most for all of them.
const PAUSE: Duration = Duration::from_millis(200);

/// One of a batch, known by an id of ours.
pub(super) trait Entry: Clone {
    fn id(&self) -> &str;
}

impl Entry for SendMessageBatchRequestEntry {
    fn id(&self) -> &str {
        self.id()
    }
}

impl Entry for DeleteMessageBatchRequestEntry {
    fn id(&self) -> &str {
        self.id()
    }
}

impl Entry for ChangeMessageVisibilityBatchRequestEntry {
    fn id(&self) -> &str {
        self.id()
    }
}

/// What of a batch failed for good.
#[derive(Default)]
pub(super) struct Leftover {
    /// What is wrong with the messages themselves: they are not sent again.
    pub faulty: Vec<BatchResultErrorEntry>,
    /// What the server could not do, however often it was asked.
    pub undone: Vec<BatchResultErrorEntry>,
}

/// Calls `ask` with the entries, and again with those that the server could not take, which `ask` answers.
pub(super) async fn until_taken<E: Entry, F, Error>(
    mut entries: Vec<E>,
    ask: impl Fn(Vec<E>) -> F + Send,
) -> Result<Leftover, Error>
where
    F: Future<Output = Result<Vec<BatchResultErrorEntry>, Error>> + Send,
{
    let mut leftover = Leftover::default();
    for attempt in 1.. {
        let failed = ask(entries.clone()).await?;
        let (faulty, undone): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(BatchResultErrorEntry::sender_fault);
        leftover.faulty.extend(faulty);
        if undone.is_empty() || attempt == ATTEMPTS {
            leftover.undone = undone;
            break;
        }
        entries.retain(|entry| undone.iter().any(|failure| failure.id() == entry.id()));
        tokio::time::sleep(jitter(PAUSE * 2_u32.pow(attempt - 1))).await;
    }
    Ok(leftover)
}

pub(super) fn told(failure: &BatchResultErrorEntry) -> String {
    format!("{}: {}", failure.code(), failure.message().unwrap_or("no reason given"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use super::*;

    fn entry(id: &str) -> DeleteMessageBatchRequestEntry {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle("r").build().unwrap()
    }

    fn failure(id: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code("X").sender_fault(sender_fault).build().unwrap()
    }

    /// Answers each call with the next of `answers`, the last one for ever, and tells what was asked.
    async fn run(answers: &[&[(&str, bool)]]) -> (Vec<String>, Leftover) {
        let asked = Mutex::new(Vec::new());
        let leftover = until_taken(["1", "2", "3"].map(entry).to_vec(), |entries| {
            let mut asked = asked.lock().unwrap();
            let failed = answers.get(asked.len()).or(answers.last()).unwrap();
            asked.push(entries.iter().map(|entry| entry.id()).collect::<String>());
            let failed = failed.iter().map(|(id, fault)| failure(id, *fault)).collect();
            async move { Ok::<_, Infallible>(failed) }
        });
        let leftover = leftover.await.unwrap_or_else(|never| match never {});
        (asked.into_inner().unwrap(), leftover)
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_failed_is_sent_again() {
        let (asked, leftover) = run(&[&[("2", false), ("3", false)], &[("3", false)], &[]]).await;
        assert_eq!(asked, ["123", "23", "3"]);
        assert!(leftover.faulty.is_empty() && leftover.undone.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_our_own_fault_is_not_sent_again() {
        let (asked, leftover) = run(&[&[("1", true), ("2", false)], &[]]).await;
        assert_eq!(asked, ["123", "2"]);
        assert_eq!((leftover.faulty.len(), leftover.undone.len()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_takes_it_is_asked_four_times() {
        let (asked, leftover) = run(&[&[("2", false)]]).await;
        assert_eq!(asked, ["123", "2", "2", "2"]);
        assert_eq!(leftover.undone.len(), 1);
    }
}
