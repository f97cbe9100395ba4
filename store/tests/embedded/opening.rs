//! Opening the store: one owner at a time, nothing left of what a crash interrupted.

use cloudyknight_store::embedded::{EmbeddedError, EmbeddedStore, Options};

use crate::Bench;

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_has_gone() {
    let bench = Bench::open();
    let second = EmbeddedStore::open(bench.dir.path(), Options::default());
    assert!(matches!(second, Err(EmbeddedError::InUse(_))));
    bench.reopen();
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let bench = Bench::open();
    let path = bench.dir.path().join("store.sqlite");
    let Bench { store, clock, dir } = bench;
    drop(store);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let opened = EmbeddedStore::open(dir.path(), Options { clock });
    assert!(matches!(opened, Err(EmbeddedError::Schema { found: 99, .. })));
}

#[tokio::test]
async fn blobs_that_no_object_names_are_swept_at_the_start_and_others_stay() {
    let bench = Bench::open();
    bench.store.create_bucket("bucket").await.unwrap();
    let large = bytes::Bytes::from(vec![7; 200_000]);
    bench.store.bucket("bucket").put("large", large.clone()).await.unwrap();
    let orphan = bench.dir.path().join("blobs/ab").join("ab".repeat(16));
    std::fs::write(&orphan, "left by a crash").unwrap();
    let bench = bench.reopen();
    assert!(!orphan.exists());
    let content = bench.store.bucket("bucket").get("large", None).await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), large);
}
