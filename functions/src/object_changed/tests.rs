use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::command::Cause;
use cloudyknight_store::failing::{FailingQueue, Fault, QueueOperation};
use cloudyknight_store::memory::{DEDUP_WINDOW, MemoryQueue};
use cloudyknight_store::queue::Message;

use super::*;

fn notification(keys: &[&str]) -> String {
    let records: Vec<_> = keys
        .iter()
        .map(|key| {
            serde_json::json!({
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key}},
            })
        })
        .collect();
    serde_json::json!({ "Records": records }).to_string()
}

async fn run(batch: &[(&str, &str)], commands: &dyn Queue) -> Outcome {
    let batch: Vec<_> = batch.iter().map(|(id, body)| Incoming { id, body }).collect();
    handle(&batch, "workspaces", commands, None, clock::moment()).await
}

/// Everything on the queue, taken off it.
async fn drained(commands: &dyn Queue) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let messages = commands.receive(100, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
        if messages.is_empty() {
            return all;
        }
        commands.delete(messages.iter().map(|message| message.receipt.clone()).collect()).await.unwrap();
        all.extend(messages);
    }
}

async fn sent(commands: &dyn Queue) -> Vec<Command> {
    drained(commands).await.iter().map(|message| untraced(&message.body)).collect()
}

fn untraced(command: &str) -> Command {
    Command { traceparent: None, origin: None, ..Command::from_json(command).unwrap() }
}

fn put(workspace: &str, path: &str, more: usize) -> Command {
    Command::reconcile(workspace.parse().unwrap(), Cause::Put { path: path.into(), more })
}

#[tokio::test]
async fn a_batch_is_one_command_for_each_workspace_in_its_group() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let batch =
        [("1", notification(&["b/x", "a/1"])), ("2", notification(&["a/2"])), ("3", notification(&[]))];
    let batch: Vec<_> = batch.iter().map(|(id, body)| (*id, body.as_str())).collect();
    let outcome = run(&batch, &commands).await;
    assert_eq!((outcome.sent.len(), outcome.failed), (2, vec![]));
    let messages = drained(&commands).await;
    let groups: Vec<_> = messages.iter().map(|message| message.group.as_deref()).collect();
    assert_eq!(groups, [Some("a"), Some("b")]);
    let read: Vec<_> = messages.iter().map(|message| untraced(&message.body)).collect();
    assert_eq!(read, [put("a", "1", 1), put("b", "x", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_delivered_again_sends_nothing_new_and_a_later_change_does() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let (one, two) = (notification(&["a/1", "b/1"]), notification(&["a/2"]));
    run(&[("1", &one), ("2", &two)], &commands).await;
    run(&[("2", &two), ("1", &one)], &commands).await;
    assert_eq!(sent(&commands).await, [put("a", "1", 1), put("b", "1", 0)]);
    // The same text, but another message: somebody pushed the same file once more.
    run(&[("3", &one)], &commands).await;
    assert_eq!(sent(&commands).await, [put("a", "1", 0), put("b", "1", 0)]);
    tokio::time::advance(DEDUP_WINDOW).await;
    run(&[("1", &one)], &commands).await;
    assert_eq!(sent(&commands).await.len(), 2);
}

#[tokio::test]
async fn the_same_message_twice_in_a_batch_is_the_same_command() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let body = notification(&["a/1"]);
    run(&[("1", &body), ("1", &body)], &commands).await;
    run(&[("1", &body)], &commands).await;
    assert_eq!(sent(&commands).await.len(), 1);
}

#[tokio::test]
async fn an_unreadable_message_fails_alone() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let outcome = run(&[("1", &notification(&["a/1"])), ("2", "hello"), ("3", "{}")], &commands).await;
    assert_eq!((outcome.sent.len(), outcome.failed), (1, vec!["2".to_owned(), "3".to_owned()]));
    assert_eq!(sent(&commands).await, [put("a", "1", 0)]);
}

#[tokio::test]
async fn when_nothing_could_be_sent_the_whole_batch_fails() {
    let commands = FailingQueue::new(Arc::new(MemoryQueue::fifo("commands.fifo")));
    commands.fail_next(QueueOperation::Send, 1, Fault::Unavailable);
    let body = notification(&["a/1"]);
    let outcome = run(&[("1", &body), ("2", "hello")], &commands).await;
    assert_eq!((outcome.sent.len(), outcome.failed), (0, vec!["1".to_owned(), "2".to_owned()]));
    assert!(outcome.not_sent.is_some());
    assert_eq!(sent(&commands).await, []);
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_not_sent_twice() {
    let commands = FailingQueue::new(Arc::new(MemoryQueue::fifo("commands.fifo")));
    commands.fail_next(QueueOperation::Send, 1, Fault::AnswerLost);
    let body = notification(&["a/1"]);
    assert_eq!(run(&[("1", &body)], &commands).await.failed, ["1"]);
    assert_eq!(run(&[("1", &body)], &commands).await.failed, [""; 0]);
    assert_eq!(sent(&commands).await, [put("a", "1", 0)]);
}

#[tokio::test]
async fn what_marks_nothing_needs_no_commands_queue() {
    let commands = FailingQueue::new(Arc::new(MemoryQueue::fifo("commands.fifo")));
    commands.fail_when(|_| Some(Fault::Refused));
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"workspaces"}"#;
    let outcome = run(&[("1", test), ("2", &notification(&["No_Workspace/x", "top"]))], &commands).await;
    assert_eq!((outcome.failed, outcome.ignored.len()), (vec![], 3));
}

#[tokio::test]
async fn every_command_begins_a_trace_of_its_own() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let outcome = run(&[("1", &notification(&["a/1", "b/1"]))], &commands).await;
    let read: Vec<_> =
        drained(&commands).await.iter().map(|m| Command::from_json(&m.body).unwrap()).collect();
    assert_eq!(read, outcome.sent);
    let traces: BTreeSet<_> =
        read.iter().map(|command| command.traceparent.as_ref().unwrap().trace_id()).collect();
    assert_eq!(traces.len(), 2);
}

#[tokio::test]
async fn commands_belong_to_the_trace_that_goes_on_around_them() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let outer = TraceParent::new([1; 16], [2; 8]).unwrap();
    let body = notification(&["a/1", "b/1"]);
    handle(&[Incoming { id: "1", body: &body }], "workspaces", &commands, Some(&outer), clock::moment())
        .await;
    for message in drained(&commands).await {
        assert_eq!(Command::from_json(&message.body).unwrap().traceparent.as_ref(), Some(&outer));
    }
}

#[tokio::test]
async fn a_command_says_when_the_last_object_was_put_and_when_its_function_had_it() {
    let commands = MemoryQueue::fifo("commands.fifo");
    let record = |key: &str, at: &str| {
        serde_json::json!({
            "eventVersion": "2.1", "eventName": "ObjectCreated:Put", "eventTime": at,
            "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key}},
        })
    };
    let records = [record("a/1", "2026-03-01T10:00:01.500Z"), record("a/2", "2026-03-01T10:00:01.250Z")];
    let body = serde_json::json!({ "Records": records }).to_string();
    let notified_at = Moment::parse("2026-03-01T10:00:02Z").unwrap();
    handle(&[Incoming { id: "1", body: &body }], "workspaces", &commands, None, notified_at).await;
    let command = Command::from_json(&drained(&commands).await[0].body).unwrap();
    let origin = command.origin.unwrap();
    let expected = (Moment::parse("2026-03-01T10:00:01.500Z"), Some(notified_at), None);
    assert_eq!((origin.put_at, origin.notified_at, origin.received_at), expected);
    assert!(origin.decided_at > Some(notified_at), "{origin:?}");
}
