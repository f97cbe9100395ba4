//! The queue port. It has the shape of SQS, because every other queue we may meet can be brought into it:
//! at-least-once delivery, a visibility timeout, a receipt a delivery, FIFO by group, deduplication, and a
//! dead-letter queue for what was received too often.

use std::time::Duration;

use async_trait::async_trait;

#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Puts messages on the queue. When it returns they are durable, all of them or none.
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError>;

    /// Up to `max` messages, waiting up to `wait` for the first. Each stays invisible to other receivers for
    /// `visibility`, and comes back unless it is deleted by then.
    ///
    /// While a message of a group is in flight, no other receive gets messages of that group.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError>;

    /// Takes delivered messages off the queue for good. A receipt that ran out is no error: the message comes again.
    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError>;

    /// Keeps a message invisible for `visibility` from now on; zero gives it back at once. With a receipt that ran out
    /// that cannot be done any more, and is refused.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError>;

    /// The same for many, in as few requests as the queue allows. Each is tried; the first error is answered.
    async fn extend_all(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        let mut first_error = None;
        for receipt in receipts {
            first_error = first_error.or(self.extend(receipt, visibility).await.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    /// How much there is to do.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub body: String,
    /// On a FIFO queue: messages of one group are delivered in order, one receiver at a time.
    pub group: Option<String>,
    /// On a FIFO queue: a second message with the same id within five minutes is accepted and dropped.
    pub dedup: Option<String>,
}

/// A body with what no queue carries replaced by U+FFFD: SQS refuses a message with such a character, and with it the
/// whole batch.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub fn carriable(body: String) -> String {
    let refused = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if body.contains(refused) { body.replace(refused, "\u{fffd}") } else { body }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub receipt: Receipt,
    pub body: String,
    pub group: Option<String>,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

/// Proof of one delivery; a later delivery of the same message has another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub waiting: u64,
    pub in_flight: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("queue `{queue}` refused to {operation}")]
    Refused {
        queue: String,
        operation: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("could not {operation} on queue `{queue}`")]
    Unavailable {
        queue: String,
        operation: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[cfg(test)]
mod tests {
    use super::carriable;

    #[test]
    fn what_sqs_refuses_is_replaced_and_all_else_stays() {
        let check = |body: &str, expected: &str| assert_eq!(carriable(body.to_owned()), expected);
        check("a\tb\nc\rd é ж 🦀 \u{e000}", "a\tb\nc\rd é ж 🦀 \u{e000}");
        check("\u{0}a\u{1f}b\u{fffe}\u{ffff}", "\u{fffd}a\u{fffd}b\u{fffd}\u{fffd}");
    }
}
