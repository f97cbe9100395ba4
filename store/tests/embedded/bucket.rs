//! The embedded bucket through its port: content, versions under a reader, notifications.

use std::time::Duration;

use bytes::Bytes;
use cloudyknight_store::bucket::BucketError;
use cloudyknight_store::embedded::{EmbeddedError, QueueSettings};
use futures::TryStreamExt;
use serde_json::Value;

use crate::Bench;

const LARGE: usize = 3 << 20;

async fn bench() -> Bench {
    let bench = Bench::open();
    bench.store.create_bucket("bucket").await.unwrap();
    bench
}

fn large(seed: u8) -> Bytes {
    (0..LARGE).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

#[tokio::test]
async fn an_object_is_read_as_it_was_written() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    for (key, body) in [("empty", Bytes::new()), ("small", Bytes::from("small")), ("large", large(1))] {
        let etag = bucket.put(key, body.clone()).await.unwrap();
        let content = bucket.get(key, Some(&etag)).await.unwrap();
        assert_eq!((content.object.size, content.object.etag.as_str()), (body.len() as u64, etag.as_str()));
        assert_eq!(content.bytes().await.unwrap(), body);
    }
    assert_eq!(bucket.put("md5", Bytes::from("hello")).await.unwrap(), "5d41402abc4b2a76b9719d911017c592");
}

#[tokio::test]
async fn a_file_is_taken_in_as_it_lies_on_the_disk() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(bucket.put_file("empty", file.path()).await.unwrap(), "d41d8cd98f00b204e9800998ecf8427e");
    std::io::Write::write_all(&mut file, &large(1)).unwrap();
    let etag = bucket.put_file("large", file.path()).await.unwrap();
    assert_eq!(etag, bucket.put("other", large(1)).await.unwrap());
    assert_eq!(bucket.get("large", None).await.unwrap().bytes().await.unwrap(), large(1));
    let missing = bucket.put_file("x", std::path::Path::new("/nowhere/at/all")).await;
    assert!(matches!(missing, Err(BucketError::Refused { .. })));
}

#[tokio::test]
async fn another_version_than_the_wanted_one_is_told_from_a_missing_object() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    let old = bucket.put("key", Bytes::from("old")).await.unwrap();
    bucket.put("key", Bytes::from("new")).await.unwrap();
    assert!(matches!(bucket.get("key", Some(&old)).await, Err(BucketError::Changed { .. })));
    bucket.delete("key").await.unwrap();
    bucket.delete("key").await.unwrap();
    assert!(matches!(bucket.get("key", None).await, Err(BucketError::NotFound { .. })));
    let elsewhere = bench.store.bucket("missing").get("key", None).await;
    assert!(matches!(elsewhere, Err(BucketError::Refused { .. })));
}

#[tokio::test]
async fn a_reader_gets_its_version_to_the_end_and_then_its_blob_goes() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    bucket.put("key", large(1)).await.unwrap();
    let mut reading = bucket.get("key", None).await.unwrap();
    let mut read = reading.body.try_next().await.unwrap().unwrap().to_vec();
    bucket.put("key", large(2)).await.unwrap();
    bucket.delete("key").await.unwrap();
    // Only the blob that is being read is left.
    bench.blobs_become(1).await;
    while let Some(piece) = reading.body.try_next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, large(1));
    drop(reading);
    bench.blobs_become(0).await;
}

#[tokio::test]
async fn readers_never_fail_while_their_object_is_replaced() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    bucket.put("key", large(0)).await.unwrap();
    let writer = tokio::spawn({
        let bucket = bucket.clone();
        async move {
            for seed in 0..60 {
                bucket.put("key", large(seed)).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let read = bucket.get("key", None).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, large(read[0]), "pieces of two versions");
    }
    writer.await.unwrap();
    bench.blobs_become(1).await;
}

#[tokio::test]
async fn folders_are_the_first_level_and_listings_are_in_key_order() {
    let bench = bench().await;
    let bucket = bench.store.bucket("bucket");
    for key in ["b/1", "a/x/y", "a/", "top", "b/2", "a.b/c", "é/1"] {
        bucket.put(key, Bytes::from("x")).await.unwrap();
    }
    assert_eq!(bucket.folders().await.unwrap(), ["a.b", "a", "b", "é"]);
    let keys = |objects: Vec<cloudyknight_store::bucket::Object>| -> Vec<String> {
        objects.into_iter().map(|object| object.key).collect()
    };
    assert_eq!(keys(bucket.list("a").await.unwrap()), ["a.b/c", "a/", "a/x/y"]);
    assert_eq!(keys(bucket.list("b/").await.unwrap()), ["b/1", "b/2"]);
    assert_eq!(keys(bucket.list("nothing/").await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn each_change_puts_one_message_on_the_queue_of_its_bucket_and_no_other() {
    let bench = bench().await;
    bench.store.create_bucket("quiet").await.unwrap();
    bench.store.create_queue("events", QueueSettings::default()).await.unwrap();
    bench.store.notify("bucket", "events").await.unwrap();
    bench.store.notify("bucket", "events").await.unwrap();
    let bench = bench.reopen();
    let bucket = bench.store.bucket("bucket");
    bench.store.bucket("quiet").put("x", Bytes::from("x")).await.unwrap();
    bucket.put("a b+c/é", Bytes::from("hello")).await.unwrap();
    bucket.delete("a b+c/é").await.unwrap();
    bucket.delete("a b+c/é").await.unwrap();

    let events = bench.store.queue("events");
    let messages = events.receive(10, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
    let records: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::from_str::<Value>(&message.body).unwrap()["Records"][0].take())
        .collect();
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (record["eventName"].as_str().unwrap(), record["s3"]["object"]["key"].as_str().unwrap())
        })
        .collect();
    let key = "a+b%2Bc/%C3%A9";
    assert_eq!(seen, [("ObjectCreated:Put", key), ("ObjectRemoved:Delete", key)]);
    assert_eq!(records[0]["s3"]["object"]["size"], 5);
    assert_eq!(records[0]["s3"]["object"]["eTag"], "5d41402abc4b2a76b9719d911017c592");
    let sequencer = |record: &Value| record["s3"]["object"]["sequencer"].as_str().unwrap().to_owned();
    assert!(sequencer(&records[0]) < sequencer(&records[1]));
}

#[tokio::test]
async fn a_bucket_cannot_notify_what_is_no_queue_or_a_fifo_queue() {
    let bench = bench().await;
    bench.store.create_queue("fifo", QueueSettings { fifo: true, dead_letter: None }).await.unwrap();
    assert!(matches!(bench.store.notify("bucket", "none").await, Err(EmbeddedError::NoSuchQueue(_))));
    assert!(matches!(bench.store.notify("bucket", "fifo").await, Err(EmbeddedError::NotifyFifo(_))));
    assert!(matches!(bench.store.create_bucket("No_Bucket").await, Err(EmbeddedError::InvalidBucketName(_))));
}
