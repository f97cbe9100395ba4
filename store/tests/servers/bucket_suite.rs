//! What the bucket port promises, as tests that any adapter can run: `suite!` makes one test of each, on the buckets
//! of a [`Setting`].

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition, Follow};
use futures::{StreamExt, TryStreamExt, stream};

/// Where the buckets come from.
#[async_trait]
pub trait Setting: Sync {
    /// A new bucket.
    async fn bucket(&self) -> Arc<dyn Bucket>;
    /// One that does not exist.
    async fn missing(&self) -> Arc<dyn Bucket>;
    /// Keys that a server here cannot hold, or does not give back as they were.
    fn cannot_hold(&self) -> &[&str] {
        &[]
    }
}

async fn keys(bucket: &Arc<dyn Bucket>, prefix: &str) -> Vec<String> {
    bucket.list(prefix).await.unwrap().into_iter().map(|object| object.key).collect()
}

pub async fn every_key_comes_back_as_it_was_put(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let longest = format!("app/{}", "k".repeat(200));
    let strange = [
        "app/plain.txt",
        "app/a b",
        "app/a+b",
        "app/100%",
        "app/%41",
        "app/a%2Fb",
        "app/line\nbreak",
        "app/tab\t",
        "app/é€ж",
        "app/&<>\"'",
        "app/a/../b",
        "app/./c",
        "app/a//b",
        "app/",
        "app/?x=y#z",
        "app/*~(!)",
        "app/\u{1}",
        &longest,
    ];
    let strange: BTreeSet<&str> =
        strange.into_iter().filter(|key| !setting.cannot_hold().contains(key)).collect();
    let mut wrong = Vec::new();
    for key in &strange {
        let put_and_read = async || -> Result<bool, BucketError> {
            let etag = bucket.put(key, Bytes::from((*key).to_owned())).await?;
            let content = bucket.get(key, Some(&etag)).await?;
            let told = (content.object.etag == etag) && content.object.size == key.len() as u64;
            Ok(told && content.bytes().await? == key.as_bytes())
        };
        match put_and_read().await {
            Ok(true) => {}
            other => wrong.push((*key, format!("{other:?}"))),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(keys(&bucket, "app/").await, strange.iter().copied().collect::<Vec<_>>());
    for key in &strange {
        bucket.delete(key).await.unwrap();
        bucket.delete(key).await.unwrap();
    }
    assert_eq!(keys(&bucket, "").await, [""; 0]);
}

pub async fn a_listing_of_many_pages_is_whole_and_in_order(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let all: BTreeSet<String> = (0..1_050).map(|n| format!("app/{n}")).collect();
    let puts = all.iter().map(|key| bucket.put(key, Bytes::from_static(b"x")));
    stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(8).try_collect::<Vec<_>>().await.unwrap();
    bucket.put("apple/1", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(keys(&bucket, "app/").await, all.into_iter().collect::<Vec<_>>());
}

pub async fn a_listing_tells_the_etag_that_was_answered_and_the_size(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let etag = bucket.put("app/x", Bytes::from_static(b"hello")).await.unwrap();
    let listed = bucket.list("app/").await.unwrap().remove(0);
    assert_eq!((listed.key.as_str(), listed.etag, listed.size), ("app/x", etag, 5));
    assert!(listed.modified_ms > 1_700_000_000_000, "{}", listed.modified_ms);
}

pub async fn folders_are_the_first_level(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    for key in ["b/2/3", "b/1", "a b+c/1", "top"] {
        bucket.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(bucket.folders().await.unwrap(), ["a b+c", "b"]);
    let top = bucket.top_level().await.unwrap();
    assert_eq!((top.folders.len(), top.objects.len()), (2, 1));
    assert_eq!((top.objects[0].key.as_str(), top.objects[0].size), ("top", 1));
}

pub async fn placeholders_of_folders_are_listed_as_they_are(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    bucket.put("app/", Bytes::new()).await.unwrap();
    bucket.put("app/src/", Bytes::new()).await.unwrap();
    bucket.put("app/src/x", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(keys(&bucket, "").await, ["app/", "app/src/", "app/src/x"]);
    assert_eq!(bucket.folders().await.unwrap(), ["app"]);
}

pub async fn a_replaced_object_is_changed_and_a_missing_one_not_found(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let old = bucket.put("app/x", Bytes::from_static(b"old")).await.unwrap();
    bucket.put("app/x", Bytes::from_static(b"new")).await.unwrap();
    let read = async |key, etag| bucket.get(key, etag).await.map(|content| content.object);
    let stale = read("app/x", Some(old.as_str())).await;
    assert!(matches!(stale, Err(BucketError::Changed { .. })), "{stale:?}");
    let missing = read("app/y", None).await;
    assert!(matches!(missing, Err(BucketError::NotFound { .. })), "{missing:?}");
    let kept = bucket.delete_if("app/x", &old).await;
    assert!(matches!(kept, Err(BucketError::Changed { .. })), "{kept:?}");
    let now = read("app/x", None).await.unwrap().etag;
    bucket.delete_if("app/x", &now).await.unwrap();
    let gone = bucket.delete_if("app/x", &now).await;
    assert!(matches!(gone, Err(BucketError::Changed { .. })), "{gone:?}");
    bucket.delete("app/x").await.unwrap();
    let deleted = read("app/x", Some(old.as_str())).await;
    assert!(matches!(deleted, Err(BucketError::NotFound { .. })), "{deleted:?}");
}

pub async fn a_write_happens_only_if_its_condition_holds(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let write = async |key: &str, body: &'static str, condition: &Condition| {
        bucket.put_if(key, Bytes::from_static(body.as_bytes()), condition).await
    };
    let changed = |result: Result<String, BucketError>| {
        assert!(matches!(result, Err(BucketError::Changed { .. })), "{result:?}");
    };
    let first = write("app/x", "first", &Condition::Absent).await.unwrap();
    changed(write("app/x", "other", &Condition::Absent).await);
    let second = write("app/x", "second", &Condition::Unchanged(first.clone())).await.unwrap();
    changed(write("app/x", "other", &Condition::Unchanged(first.clone())).await);
    changed(write("app/y", "other", &Condition::Unchanged(first)).await);
    assert_eq!(bucket.get("app/x", Some(&second)).await.unwrap().bytes().await.unwrap(), "second");
    assert_eq!(keys(&bucket, "").await, ["app/x"]);
}

pub async fn of_many_writers_with_one_condition_one_wins(setting: &impl Setting) {
    let bucket = setting.bucket().await;
    let bodies = (0..8).map(|n| Bytes::from(format!("writer {n}")));
    let writes = bodies.map(|body| bucket.put_if("app/x", body, &Condition::Absent)).collect::<Vec<_>>();
    let results = futures::future::join_all(writes).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    let lost = results.iter().filter(|result| matches!(result, Err(BucketError::Changed { .. }))).count();
    assert_eq!((won, lost), (1, 7), "{results:?}");
}

pub async fn a_bucket_that_does_not_exist_is_for_a_human(setting: &impl Setting) {
    let bucket = setting.missing().await;
    let list = bucket.list("app/").await.unwrap_err();
    assert_eq!(list.follow(), Follow::Human, "{list:?}");
    let get = bucket.get("app/x", None).await.err().unwrap();
    assert_eq!(get.follow(), Follow::Human, "{get:?}");
    let put = bucket.put("app/x", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(put.follow(), Follow::Human, "{put:?}");
}
