//! The S3 adapter over the wire, against the embedded server: what the port promises, and the keys that break clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cloudyknight_store::aws::{self, Checksums, Clients, ConnectSettings, S3Bucket, StaticCredentials};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow};
use cloudyknight_store::embedded::s3::{Credentials, serve};
use cloudyknight_store::embedded::{EmbeddedStore, Options};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SECRET: &str = "a secret of the tests";

struct Server {
    address: String,
    running: JoinHandle<Result<(), std::io::Error>>,
    _dir: TempDir,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        store.create_bucket("workspaces").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let credentials = Credentials { access_key: "tests".into(), secret_key: SECRET.into() };
        let running = tokio::spawn(serve(listener, Arc::clone(&store), credentials, std::future::pending()));
        Self { address, running, _dir: dir }
    }

    async fn clients(&self, secret: &str, checksums: Checksums) -> Clients {
        aws::connect(ConnectSettings {
            endpoint: Some(self.address.clone()),
            region: Some("us-east-1".into()),
            credentials: Some(StaticCredentials::new("tests", secret)),
            path_style: true,
            checksums,
            ..ConnectSettings::default()
        })
        .await
        .unwrap()
    }

    async fn bucket(&self) -> S3Bucket {
        self.clients(SECRET, Checksums::default()).await.bucket("workspaces")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn keys(bucket: &S3Bucket, prefix: &str) -> Vec<String> {
    bucket.list(prefix).await.unwrap().into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn every_key_comes_back_as_it_was_put() {
    let server = Server::start().await;
    let bucket = server.bucket().await;
    let longest = format!("app/{}", "k".repeat(1020));
    let strange: BTreeSet<&str> = BTreeSet::from([
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
    ]);
    for key in &strange {
        let etag = bucket.put(key, Bytes::from((*key).to_owned())).await.unwrap();
        let content = bucket.get(key, Some(&etag)).await.unwrap();
        assert_eq!(
            (content.object.etag.as_str(), content.object.size),
            (etag.as_str(), key.len() as u64),
            "{key:?}"
        );
        assert_eq!(content.bytes().await.unwrap(), key.as_bytes(), "{key:?}");
    }
    assert_eq!(keys(&bucket, "app/").await, strange.iter().copied().collect::<Vec<_>>());
    for key in &strange {
        bucket.delete(key).await.unwrap();
        bucket.delete(key).await.unwrap();
    }
    assert_eq!(keys(&bucket, "").await, [""; 0]);
}

#[tokio::test]
async fn a_listing_of_many_pages_is_whole_and_in_order() {
    let server = Server::start().await;
    let bucket = server.bucket().await;
    let all: BTreeSet<String> = (0..2_005).map(|n| format!("app/{n}")).collect();
    let puts = all.iter().map(|key| Ok(bucket.put(key, Bytes::from_static(b"x"))));
    futures::stream::iter(puts).try_buffer_unordered(32).try_collect::<Vec<_>>().await.unwrap();
    bucket.put("apple/1", Bytes::new()).await.unwrap();
    assert_eq!(keys(&bucket, "app/").await, all.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn folders_are_the_first_level() {
    let server = Server::start().await;
    let bucket = server.bucket().await;
    for key in ["b/2/3", "b/1", "a b+c/1", "top", "c/"] {
        bucket.put(key, Bytes::new()).await.unwrap();
    }
    assert_eq!(bucket.folders().await.unwrap(), ["a b+c", "b", "c"]);
}

#[tokio::test]
async fn a_replaced_object_is_changed_and_a_missing_one_not_found() {
    let server = Server::start().await;
    let bucket = server.bucket().await;
    let old = bucket.put("app/x", Bytes::from_static(b"old")).await.unwrap();
    bucket.put("app/x", Bytes::from_static(b"new")).await.unwrap();
    assert!(matches!(bucket.get("app/x", Some(&old)).await, Err(BucketError::Changed { .. })));
    assert!(matches!(bucket.get("app/y", None).await, Err(BucketError::NotFound { .. })));
    bucket.delete("app/x").await.unwrap();
    assert!(matches!(bucket.get("app/x", Some(&old)).await, Err(BucketError::NotFound { .. })));
}

#[tokio::test]
async fn a_file_is_uploaded_and_read_in_pieces() {
    let server = Server::start().await;
    let content: Vec<u8> = (0..20_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &content).unwrap();
    for checksums in [Checksums::WhenSupported, Checksums::WhenRequired] {
        let bucket = server.clients(SECRET, checksums).await.bucket("workspaces");
        let etag = bucket.put_file("app/large", file.path()).await.unwrap();
        let read = bucket.get("app/large", Some(&etag)).await.unwrap();
        assert_eq!(read.object.size, content.len() as u64);
        let (mut digest, mut largest, mut body) = (Sha256::new(), 0, read.body);
        while let Some(piece) = body.try_next().await.unwrap() {
            largest = largest.max(piece.len());
            digest.update(&piece);
        }
        assert_eq!(digest.finalize(), Sha256::digest(&content));
        assert!(largest <= 1 << 20, "a piece of {largest} bytes");
    }
    let missing = server.bucket().await.put_file("app/x", std::path::Path::new("/nowhere/at/all")).await;
    assert_eq!(missing.unwrap_err().follow(), Follow::Human);
}

#[tokio::test]
async fn an_error_names_its_cause_once() {
    let server = Server::start().await;
    let bucket = server.clients(SECRET, Checksums::default()).await.bucket("missing");
    let error = bucket.list("app/").await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    let told = format!("{error}: {cause}");
    assert!(cause.source().is_none() && told.matches("NoSuchBucket").count() == 1, "{told}");
}

#[tokio::test]
async fn errors_say_whether_to_try_again() {
    let server = Server::start().await;
    let check = async |bucket: S3Bucket, follow: Follow| {
        assert_eq!(bucket.list("app/").await.unwrap_err().follow(), follow);
        assert_eq!(bucket.folders().await.unwrap_err().follow(), follow);
        assert_eq!(bucket.get("app/x", None).await.err().unwrap().follow(), follow);
        assert_eq!(bucket.put("app/x", Bytes::new()).await.unwrap_err().follow(), follow);
        assert_eq!(bucket.delete("app/x").await.unwrap_err().follow(), follow);
    };
    check(server.clients(SECRET, Checksums::default()).await.bucket("missing"), Follow::Human).await;
    check(server.clients("wrong", Checksums::default()).await.bucket("workspaces"), Follow::Human).await;

    // A port that nobody listens on: ours, given back.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = ConnectSettings {
        endpoint: Some(format!("http://{closed}")),
        region: Some("us-east-1".into()),
        credentials: Some(StaticCredentials::new("tests", SECRET)),
        path_style: true,
        ..ConnectSettings::default()
    };
    check(aws::connect(settings).await.unwrap().bucket("workspaces"), Follow::Retry).await;
}
