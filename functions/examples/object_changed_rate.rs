//! How many events a second `object_changed` handles on one core, and how much of that is parsing JSON: as the parser does it,
//! and, to compare, into a `serde_json::Value`, which it does not. Prints JSON.
//!
//!     cargo run --release -p cloudyknight-functions --example object_changed_rate
//!
//! The commands go to a queue that only counts them: what a real queue costs is another figure. Each figure is the median of
//! rounds; handling and parsing alternate, so that all see the same machine.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloudyknight_core::notification;
use cloudyknight_functions::{Incoming, clock, object_changed};
use cloudyknight_store::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};
use serde_json::{Value, json};

const WORKSPACES: usize = 20;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut figures = Vec::new();
    for records in [1, 10] {
        for messages in [10, 500] {
            figures.push(figure(records, messages).await);
        }
    }
    println!("{}", json!({ "workspaces": WORKSPACES, "rounds": ROUNDS, "figures": figures }));
}

async fn figure(records: usize, messages: usize) -> Value {
    let texts: Vec<String> = (0..messages).map(|message| notification(message * records, records)).collect();
    let ids: Vec<String> = (0..messages).map(|message| format!("{message:032x}")).collect();
    let batch: Vec<_> = ids.iter().zip(&texts).map(|(id, body)| Incoming { id, body }).collect();
    let sink = Counting::default();
    let now = clock::moment();

    let mut rounds: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let (start, mut batches) = (Instant::now(), 0);
        while start.elapsed() < ROUND {
            let outcome = object_changed::handle(black_box(&batch), "workspaces", &sink, None, now).await;
            assert_eq!(outcome.sent.len(), WORKSPACES.min(messages * records));
            batches += 1;
        }
        rounds[0].push(start.elapsed().as_secs_f64() / f64::from(batches));
        rounds[1].push(seconds_a_batch(&texts, notification::parse_json_alone));
        rounds[2]
            .push(seconds_a_batch(&texts, |text| black_box(serde_json::from_str::<Value>(text)).is_ok()));
    }
    assert!(sink.0.load(Ordering::Relaxed) > 0);

    let [handled, parsed, into_values] = rounds.map(median);
    let events = (messages * records) as f64;
    json!({
        "records_a_message": records,
        "messages_a_batch": messages,
        "bytes_a_message": texts.iter().map(String::len).sum::<usize>() / messages,
        "events_a_second": (events / handled).round(),
        "microseconds_an_event": (handled / events * 1e8).round() / 100.0,
        "fraction_parsing_json": (parsed / handled * 1000.0).round() / 1000.0,
        "serde_json_value_to_compare": (into_values / handled * 1000.0).round() / 1000.0,
    })
}

fn seconds_a_batch(texts: &[String], read: impl Fn(&str) -> bool) -> f64 {
    let (start, mut batches) = (Instant::now(), 0);
    while start.elapsed() < ROUND {
        assert!(texts.iter().all(|text| read(black_box(text))));
        batches += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(batches)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// As AWS sends it, spaces excepted.
fn notification(first: usize, records: usize) -> String {
    let record = |n: usize| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-03-01T10:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "203.0.113.7"},
            "responseElements": {
                "x-amz-request-id": "C3D13FE58DE4C810",
                "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
            },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "workspaces",
                "bucket": {
                    "name": "workspaces", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": "arn:aws:s3:::workspaces",
                },
                "object": {
                    "key": format!("app-{}/src/component+{n}/index%2B{n}.js", n % WORKSPACES),
                    "size": 1024 + n, "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": format!("{n:018X}"),
                },
            },
        })
    };
    json!({ "Records": (first..first + records).map(record).collect::<Vec<_>>() }).to_string()
}

/// A queue that takes everything and keeps nothing.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Queue for Counting {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.0.fetch_add(messages.len(), Ordering::Relaxed);
        Ok(())
    }

    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: Vec<Receipt>) -> Result<(), QueueError> {
        Ok(())
    }

    async fn extend(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}
