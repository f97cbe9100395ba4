//! Random operations on a bucket against the simplest bucket there is: a sorted map.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cloudyknight_store::bucket::BucketError;
use proptest::prelude::*;

use crate::Bench;

#[derive(Clone, Debug)]
enum Operation {
    Put(String, Vec<u8>),
    Delete(String),
    Get(String),
    List(String),
    Folders,
    Reopen,
}

/// Few enough to meet again, odd enough to hurt.
fn key() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "b",
        "..",
        "",
        "é",
        "a b",
        "%2F",
        "+",
        "\n",
        "\u{0}",
        "~",
        "\u{10FFFF}",
    ]);
    let key = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    key.prop_filter("a key is not empty", |key| !key.is_empty())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    // Around the size at which content moves out of the database.
    let length = prop_oneof![
        Just(0),
        1..64usize,
        Just((64 << 10) - 1),
        Just(64 << 10),
        Just((64 << 10) + 1),
        Just(600_000)
    ];
    (length, any::<u8>()).prop_map(|(length, seed)| (0..length).map(|at| (at as u8) ^ seed).collect())
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (key(), body()).prop_map(|(key, body)| Operation::Put(key, body)),
        3 => key().prop_map(Operation::Delete),
        3 => key().prop_map(Operation::Get),
        2 => prop_oneof![Just(String::new()), key(), Just("a".to_owned())].prop_map(Operation::List),
        1 => Just(Operation::Folders),
        1 => Just(Operation::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_behaves_as_a_sorted_map(operations in prop::collection::vec(operation(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(operations));
    }
}

async fn run(operations: Vec<Operation>) {
    let mut bench = Bench::open();
    bench.store.create_bucket("bucket").await.unwrap();
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for operation in operations {
        let bucket = bench.store.bucket("bucket");
        match operation {
            Operation::Put(key, body) => {
                bucket.put(&key, Bytes::from(body.clone())).await.unwrap();
                model.insert(key, body);
            }
            Operation::Delete(key) => {
                bucket.delete(&key).await.unwrap();
                model.remove(&key);
            }
            Operation::Get(key) => match (bucket.get(&key, None).await, model.get(&key)) {
                (Ok(content), Some(body)) => assert_eq!(content.bytes().await.unwrap(), body),
                (Err(BucketError::NotFound { .. }), None) => {}
                (got, expected) => {
                    panic!("{key:?}: {:?}, not {expected:?}", got.map(|content| content.object))
                }
            },
            Operation::List(prefix) => {
                let listed = bucket.list(&prefix).await.unwrap();
                let listed: Vec<_> = listed.into_iter().map(|object| (object.key, object.size)).collect();
                let expected = model.iter().filter(|(key, _)| key.starts_with(&prefix));
                let expected: Vec<_> = expected.map(|(key, body)| (key.clone(), body.len() as u64)).collect();
                assert_eq!(listed, expected, "below {prefix:?}");
            }
            Operation::Folders => {
                let folders: BTreeSet<String> =
                    model.keys().filter_map(|key| Some(format!("{}/", key.split_once('/')?.0))).collect();
                let expected: Vec<_> =
                    folders.iter().map(|folder| folder[..folder.len() - 1].to_owned()).collect();
                assert_eq!(bucket.folders().await.unwrap(), expected);
            }
            Operation::Reopen => {
                drop(bucket);
                bench = bench.reopen();
            }
        }
        // A blob for each large object, and no other.
        let in_files = model.values().filter(|body| body.len() > 64 << 10).count();
        bench.blobs_become(in_files).await;
    }
}
