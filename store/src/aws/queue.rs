//! A queue of SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use tokio::time::Instant;

use super::answer::{self, Cause};
use super::bucket::{Failure, SdkFailure};
use super::partly::{Leftover, told, until_taken};
use super::sending::batches;
use super::site::Site;
use super::verdict::{self, Verdict};
use crate::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt, carriable};

/// How many messages SQS hands out, or takes off, at once.
const BATCH: usize = 10;
/// The longest that SQS waits for a message, in seconds.
const LONGEST_WAIT: i32 = 20;
const LONGEST_POLL: Duration = Duration::from_secs(LONGEST_WAIT as u64);
/// The longest that SQS keeps a message invisible, in seconds.
const LONGEST_VISIBILITY: i32 = 12 * 60 * 60;
/// How long a poll takes at least that found nothing, when it was asked to wait.
const SHORTEST_POLL: Duration = Duration::from_secs(1);
/// The longest group or deduplication id, in characters.
const LONGEST_ID: usize = 128;

#[derive(Clone, Debug)]
pub struct SqsQueue {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) site: Arc<Site>,
}

impl SqsQueue {
    pub(super) fn new(client: Client, url: String, site: Arc<Site>) -> Self {
        Self { client, url, site }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    fn entry(&self, number: usize, message: Outgoing) -> Result<SendMessageBatchRequestEntry, QueueError> {
        let body = carriable(message.body);
        let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
        let entry = if self.is_fifo() {
            // Without an id of its own a message means itself alone; it keeps that id when it is sent again.
            let dedup = message.dedup.map_or_else(|| self.unique("send"), |id| Ok(fitting(id)))?;
            entry.set_message_group_id(message.group.map(fitting)).message_deduplication_id(dedup)
        } else {
            entry
        };
        entry.build().map_err(|error| self.refused("send", error))
    }

    fn unique(&self, operation: &'static str) -> Result<String, QueueError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| self.unavailable(operation, error.to_string()))?;
        Ok(hex::encode(bytes))
    }

    async fn send_batch(&self, batch: Vec<Outgoing>) -> Result<(), QueueError> {
        let entries = batch.into_iter().enumerate().map(|(number, message)| self.entry(number, message));
        let leftover = until_taken(entries.collect::<Result<Vec<_>, _>>()?, |entries| async move {
            let request = self.client.send_message_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(entries)).send().await;
            Ok(answer.map_err(|error| self.error("send", error))?.failed)
        });
        self.all_taken("send", leftover.await?)
    }

    fn all_taken(&self, operation: &'static str, leftover: Leftover) -> Result<(), QueueError> {
        match (leftover.faulty.first(), leftover.undone.first()) {
            (Some(failure), _) => Err(self.refused(operation, told(failure))),
            (None, Some(failure)) => Err(self.unavailable(operation, told(failure))),
            (None, None) => Ok(()),
        }
    }

    pub(super) fn refused(&self, operation: &'static str, source: impl Into<Cause>) -> QueueError {
        QueueError::Refused { queue: self.name().to_owned(), operation, source: source.into() }
    }

    pub(super) fn unavailable(&self, operation: &'static str, source: impl Into<Cause>) -> QueueError {
        QueueError::Unavailable { queue: self.name().to_owned(), operation, source: source.into() }
    }

    pub(super) fn error<E: SdkFailure>(&self, operation: &'static str, error: Failure<E>) -> QueueError {
        let cause = |error| answer::cause(error, self.site.endpoint.as_deref());
        match verdict::of(&error) {
            Verdict::Unavailable => self.unavailable(operation, cause(error)),
            Verdict::NoKey | Verdict::ConditionFailed | Verdict::Refused => {
                self.refused(operation, cause(error))
            }
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    /// SQS takes ten messages at once and may take some of them: after an error any of them may be on the queue. Sent
    /// again with the same deduplication ids, those are dropped.
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        for batch in batches(messages) {
            self.send_batch(batch).await?;
        }
        Ok(())
    }

    /// Ten messages at most and 20 seconds at most, whatever is asked for.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(max.min(BATCH) as i32)
            .wait_time_seconds(whole_seconds(wait, LONGEST_WAIT))
            .visibility_timeout(whole_seconds(visibility, LONGEST_VISIBILITY))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        // An attempt whose answer was lost locks its groups; with the same id the next one gets what that one got.
        let attempt = if self.is_fifo() { Some(self.unique("receive")?) } else { None };
        let request = request.set_receive_request_attempt_id(attempt);
        let patient = Config::builder().timeout_config(self.site.patience.and(wait.min(LONGEST_POLL)));
        let begun = Instant::now();
        let answer = request.customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| self.error("receive", error))?;
        let messages: Vec<_> = answer.messages.unwrap_or_default().into_iter().filter_map(received).collect();
        if messages.is_empty() {
            // Whoever asks again at once relies on the server's waiting, and not every server waits.
            tokio::time::sleep_until(begun + wait.min(SHORTEST_POLL)).await;
        }
        Ok(messages)
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        for batch in receipts.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(number, Receipt(receipt))| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(receipt)
                    .build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| self.refused("delete", error))?;
            let leftover = until_taken(entries, |entries| async move {
                let request = self.client.delete_message_batch().queue_url(&self.url);
                let answer = request.set_entries(Some(entries)).send().await;
                Ok(answer.map_err(|error| self.error("delete", error))?.failed)
            });
            // The sender's faults are receipts that ran out: those messages come again.
            if let Some(failure) = leftover.await?.undone.first() {
                return Err(self.unavailable("delete", told(failure)));
            }
        }
        Ok(())
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(&receipt.0);
        let request = request.visibility_timeout(whole_seconds(visibility, LONGEST_VISIBILITY));
        request.send().await.map_err(|error| self.error("extend", error))?;
        Ok(())
    }

    async fn extend_all(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        let visibility = whole_seconds(visibility, LONGEST_VISIBILITY);
        let mut first_error = None;
        for batch in receipts.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(number, Receipt(receipt))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(visibility)
                    .build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| self.refused("extend", error))?;
            let leftover = until_taken(entries, |entries| async move {
                let request = self.client.change_message_visibility_batch().queue_url(&self.url);
                let answer = request.set_entries(Some(entries)).send().await;
                Ok(answer.map_err(|error| self.error("extend", error))?.failed)
            });
            let done = leftover.await.and_then(|leftover| self.all_taken("extend", leftover));
            first_error = first_error.or(done.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// As SQS counts: approximately, about a minute late. Messages that are held back count as waiting.
    async fn depth(&self) -> Result<Depth, QueueError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.set_attribute_names(Some(vec![Waiting, Delayed, InFlight]));
        let answer = request.send().await.map_err(|error| self.error("count", error))?;
        let number =
            |name| answer.attributes().and_then(|all| all.get(&name)).and_then(|text| text.parse().ok());
        let count = |name: QueueAttributeName| -> Result<u64, QueueError> {
            let why = format!("the queue did not tell its {name}");
            number(name).ok_or_else(|| self.unavailable("count", why))
        };
        Ok(Depth { waiting: count(Waiting)? + count(Delayed)?, in_flight: count(InFlight)? })
    }
}

/// None for a message that has no id or no receipt: it could not be deleted, and SQS knows no such message.
fn received(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    use MessageSystemAttributeName::{ApproximateReceiveCount, MessageGroupId};
    let attribute = |name| message.attributes().and_then(|all| all.get(&name));
    let group = attribute(MessageGroupId).cloned();
    let receive_count = attribute(ApproximateReceiveCount).and_then(|count| count.parse().ok()).unwrap_or(1);
    Some(Message {
        receive_count,
        group,
        id: message.message_id?,
        receipt: Receipt(message.receipt_handle?),
        body: message.body.unwrap_or_default(),
    })
}

/// SQS counts in seconds. Rounded up: a short wait must not become none, which would make a poll a busy loop.
fn whole_seconds(duration: Duration, longest: i32) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).map_or(longest, |seconds| seconds.min(longest))
}

/// A group or deduplication id that SQS takes: 128 characters of printable ASCII at most. Anything else goes as its
/// digest, which is as good an id.
fn fitting(id: String) -> String {
    let fits = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { id } else { blake3::hash(id.as_bytes()).to_hex().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_and_bounded() {
        let check = |millis, expected| assert_eq!(whole_seconds(Duration::from_millis(millis), 20), expected);
        check(0, 0);
        check(1, 1);
        check(1000, 1);
        check(19_500, 20);
        check(60_000, 20);
        check(u64::MAX, 20);
    }

    #[test]
    fn ids_that_sqs_does_not_take_go_as_their_digest() {
        let check = |id: &str, as_is: bool| {
            let sent = fitting(id.to_owned());
            assert_eq!(sent == id, as_is, "{id:?}");
            assert!(
                !sent.is_empty() && sent.len() <= 128 && sent.bytes().all(|byte| byte.is_ascii_graphic())
            );
            assert_eq!(sent, fitting(id.to_owned()));
        };
        check("www/abc-1:2", true);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check("a b", false);
        check("é", false);
        check("", false);
        assert_ne!(fitting("a b".into()), fitting("a  b".into()));
    }
}
