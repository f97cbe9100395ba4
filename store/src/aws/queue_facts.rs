//! What `doctor` wants to know of a queue, and the way to its dead-letter queue.

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;

use super::queue::SqsQueue;
use crate::queue::QueueError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    pub arn: String,
    pub fifo: bool,
    /// Of a FIFO queue: bodies are their own deduplication ids.
    pub content_deduplication: bool,
    /// For receivers that do not say how long; ours do.
    pub visibility_s: u64,
    pub dead_letter: Option<DeadLetterTarget>,
    /// Who may do what with the queue, as JSON.
    pub policy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterTarget {
    pub arn: String,
    pub max_receives: u32,
}

/// The attribute as SQS stores it. Some servers, and some people, write the number as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

impl SqsQueue {
    /// Needs `sqs:GetQueueAttributes`.
    pub async fn facts(&self) -> Result<QueueFacts, QueueError> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(QueueAttributeName::All).send().await;
        let attributes =
            answer.map_err(|error| self.error(READ_FACTS, error))?.attributes.unwrap_or_default();
        let text = |name| attributes.get(&name).map(String::as_str).filter(|text| !text.is_empty());
        let dead_letter = match text(QueueAttributeName::RedrivePolicy) {
            Some(policy) => Some(dead_letter(policy).map_err(|why| self.unavailable(READ_FACTS, why))?),
            None => None,
        };
        let arn = text(QueueAttributeName::QueueArn).map(str::to_owned);
        Ok(QueueFacts {
            arn: arn.ok_or_else(|| self.unavailable(READ_FACTS, "the queue did not tell its ARN"))?,
            fifo: text(QueueAttributeName::FifoQueue) == Some("true") || self.is_fifo(),
            content_deduplication: text(QueueAttributeName::ContentBasedDeduplication) == Some("true"),
            visibility_s: text(QueueAttributeName::VisibilityTimeout)
                .and_then(|text| text.parse().ok())
                .unwrap_or(30),
            dead_letter,
            policy: text(QueueAttributeName::Policy).map(str::to_owned),
        })
    }

    /// The queue for what was received too often, by this queue's redrive policy. Needs `sqs:GetQueueUrl` on it.
    pub async fn dead_letter_queue(&self) -> Result<Option<SqsQueue>, QueueError> {
        let Some(target) = self.facts().await?.dead_letter else { return Ok(None) };
        self.queue_of(&target.arn, FIND_DEAD_LETTERS).await.map(Some)
    }

    /// Another queue of the same server and region, by its ARN. Needs `sqs:GetQueueUrl` on it.
    pub async fn beside(&self, arn: &str) -> Result<SqsQueue, QueueError> {
        self.queue_of(arn, "find another queue").await
    }

    async fn queue_of(&self, arn: &str, operation: &'static str) -> Result<SqsQueue, QueueError> {
        // arn:aws:sqs:region:account:name
        let mut parts = arn.rsplit(':');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let request = self.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
        let answer = request.send().await.map_err(|error| self.error(operation, error))?;
        let url = answer
            .queue_url
            .ok_or_else(|| self.unavailable(operation, format!("the server gave no URL for {arn}")))?;
        Ok(SqsQueue::new(self.client.clone(), url, self.site.clone()))
    }
}

pub(crate) const READ_FACTS: &str = "tell its attributes";
pub(crate) const FIND_DEAD_LETTERS: &str = "find its dead-letter queue";

fn dead_letter(policy: &str) -> Result<DeadLetterTarget, serde_json::Error> {
    let Redrive { dead_letter_target_arn: arn, max_receive_count } = serde_json::from_str(policy)?;
    let max_receives = match &max_receive_count {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    let max_receives =
        max_receives.ok_or_else(|| serde::de::Error::custom("`maxReceiveCount` is no number"))?;
    Ok(DeadLetterTarget { arn, max_receives })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_is_read_with_its_number_as_number_or_text() {
        let check = |policy: &str, expected: Option<u32>| {
            assert_eq!(dead_letter(policy).ok().map(|found| found.max_receives), expected, "{policy}");
        };
        check(r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":3}"#, Some(3));
        check(r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"5"}"#, Some(5));
        check(r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"often"}"#, None);
        check(r#"{"maxReceiveCount":3}"#, None);
        check("", None);
    }
}
