//! What `doctor` is told of real buckets and queues.

use aws_sdk_s3::types::{
    BucketVersioningStatus, Event, FilterRule, FilterRuleName, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, VersioningConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use cloudyknight_store::aws::{DeadLetterTarget, QueueFacts, Target, Wiring, policy_lets_s3_send};
use cloudyknight_store::bucket::{Bucket, BucketError};
use cloudyknight_store::hint;
use cloudyknight_store::queue::{Outgoing, Queue, QueueError};

use crate::server::Server;

async fn a_bucket_tells_its_facts(server: &Server, tells_versioning: bool) {
    let bucket = server.new_bucket().await;
    let facts = bucket.facts().await.unwrap();
    assert_eq!(facts.versioned, tells_versioning.then_some(false), "{facts:?}");
    assert!(facts.clock_skew.is_some_and(|skew| skew.abs() <= 5), "{facts:?}");
    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = server.s3.put_bucket_versioning().bucket(bucket.name()).versioning_configuration(versioned);
    request.send().await.unwrap();
    assert_eq!(bucket.facts().await.unwrap().versioned, tells_versioning.then_some(true));

    let missing = server.clients.bucket("missing").facts().await.unwrap_err();
    assert!(matches!(missing, BucketError::Refused { .. }), "{missing:?}");
    let hint = hint::of(&missing).unwrap();
    assert!(hint.contains("no bucket `missing`"), "{hint}");
}

async fn a_bucket_holds_writes_to_their_conditions_and_is_left_clean(server: &Server) {
    let bucket = server.new_bucket().await;
    assert!(bucket.conditional_writes("scratch").await.unwrap());
    assert_eq!(bucket.list("").await.unwrap(), []);
}

async fn a_queue_tells_its_facts_and_its_dead_letters(server: &Server) {
    let make = async |name: &str, attributes: &[(QueueAttributeName, &str)]| {
        let mut request = server.sqs.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        server.clients.queue(request.send().await.unwrap().queue_url.unwrap())
    };
    let fifo = (QueueAttributeName::FifoQueue, "true");
    let dead = make("facts-dead.fifo", std::slice::from_ref(&fifo)).await;
    let arn = dead.facts().await.unwrap().arn;
    assert!(arn.starts_with("arn:aws:sqs:us-east-1:") && arn.ends_with(":facts-dead.fifo"), "{arn}");
    assert!(dead.dead_letter_queue().await.unwrap().is_none());

    let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": 7}).to_string();
    let attributes = [
        fifo,
        (QueueAttributeName::ContentBasedDeduplication, "true"),
        (QueueAttributeName::VisibilityTimeout, "45"),
        (QueueAttributeName::RedrivePolicy, redrive.as_str()),
    ];
    let queue = make("facts.fifo", &attributes).await;
    let facts = queue.facts().await.unwrap();
    let expected = QueueFacts {
        arn: facts.arn.clone(),
        fifo: true,
        content_deduplication: true,
        visibility_s: 45,
        dead_letter: Some(DeadLetterTarget { arn, max_receives: 7 }),
        policy: None,
    };
    assert_eq!(facts, expected);

    let found = queue.dead_letter_queue().await.unwrap().unwrap();
    let body = "{}".to_owned();
    dead.send(vec![Outgoing { body, group: Some("g".into()), dedup: None }]).await.unwrap();
    assert_eq!(
        (found.url().rsplit('/').next(), found.depth().await.unwrap().waiting),
        (Some("facts-dead.fifo"), 1)
    );

    let missing = server.clients.queue(queue.url().replace("facts.fifo", "missing.fifo"));
    let error = missing.facts().await.unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    let hint = hint::of(&error).unwrap();
    assert!(hint.contains("no queue `missing.fifo`"), "{hint}");
}

async fn a_bucket_tells_whom_it_notifies(server: &Server) {
    let bucket = server.new_bucket().await;
    assert_eq!(bucket.wiring().await.unwrap(), []);
    let url = server.sqs.create_queue().queue_name("facts-events").send().await.unwrap().queue_url.unwrap();
    let queue = server.clients.queue(url);
    let arn = queue.facts().await.unwrap().arn;
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": format!("arn:aws:s3:::{}", bucket.name())}},
    }]});
    let set = server.sqs.set_queue_attributes().queue_url(queue.url());
    set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.unwrap();
    let policy = queue.facts().await.unwrap().policy.unwrap();
    assert!(policy_lets_s3_send(&policy, &arn, bucket.name()), "{policy}");
    assert!(!policy_lets_s3_send(&policy, &arn, "another"), "{policy}");

    let rule = FilterRule::builder().name(FilterRuleName::Prefix).value("app/").build();
    let filter = NotificationConfigurationFilter::builder();
    let filter = filter.key(S3KeyFilter::builder().filter_rules(rule).build()).build();
    let notify = QueueConfiguration::builder().queue_arn(&arn).events(Event::S3ObjectCreated).filter(filter);
    let notify = NotificationConfiguration::builder().queue_configurations(notify.build().unwrap()).build();
    let put = server.s3.put_bucket_notification_configuration().bucket(bucket.name());
    put.notification_configuration(notify).send().await.unwrap();
    let expected = Wiring {
        target: Target::Queue(arn),
        events: vec!["s3:ObjectCreated:*".into()],
        prefix: "app/".into(),
        suffix: String::new(),
    };
    assert_eq!(bucket.wiring().await.unwrap(), [expected]);
}

async fn every_attempt_is_counted(server: &Server) {
    let bucket = server.new_bucket().await;
    let before = server.clients.meter().snapshot();
    bucket.put("app/x", "x".into()).await.unwrap();
    bucket.list("app/").await.unwrap();
    bucket.list("app/").await.unwrap();
    let after = server.clients.meter().snapshot();
    let more = |operation: &str| {
        let key = ("s3", operation.to_owned());
        after.get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    assert_eq!((more("PutObject"), more("ListObjectsV2"), more("DeleteObject")), (1, 2, 0), "{after:?}");
}

async fn everything(server: &Server) {
    a_bucket_tells_its_facts(server, true).await;
    a_bucket_holds_writes_to_their_conditions_and_is_left_clean(server).await;
    every_attempt_is_counted(server).await;
    a_queue_tells_its_facts_and_its_dead_letters(server).await;
    a_bucket_tells_whom_it_notifies(server).await;
}

#[tokio::test]
async fn facts_are_told_on_localstack() {
    let server = Server::start("localstack").await;
    everything(&server).await;
}

/// moto 5.2 tells versioning and notifications in elements of other names, which the SDK does not read.
#[tokio::test]
async fn facts_are_told_on_moto() {
    let server = Server::start("moto").await;
    a_bucket_tells_its_facts(&server, false).await;
    a_bucket_holds_writes_to_their_conditions_and_is_left_clean(&server).await;
    every_attempt_is_counted(&server).await;
    a_queue_tells_its_facts_and_its_dead_letters(&server).await;
    let wiring = server.new_bucket().await.wiring().await.unwrap_err();
    let hint = hint::of(&wiring).unwrap_or_default();
    assert!(hint.contains("is not understood"), "{hint}: {wiring:?}");
}

#[tokio::test]
async fn facts_are_told_on_ministack() {
    let server = Server::start("ministack").await;
    everything(&server).await;
}

/// SeaweedFS has no queues, and no notifications of buckets.
#[tokio::test]
async fn facts_are_told_on_seaweedfs() {
    let server = Server::start("seaweedfs").await;
    a_bucket_tells_its_facts(&server, true).await;
    a_bucket_holds_writes_to_their_conditions_and_is_left_clean(&server).await;
    every_attempt_is_counted(&server).await;
    assert_eq!(server.new_bucket().await.wiring().await.unwrap(), []);
}
