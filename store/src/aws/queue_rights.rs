//! What `doctor` tries of a queue without touching a message: whether this identity may receive, take off, hold back and
//! send.

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};

use super::answer;
use super::bucket::{Failure, SdkFailure};
use super::queue::SqsQueue;
use crate::queue::QueueError;

/// What the platform does with a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueRight {
    Receive,
    Delete,
    Extend,
    Send,
}

/// Of no message.
const RECEIPT: &str = "none";

impl SqsQueue {
    /// Asks for something that cannot be done, such as to delete by a receipt that nobody was given: who lacks the right
    /// hears that, and everybody else hears what is wrong with the request.
    ///
    /// # Errors
    /// The right is missing, or the server gave no answer.
    ///
    /// Caveat: a server that looks at the request before it looks at who asks says nothing of the right, and that counts
    /// as having it.
    pub async fn may(&self, right: QueueRight) -> Result<(), QueueError> {
        match right {
            QueueRight::Receive => {
                let request = self.client.receive_message().queue_url(&self.url);
                // None are asked for; should a server give one all the same, it is back on the queue at once.
                let request = request.max_number_of_messages(0).wait_time_seconds(0).visibility_timeout(0);
                self.judged("receive", request.send().await)
            }
            QueueRight::Delete => {
                let entry = DeleteMessageBatchRequestEntry::builder().id("0").receipt_handle(RECEIPT);
                let entry = entry.build().map_err(|error| self.refused("delete", error))?;
                let request = self.client.delete_message_batch().queue_url(&self.url).entries(entry);
                self.judged("delete", request.send().await)
            }
            QueueRight::Extend => {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id("0");
                let entry = entry.receipt_handle(RECEIPT).visibility_timeout(0).build();
                let entry = entry.map_err(|error| self.refused("extend", error))?;
                let request =
                    self.client.change_message_visibility_batch().queue_url(&self.url).entries(entry);
                self.judged("extend", request.send().await)
            }
            QueueRight::Send => {
                // No message at all.
                let request = self.client.send_message_batch().queue_url(&self.url);
                self.judged("send", request.set_entries(Some(Vec::new())).send().await)
            }
        }
    }

    fn judged<T, E: SdkFailure>(
        &self,
        operation: &'static str,
        answer: Result<T, Failure<E>>,
    ) -> Result<(), QueueError> {
        match answer {
            Err(error) if !answer::finds_fault(&error) => Err(self.error(operation, error)),
            _ => Ok(()),
        }
    }
}
