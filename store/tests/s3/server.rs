//! One server with a store of its own, and the clients that speak to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use cloudyknight_store::embedded::{EmbeddedStore, Options, QueueSettings, s3};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub const ACCESS_KEY: &str = "AKIDTEST";
pub const SECRET_KEY: &str = "secret/+test";
pub const BUCKET: &str = "workspaces";

pub struct Server {
    pub client: Client,
    pub address: SocketAddr,
    pub store: Arc<EmbeddedStore>,
    pub dir: TempDir,
    _stop: DropGuard,
}

impl Server {
    /// With [`BUCKET`], which notifies the queue `events`.
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        store.create_bucket(BUCKET).await.unwrap();
        store.create_queue("events", QueueSettings::default()).await.unwrap();
        store.notify(BUCKET, "events").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let credentials = s3::Credentials { access_key: ACCESS_KEY.into(), secret_key: SECRET_KEY.into() };
        tokio::spawn(s3::serve(listener, Arc::clone(&store), credentials, stop.clone().cancelled_owned()));
        let client = client(address, ACCESS_KEY, SECRET_KEY);
        Self { client, address, store, dir, _stop: stop.drop_guard() }
    }

    pub async fn put(&self, key: &str, body: impl Into<ByteStream>) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key).body(body.into());
        put.send().await.unwrap().e_tag.unwrap()
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    pub async fn is_there(&self, key: &str) -> bool {
        self.client.head_object().bucket(BUCKET).key(key).send().await.is_ok()
    }

    /// The changes that were notified since the last call, as event name and encoded key.
    pub async fn notified(&self) -> Vec<(String, String)> {
        let queue = self.store.queue("events");
        let messages = queue.receive(1000, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        queue.delete(messages.iter().map(|message| message.receipt.clone()).collect()).await.unwrap();
        let change = |message: &cloudyknight_store::queue::Message| {
            let record = serde_json::from_str::<Value>(&message.body).unwrap()["Records"][0].take();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&record["eventName"]), text(&record["s3"]["object"]["key"]))
        };
        messages.iter().map(change).collect()
    }

    /// Waits until so many blobs lie on the disk: they go after the answer, not before it.
    pub async fn blobs_become(&self, expected: usize) {
        let count = || {
            let shards = std::fs::read_dir(self.dir.path().join("blobs")).unwrap();
            shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum::<usize>()
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while count() != expected {
            assert!(std::time::Instant::now() < deadline, "{} blobs instead of {expected}", count());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub fn client(address: SocketAddr, access_key: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// The HTTP status and S3 code that a call was refused with.
pub fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = outcome.expect_err("the call must be refused");
    let status = error.raw_response().expect("the server answers").status().as_u16();
    (status, error.code().unwrap_or_default().to_owned())
}

/// Bytes that differ by seed and never repeat within a block.
pub fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + at / 251) as u8).wrapping_add(seed)).collect()
}
