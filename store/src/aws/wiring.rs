//! Whom a bucket notifies, and of what.

use aws_sdk_s3::types::{Event, FilterRuleName, NotificationConfigurationFilter};

use super::bucket::S3Bucket;
use crate::bucket::BucketError;

/// One notification that a bucket is set up to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    pub target: Target,
    /// Such as `s3:ObjectCreated:*`; empty for EventBridge, which gets every event.
    pub events: Vec<String>,
    /// What keys must begin and end with; empty for any.
    pub prefix: String,
    pub suffix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The ARN of an SQS queue.
    Queue(String),
    /// The ARN of an SNS topic.
    Topic(String),
    /// The ARN of a Lambda function.
    Function(String),
    EventBridge,
}

impl S3Bucket {
    /// Empty when the bucket notifies nobody. Needs `s3:GetBucketNotification`.
    pub async fn wiring(&self) -> Result<Vec<Wiring>, BucketError> {
        let request = self.client.get_bucket_notification_configuration().bucket(&self.name);
        let answer = request.send().await.map_err(|error| self.error(READ_WIRING, "", error))?;
        let queues = answer
            .queue_configurations()
            .iter()
            .map(|queue| wire(Target::Queue(queue.queue_arn().to_owned()), queue.events(), queue.filter()));
        let topics = answer
            .topic_configurations()
            .iter()
            .map(|topic| wire(Target::Topic(topic.topic_arn().to_owned()), topic.events(), topic.filter()));
        let functions = answer.lambda_function_configurations().iter().map(|function| {
            let arn = function.lambda_function_arn().to_owned();
            wire(Target::Function(arn), function.events(), function.filter())
        });
        let bridge = answer.event_bridge_configuration().map(|_| wire(Target::EventBridge, &[], None));
        Ok(queues.chain(topics).chain(functions).chain(bridge).collect())
    }
}

pub(crate) const READ_WIRING: &str = "tell whom it notifies";

fn wire(target: Target, events: &[Event], filter: Option<&NotificationConfigurationFilter>) -> Wiring {
    let rules = filter.and_then(|filter| filter.key()).map(|key| key.filter_rules()).unwrap_or_default();
    let value = |name: FilterRuleName| {
        // Servers write the names as they were given: `Prefix` is as good as `prefix`.
        let of_name = |rule: &&aws_sdk_s3::types::FilterRule| {
            rule.name().is_some_and(|given| given.as_str().eq_ignore_ascii_case(name.as_str()))
        };
        rules.iter().find(of_name).and_then(|rule| rule.value()).unwrap_or_default().to_owned()
    };
    Wiring {
        target,
        events: events.iter().map(|event| event.as_str().to_owned()).collect(),
        prefix: value(FilterRuleName::Prefix),
        suffix: value(FilterRuleName::Suffix),
    }
}
