//! The functions on Ministack's queues and buckets, with the test in the part of the event source mapping: it receives,
//! hands over, and takes off the queue what did not fail.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use bytes::Bytes;
use cloudyknight_core::command::{Cause, Command};
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_store::aws::{self, Clients, ConnectSettings, StaticCredentials};
use cloudyknight_store::bucket::Bucket;
use cloudyknight_tests::server::{ACCESS_KEY, Ministack, REGION, SECRET_KEY};
use serde_json::{Value, json};

use crate::function::{Function, SOON};
use crate::notification;

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const TRACEPARENT: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

struct Cloud {
    server: Ministack,
    clients: Clients,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    events: String,
    commands: String,
}

impl Cloud {
    async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Ministack::start).await.unwrap();
        let credentials = || Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests");
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new(REGION))
            .credentials_provider(credentials())
            .force_path_style(true);
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new(REGION))
            .credentials_provider(credentials());
        let settings = ConnectSettings {
            endpoint: Some(server.endpoint().to_owned()),
            region: Some(REGION.to_owned()),
            credentials: Some(StaticCredentials::new(ACCESS_KEY, SECRET_KEY)),
            path_style: true,
            ..ConnectSettings::default()
        };
        let (s3, sqs) =
            (aws_sdk_s3::Client::from_conf(s3.build()), aws_sdk_sqs::Client::from_conf(sqs.build()));
        for bucket in ["workspaces", "cloudyknight"] {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let events = sqs.create_queue().queue_name("events").send().await.unwrap().queue_url.unwrap();
        let fifo =
            sqs.create_queue().queue_name("commands.fifo").attributes(QueueAttributeName::FifoQueue, "true");
        let commands = fifo.send().await.unwrap().queue_url.unwrap();
        Self { clients: aws::connect(settings).await.unwrap(), server, s3, sqs, events, commands }
    }

    async fn function(&self, name: &str, settings: &[(&str, &str)]) -> Function {
        Function::start(name, self.server.endpoint(), settings).await
    }

    /// From now on what happens in the bucket is told on the events queue.
    async fn notify(&self) {
        let queue = QueueConfiguration::builder()
            .queue_arn(format!("arn:aws:sqs:{REGION}:000000000000:events"))
            .events(Event::from("s3:ObjectCreated:*"))
            .build()
            .unwrap();
        let wiring = NotificationConfiguration::builder().queue_configurations(queue).build();
        let put = self.s3.put_bucket_notification_configuration().bucket("workspaces");
        put.notification_configuration(wiring).send().await.unwrap();
    }

    async fn send(&self, queue: &str, body: &str) {
        self.sqs.send_message().queue_url(queue).message_body(body).send().await.unwrap();
    }

    /// Waits for so many messages, at least.
    async fn receive(&self, queue: &str, count: usize) -> Vec<Message> {
        let mut all = Vec::new();
        let waiting = async {
            while all.len() < count {
                all.extend(self.receive_once(queue, 5).await);
            }
        };
        tokio::time::timeout(SOON, waiting).await.expect("the messages come");
        all
    }

    async fn receive_once(&self, queue: &str, wait: i32) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
        let request = request.wait_time_seconds(wait).visibility_timeout(SOON.as_secs() as i32);
        let names =
            [MessageSystemAttributeName::MessageGroupId, MessageSystemAttributeName::MessageDeduplicationId];
        let request = request.set_message_system_attribute_names(Some(names.into()));
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    /// Takes the messages off the queue that the function did not name, and gives the others back.
    async fn settle(&self, queue: &str, messages: &[Message], answer: &Value) {
        let failures = answer["batchItemFailures"].as_array().unwrap();
        for message in messages {
            let failed =
                failures.iter().any(|failure| failure["itemIdentifier"] == message.message_id().unwrap());
            let receipt = message.receipt_handle().unwrap();
            if failed {
                let back = self.sqs.change_message_visibility().queue_url(queue).receipt_handle(receipt);
                back.visibility_timeout(0).send().await.unwrap();
            } else {
                self.sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await.unwrap();
            }
        }
    }

    async fn take_off(&self, queue: &str, messages: &[Message]) {
        self.settle(queue, messages, &json!({"batchItemFailures": []})).await;
    }
}

fn event_of(queue: &str, messages: &[Message]) -> Value {
    let messages: Vec<_> = messages.iter().map(|m| (m.message_id().unwrap(), m.body().unwrap())).collect();
    crate::batch(queue, &messages)
}

fn command_of(message: &Message) -> Command {
    Command::from_json(message.body().unwrap()).unwrap()
}

fn attribute(message: &Message, name: MessageSystemAttributeName) -> &str {
    message.attributes().unwrap()[&name].as_str()
}

#[tokio::test]
async fn what_s3_tells_becomes_commands_in_their_groups_and_only_once_on_ministack() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function("object_changed", &[("COMMANDS_QUEUE_URL", &cloud.commands)]).await;
    cloud.notify().await;
    let workspaces = cloud.clients.bucket("workspaces");
    for key in ["app/index.js", "app/a b+c", "blog/post.md"] {
        workspaces.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    // Three objects, and the event with which S3 tries a new wiring.
    let told = cloud.receive(&cloud.events, 4).await;
    let answer = function.invoke_traced(event_of("events", &told), Some(TRACE)).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));

    let mut sent = cloud.receive(&cloud.commands, 2).await;
    sent.sort_by_key(|message| message.body().map(str::to_owned));
    for (message, workspace, more) in [(&sent[0], "app", 1), (&sent[1], "blog", 0)] {
        let command = command_of(message);
        assert_eq!(command.workspace.as_str(), workspace);
        assert!(matches!(command.cause, Cause::Put { more: counted, .. } if counted == more), "{command:?}");
        assert_eq!(command.traceparent.unwrap().to_string(), TRACEPARENT);
        assert_eq!(attribute(message, MessageSystemAttributeName::MessageGroupId), workspace);
        assert_eq!(attribute(message, MessageSystemAttributeName::MessageDeduplicationId).len(), 64);
    }
    cloud.take_off(&cloud.commands, &sent).await;

    // The same messages, delivered again in another trace, are the same commands to the queue.
    let again = function.invoke(event_of("events", &told)).await;
    assert_eq!(again, json!({"batchItemFailures": []}));
    let later = notification(&["later/x"]);
    function.invoke(crate::batch("events", &[("m-later", &later)])).await;
    let sent = cloud.receive(&cloud.commands, 1).await;
    let workspaces: Vec<_> = sent.iter().map(|message| command_of(message).workspace.to_string()).collect();
    assert_eq!(workspaces, ["later"]);
    assert!(command_of(&sent[0]).traceparent.is_some());
}

#[tokio::test]
async fn a_message_that_fails_comes_again_alone_on_ministack() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function("object_changed", &[("COMMANDS_QUEUE_URL", &cloud.commands)]).await;
    cloud.send(&cloud.events, &notification(&["app/x"])).await;
    cloud.send(&cloud.events, "hello").await;
    let told = cloud.receive(&cloud.events, 2).await;
    let hello = told.iter().find(|message| message.body() == Some("hello")).unwrap();
    let answer = function.invoke(event_of("events", &told)).await;
    let failure = json!({"itemIdentifier": hello.message_id().unwrap()});
    assert_eq!(answer, json!({"batchItemFailures": [failure]}));

    cloud.settle(&cloud.events, &told, &answer).await;
    let left = cloud.receive(&cloud.events, 1).await;
    assert_eq!(left.iter().map(|message| message.body().unwrap()).collect::<Vec<_>>(), ["hello"]);
    assert_eq!(command_of(&cloud.receive(&cloud.commands, 1).await[0]).workspace.as_str(), "app");
}

#[tokio::test]
async fn a_sweep_commands_what_nobody_heard_of_on_ministack() {
    let cloud = Cloud::start().await;
    let settings = [("COMMANDS_QUEUE_URL", cloud.commands.as_str()), ("PLATFORM_BUCKET", "cloudyknight")];
    let mut function = cloud.function("sweep", &settings).await;
    assert_eq!(function.invoke(json!({})).await, json!({"workspaces": 0, "drifted": []}));
    cloud.clients.bucket("workspaces").put("lost/x", Bytes::from_static(b"x")).await.unwrap();
    let answer = function.invoke_traced(json!({"source": "aws.events"}), Some(TRACE)).await;
    assert_eq!(answer, json!({"workspaces": 1, "drifted": ["lost"]}));
    let sent = cloud.receive(&cloud.commands, 1).await;
    let command = command_of(&sent[0]);
    assert_eq!((command.workspace.as_str(), command.cause), ("lost", Cause::Sweep));
    assert_eq!(command.traceparent.unwrap().to_string(), TRACEPARENT);
    assert_eq!(attribute(&sent[0], MessageSystemAttributeName::MessageGroupId), "lost");
}

#[tokio::test]
async fn a_sweep_that_cannot_look_fails_with_its_reason_on_ministack() {
    let cloud = Cloud::start().await;
    let settings = [("COMMANDS_QUEUE_URL", cloud.commands.as_str()), ("PLATFORM_BUCKET", "not-there")];
    let answer = cloud.function("sweep", &settings).await.invoke(json!({})).await;
    assert_eq!(answer["errorType"], "SweepError");
    assert!(answer["errorMessage"].as_str().unwrap().contains("not-there"), "{answer}");
}

#[tokio::test]
async fn a_dead_letter_becomes_a_document_on_ministack() {
    let cloud = Cloud::start().await;
    let mut function = cloud.function("dead_letter", &[("PLATFORM_BUCKET", "cloudyknight")]).await;
    let dead = cloud.sqs.create_queue().queue_name("events-dead").send().await.unwrap().queue_url.unwrap();
    cloud.send(&dead, &notification(&["app/x"])).await;
    cloud.send(&dead, "hello").await;
    let exhausted = cloud.receive(&dead, 2).await;
    let answer = function.invoke(event_of("events-dead", &exhausted)).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));

    let platform = cloud.clients.bucket("cloudyknight");
    for message in &exhausted {
        let key = format!("dead-letters/{}.json", message.message_id().unwrap());
        let document = platform.get(&key, None).await.unwrap().bytes().await.unwrap();
        let letter: DeadLetter = serde_json::from_slice(&document).unwrap();
        assert_eq!(
            (letter.queue.as_str(), letter.workspaces.len()),
            ("events-dead", usize::from(message.body() != Some("hello")))
        );
    }
}

#[tokio::test]
async fn an_event_for_the_webhook_is_on_the_queue_when_it_is_acknowledged_on_ministack() {
    let cloud = Cloud::start().await;
    let settings = [("EVENTS_QUEUE_URL", cloud.events.as_str()), ("INGEST_TOKEN", "correct-horse")];
    let mut function = cloud.function("ingest", &settings).await;
    let posted = |method: &str, token: &str, body: &str| {
        json!({
            "version": "2.0", "rawPath": "/", "isBase64Encoded": false, "body": body,
            "headers": {"authorization": format!("Bearer {token}"), "content-type": "application/json"},
            "requestContext": {"http": {"method": method, "path": "/", "sourceIp": "192.0.2.1"}},
        })
    };
    let body = notification(&["app/x"]).replace("aws:s3", "minio:s3");
    let status = async |function: &mut Function, event| function.invoke(event).await["statusCode"].clone();
    assert_eq!(status(&mut function, posted("HEAD", "", "")).await, 200);
    assert_eq!(status(&mut function, posted("GET", "correct-horse", "")).await, 405);
    assert_eq!(status(&mut function, posted("POST", "wrong", &body)).await, 401);
    assert_eq!(cloud.receive_once(&cloud.events, 0).await.len(), 0);
    assert_eq!(status(&mut function, posted("POST", "correct-horse", &body)).await, 200);
    assert_eq!(cloud.receive_once(&cloud.events, 0).await[0].body(), Some(body.as_str()));
}

#[tokio::test]
async fn an_event_that_cannot_be_queued_is_not_acknowledged_on_ministack() {
    let cloud = Cloud::start().await;
    let nowhere = cloud.events.replace("events", "not-there");
    let settings = [("EVENTS_QUEUE_URL", nowhere.as_str()), ("INGEST_TOKEN", "correct-horse")];
    let mut function = cloud.function("ingest", &settings).await;
    let event = json!({
        "version": "2.0", "body": notification(&["app/x"]), "headers": {"authorization": "Bearer correct-horse"},
        "requestContext": {"http": {"method": "POST"}},
    });
    let answer = function.invoke(event).await;
    assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("3")));
}
