use std::future;

use async_trait::async_trait;
use cloudyknight_store::failing::{FailingQueue, Fault, QueueOperation};
use cloudyknight_store::memory::MemoryQueue;
use cloudyknight_store::queue::{Depth, Message, QueueError, Receipt};

use super::*;

const TOKEN: &str = "correct-horse";
const BEARER: &[u8] = b"Bearer correct-horse";

struct World {
    queue: Arc<FailingQueue>,
    ingest: Ingest,
}

impl World {
    fn new() -> Self {
        let queue = Arc::new(FailingQueue::new(Arc::new(MemoryQueue::standard("events"))));
        let ingest = Ingest::new(TOKEN.into(), queue.clone(), "workspaces".into());
        Self { queue, ingest }
    }

    async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.ingest.answer(post(Some(BEARER)), future::ready(Ok(body))).await
    }

    async fn queued(&self) -> Vec<String> {
        let messages = self.queue.receive(100, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
        messages.into_iter().map(|message| message.body).collect()
    }
}

fn post(authorization: Option<&[u8]>) -> Head<'_> {
    Head { method: "POST", authorization, length: None }
}

fn event(name: &str, bucket: &str) -> String {
    serde_json::json!({
        "EventName": name, "Key": format!("{bucket}/app/a b"),
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": name,
            "s3": {"bucket": {"name": bucket}, "object": {"key": "app%2Fa+b"}},
        }],
    })
    .to_string()
}

fn put(bucket: &str) -> String {
    event("s3:ObjectCreated:Put", bucket)
}

/// What the filer of SeaweedFS posts.
fn filer(event: &str, path: &str) -> String {
    let name = path.rsplit('/').next();
    let entry = serde_json::json!({"name": name, "attributes": {"file_mode": 432}});
    serde_json::json!({"event_type": event, "key": path, "message": {"new_entry": entry}}).to_string()
}

/// A body that nobody may ask for.
async fn unwanted() -> Result<&'static str, Unread> {
    panic!("the body is not to be read")
}

#[tokio::test]
async fn an_event_is_on_the_queue_as_it_came_when_it_is_acknowledged() {
    let world = World::new();
    for body in [put("workspaces"), filer("create", "/buckets/workspaces/app/a b")] {
        assert_eq!(world.post(&body).await, Answer::Queued);
        assert_eq!(world.queued().await, [body]);
    }
}

#[tokio::test]
async fn only_who_has_the_token_is_listened_to() {
    let check = async |token: &str, header: Option<&str>, expected| {
        let world = World::new();
        let ingest = Ingest::new(token.into(), world.queue.clone(), "workspaces".into());
        let answer = if expected == Answer::Queued {
            ingest.answer(post(header.map(str::as_bytes)), future::ready(Ok(put("workspaces")))).await
        } else {
            ingest.answer(post(header.map(str::as_bytes)), unwanted()).await
        };
        assert_eq!(answer, expected, "{header:?} for {token:?}");
        assert_eq!(world.queued().await.len(), usize::from(expected == Answer::Queued), "{header:?}");
    };
    for header in ["Bearer correct-horse", "bearer correct-horse", "Bearer  correct-horse", TOKEN] {
        check(TOKEN, Some(header), Answer::Queued).await;
    }
    // A token of two words is sent as it is.
    check("Basic abc", Some("Basic abc"), Answer::Queued).await;
    for header in
        ["", "Bearer", "Bearer ", "Bearer correct-hors", "Bearer correct-horse2", "Basic correct-horse"]
    {
        check(TOKEN, Some(header), Answer::Unauthorised).await;
    }
    check(TOKEN, None, Answer::Unauthorised).await;
    for header in [None, Some(""), Some("Bearer "), Some("Bearer x")] {
        check("", header, Answer::Unauthorised).await;
    }
}

#[tokio::test]
async fn a_sender_that_tries_the_endpoint_learns_only_that_it_is_there() {
    let world = World::new();
    for authorization in [None, Some(BEARER), Some(b"Bearer wrong".as_slice())] {
        let head = Head { method: "HEAD", authorization, length: None };
        let answer = world.ingest.answer(head, unwanted()).await;
        assert_eq!((answer.status(), answer.text()), (200, ""));
    }
}

#[tokio::test]
async fn other_methods_are_refused_unread() {
    let world = World::new();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "post"] {
        let head = Head { method, authorization: Some(BEARER), length: None };
        assert_eq!(world.ingest.answer(head, unwanted()).await, Answer::WrongMethod, "{method}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let world = World::new();
    let head = |length| Head { length: Some(length), ..post(Some(BEARER)) };
    assert_eq!(world.ingest.answer(head(MAX_BODY as u64 + 1), unwanted()).await, Answer::TooLarge);
    let body = future::ready(Ok(put("workspaces")));
    assert_eq!(world.ingest.answer(head(MAX_BODY as u64), body).await, Answer::Queued);
}

#[tokio::test]
async fn a_body_that_no_queue_carries_is_refused_and_not_sent_in_vain_for_ever() {
    let world = World::new();
    assert_eq!(world.post("x".repeat(MAX_BODY + 1)).await, Answer::TooLarge);
    // Each of these bytes goes on the queue as a character of three.
    assert_eq!(world.post("\u{1}".repeat(MAX_BODY / 3 + 1)).await, Answer::TooLarge);
    assert_eq!(world.queued().await, [""; 0]);
    assert_eq!(world.post("x".repeat(MAX_BODY)).await, Answer::Queued);
}

#[tokio::test]
async fn a_body_that_cannot_be_had_is_told_apart() {
    let world = World::new();
    let check = async |why: Unread, status| {
        let body = future::ready(Err::<&str, _>(why));
        assert_eq!(world.ingest.answer(post(Some(BEARER)), body).await.status(), status);
    };
    check(Unread::TooLarge, 413).await;
    check(Unread::Late, 408).await;
    check(Unread::Broken("gone".into()), 400).await;
    assert_eq!(world.post(" \n").await, Answer::Empty);
    assert_eq!(world.queued().await, [""; 0]);
}

#[tokio::test]
async fn what_changes_nothing_here_is_acknowledged_and_dropped() {
    let world = World::new();
    for body in [
        put("another"),
        event("s3:ObjectAccessed:Get", "workspaces"),
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#.to_owned(),
        filer("create", "/buckets/another/app/x"),
        filer("create", "/topics/.system/log"),
    ] {
        assert_eq!(world.post(&body).await, Answer::Ignored, "{body}");
    }
    assert_eq!(world.queued().await, [""; 0]);
}

#[tokio::test]
async fn what_nobody_understands_is_taken_so_that_it_becomes_a_dead_letter_and_blocks_nothing() {
    let world = World::new();
    for body in ["hello", "{}", "[1]", r#"{"EventName":"s3:ObjectCreated:Put"}"#] {
        assert_eq!(world.post(body).await, Answer::Queued, "{body}");
    }
    assert_eq!(world.queued().await.len(), 4);
}

#[tokio::test]
async fn an_event_of_which_any_record_is_ours_is_taken() {
    let world = World::new();
    let mut body: serde_json::Value = serde_json::from_str(&put("another")).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&put("workspaces")).unwrap();
    body["Records"].as_array_mut().unwrap().push(ours["Records"][0].clone());
    assert_eq!(world.post(body.to_string()).await, Answer::Queued);
}

#[tokio::test]
async fn characters_that_no_queue_carries_do_not_block_the_sender() {
    let world = World::new();
    let body = put("workspaces").replace("a b", "a\u{ffff}b");
    assert_eq!(world.post(&body).await, Answer::Queued);
    assert_eq!(world.post(b"\xff\x00").await, Answer::Queued);
    assert_eq!(world.queued().await, [body.replace('\u{ffff}', "\u{fffd}"), "\u{fffd}\u{fffd}".to_owned()]);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_durable() {
    let world = World::new();
    for fault in [Fault::Unavailable, Fault::Refused, Fault::AnswerLost] {
        world.queue.fail_next(QueueOperation::Send, 1, fault);
        let answer = world.post(put("workspaces")).await;
        assert_eq!(answer.status(), 503, "{fault:?}");
        assert!(answer.headers().contains(&("retry-after", "3")));
    }
    // What was done although the answer was lost comes twice, which is harmless.
    assert_eq!(world.queued().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_hangs_is_not_waited_for_without_end() {
    struct Hanging;
    #[async_trait]
    impl Queue for Hanging {
        async fn send(&self, _: Vec<Outgoing>) -> Result<(), QueueError> {
            future::pending().await
        }
        async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
            unreachable!()
        }
        async fn delete(&self, _: Vec<Receipt>) -> Result<(), QueueError> {
            unreachable!()
        }
        async fn extend(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
            unreachable!()
        }
        async fn depth(&self) -> Result<Depth, QueueError> {
            unreachable!()
        }
    }
    let ingest = Ingest::new(TOKEN.into(), Arc::new(Hanging), "workspaces".into());
    let answer = ingest.answer(post(Some(BEARER)), future::ready(Ok(put("workspaces")))).await;
    assert_eq!(answer, Answer::QueueFailed);
}

#[tokio::test]
async fn more_events_than_there_are_places_for_come_again() {
    let world = World::new();
    let slow =
        || Box::pin(world.ingest.answer(post(Some(BEARER)), future::pending::<Result<&str, Unread>>()));
    let mut waiting: Vec<_> = (0..AT_ONCE).map(|_| slow()).collect();
    for request in &mut waiting {
        assert!(futures::poll!(request).is_pending());
    }
    let answer = world.ingest.answer(post(Some(BEARER)), unwanted()).await;
    assert_eq!((answer, answer.status()), (Answer::Busy, 503));
    waiting.pop();
    assert_eq!(world.post(put("workspaces")).await, Answer::Queued);
}

#[test]
fn a_flood_is_told_of_ever_more_seldom() {
    let tally = Tally::default();
    let told: Vec<_> = (0..1000).filter_map(|_| tally.telling()).collect();
    assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
}
