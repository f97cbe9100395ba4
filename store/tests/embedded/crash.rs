//! Nothing acknowledged is lost, and nothing half done is seen, when the process dies at any moment.
//!
//! The test runs itself as a child that writes objects and messages and says on its standard output what was
//! acknowledged; it kills the child with SIGKILL, opens the store, and holds it against what it heard.
//!
//! Seen to fail: with the writer answering each job before `COMMIT` (`answer(Ok(()))` in place of
//! `answers.push(answer)`), within the first kills: `acknowledged, but gone`; without `outbox::publish` in
//! `objects::publish`, at the first: `the notification … is lost`. What a kill cannot show is a missing fsync,
//! because the system's cache outlives the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_store::embedded::{EmbeddedStore, Options, QueueSettings};
use cloudyknight_store::queue::{Outgoing, Queue};
use serde_json::Value;
use tempfile::TempDir;

const DIRECTORY: &str = "CLOUDYKNIGHT_CRASH_TEST_DIRECTORY";
const ROUND: &str = "CLOUDYKNIGHT_CRASH_TEST_ROUND";
const KILLS: usize = 8;
const WRITERS: usize = 6;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let Some((dir, round)) = as_child() {
        return write_until_killed(&dir, &round);
    }
    let dir = TempDir::new().unwrap();
    let mut heard = Heard::default();
    for round in 0..KILLS {
        // Another number of acknowledgements each time, so that the kill meets another moment.
        heard.listen(&dir, round, 40 + round * 37);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&dir, &mut heard));
    }
    assert!(heard.objects.len() > 100 && heard.messages.len() > 50, "the children did too little to tell");
}

#[expect(clippy::disallowed_methods, reason = "how the child is told that it is one; nothing is configured")]
fn as_child() -> Option<(String, String)> {
    Some((std::env::var(DIRECTORY).ok()?, std::env::var(ROUND).ok()?))
}

/// What the children said was acknowledged, and what earlier checks took off the queues.
#[derive(Default)]
struct Heard {
    /// Key → the number that its content was made from.
    objects: BTreeMap<String, u64>,
    put: BTreeSet<String>,
    deleted: BTreeSet<String>,
    messages: BTreeSet<String>,
    seen_messages: BTreeSet<String>,
    seen_changes: BTreeSet<(String, String)>,
}

impl Heard {
    fn listen(&mut self, dir: &TempDir, round: usize, acknowledgements: usize) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::nothing_acknowledged_is_lost_when_the_process_is_killed",
                "--nocapture",
            ])
            .env(DIRECTORY, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        while let Some(Ok(line)) = lines.next() {
            count += usize::from(self.hear(&line));
            if count == acknowledgements {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= acknowledgements, "the child ended by itself after {count} acknowledgements");
    }

    /// A line that the kill cut short was not acknowledged.
    fn hear(&mut self, line: &str) -> bool {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["put", key, number, "."] => {
                self.objects.insert(key.to_owned(), number.parse().unwrap());
                self.put.insert(key.to_owned());
            }
            // From here on the object may be there or not.
            ["deleting", key, "."] => {
                self.objects.remove(key);
                return false;
            }
            ["deleted", key, "."] => {
                self.deleted.insert(key.to_owned());
            }
            ["sent", body, "."] => {
                self.messages.insert(body.to_owned());
            }
            _ => return false,
        }
        true
    }
}

/// Deterministic content, of a size that differs by key: inline, or one blob.
fn content(number: u64) -> Bytes {
    let size =
        if number.is_multiple_of(3) { 70_000 + number as usize % 1000 } else { 10 + number as usize % 1000 };
    (0..size).map(|at| (at as u64).wrapping_mul(number | 1).to_le_bytes()[1]).collect()
}

fn write_until_killed(dir: &str, round: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(dir.as_ref(), Options::default()).unwrap();
        store.create_bucket("bucket").await.unwrap();
        store.create_queue("events", QueueSettings::default()).await.unwrap();
        store.create_queue("commands", QueueSettings { fifo: true, dead_letter: None }).await.unwrap();
        store.notify("bucket", "events").await.unwrap();
        let writers =
            (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&store), format!("{round}-{writer}"))));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write(store: Arc<EmbeddedStore>, name: String) {
    let bucket = store.bucket("bucket");
    let commands = store.queue("commands");
    for number in 0_u64.. {
        let key = format!("{name}/{number}");
        bucket.put(&key, content(number)).await.unwrap();
        println!("put {key} {number} .");
        if number.is_multiple_of(4) {
            println!("deleting {key} .");
            bucket.delete(&key).await.unwrap();
            println!("deleted {key} .");
        }
        let message = Outgoing { body: key.clone(), group: Some(name.clone()), dedup: Some(key.clone()) };
        commands.send(vec![message]).await.unwrap();
        println!("sent {key} .");
    }
}

async fn check(dir: &TempDir, heard: &mut Heard) {
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    let bucket = store.bucket("bucket");
    for (key, number) in &heard.objects {
        let content_of = bucket
            .get(key, None)
            .await
            .unwrap_or_else(|error| panic!("{key}: acknowledged, but gone: {error}"));
        assert_eq!(content_of.bytes().await.unwrap(), content(*number), "{key}");
    }
    // What was not acknowledged may be there, but then whole.
    for object in bucket.list("").await.unwrap() {
        assert!(!heard.deleted.contains(&object.key), "{}: its deletion was acknowledged", object.key);
        let number = object.key.rsplit('/').next().unwrap().parse().unwrap();
        let read = bucket.get(&object.key, None).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, content(number), "{} is not whole", object.key);
    }

    for body in drain(&store.queue("events")).await {
        let event: Value = serde_json::from_str(&body).unwrap();
        let record = &event["Records"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        heard.seen_changes.insert((text(&record["s3"]["object"]["key"]), text(&record["eventName"])));
    }
    for (keys, event) in [(&heard.put, "ObjectCreated:Put"), (&heard.deleted, "ObjectRemoved:Delete")] {
        for key in keys {
            let change = (key.clone(), event.to_owned());
            assert!(heard.seen_changes.contains(&change), "the notification {change:?} is lost");
        }
    }
    heard.seen_messages.extend(drain(&store.queue("commands")).await);
    for body in &heard.messages {
        assert!(heard.seen_messages.contains(body), "message {body} was acknowledged, but is gone");
    }
}

async fn drain(queue: &Arc<dyn Queue>) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let batch = queue.receive(100, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        if batch.is_empty() {
            return bodies;
        }
        queue.delete(batch.iter().map(|message| message.receipt.clone()).collect()).await.unwrap();
        bodies.extend(batch.into_iter().map(|message| message.body));
    }
}
