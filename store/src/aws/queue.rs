//! A queue of SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use super::answer::{self, Cause};
use super::bucket::{Failure, SdkFailure};
use super::sending::batches;
use super::site::Site;
use super::verdict::{self, Verdict};
use crate::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};

/// How many messages SQS hands out, or takes off, at once.
const BATCH: usize = 10;
/// The longest that SQS waits for a message, in seconds.
const LONGEST_WAIT: i32 = 20;
const LONGEST_POLL: Duration = Duration::from_secs(LONGEST_WAIT as u64);
/// The longest that SQS keeps a message invisible, in seconds.
const LONGEST_VISIBILITY: i32 = 12 * 60 * 60;
/// How often the messages that SQS did not accept are sent again, beside the SDK's own retries of whole calls.
const ATTEMPTS: u32 = 4;

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

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    fn entry(&self, number: usize, message: Outgoing) -> Result<SendMessageBatchRequestEntry, QueueError> {
        let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(message.body);
        let entry = if self.is_fifo() {
            // Without an id of its own a message means itself alone; it keeps that id when it is sent again.
            let dedup = message.dedup.map_or_else(|| self.unique(), Ok)?;
            entry.set_message_group_id(message.group).message_deduplication_id(dedup)
        } else {
            entry
        };
        entry.build().map_err(|error| self.refused("send", error))
    }

    fn unique(&self) -> Result<String, QueueError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| self.unavailable("send", error.to_string()))?;
        Ok(hex::encode(bytes))
    }

    /// Sends one batch, and again what of it was not accepted.
    async fn send_batch(&self, mut entries: Vec<SendMessageBatchRequestEntry>) -> Result<(), QueueError> {
        for attempt in 1.. {
            let request = self.client.send_message_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(entries.clone())).send().await;
            let failed = answer.map_err(|error| self.error("send", error))?.failed;
            if failed.is_empty() {
                break;
            }
            if let Some(fault) = failed.iter().find(|failure| failure.sender_fault()) {
                return Err(self.refused("send", told(fault)));
            }
            if attempt == ATTEMPTS {
                return Err(self.unavailable("send", told(&failed[0])));
            }
            entries.retain(|entry| failed.iter().any(|failure| failure.id() == entry.id()));
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
        }
        Ok(())
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
            let entries = batch.into_iter().enumerate().map(|(number, message)| self.entry(number, message));
            self.send_batch(entries.collect::<Result<_, _>>()?).await?;
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
        let patient = Config::builder().timeout_config(self.site.patience.and(wait.min(LONGEST_POLL)));
        let answer = request.customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| self.error("receive", error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        for batch in receipts.chunks(BATCH) {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for (number, Receipt(receipt)) in batch.iter().enumerate() {
                let entry =
                    DeleteMessageBatchRequestEntry::builder().id(number.to_string()).receipt_handle(receipt);
                request = request.entries(entry.build().map_err(|error| self.refused("delete", error))?);
            }
            let answer = request.send().await.map_err(|error| self.error("delete", error))?;
            // The sender's faults are receipts that ran out: those messages come again.
            if let Some(failed) = answer.failed.iter().find(|failure| !failure.sender_fault()) {
                return Err(self.unavailable("delete", told(failed)));
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

fn told(failure: &BatchResultErrorEntry) -> String {
    format!("{}: {}", failure.code(), failure.message().unwrap_or("no reason given"))
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
}
