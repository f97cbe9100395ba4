//! A server that is started for one test, and clients for it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use cloudyknight_store::aws::{self, Clients, ConnectSettings, S3Bucket, StaticCredentials};
use cloudyknight_store::embedded::{EmbeddedStore, Options, s3};
use cloudyknight_tests::server::{ACCESS_KEY, LocalStack, Ministack, Moto, REGION, SECRET_KEY, SeaweedFs};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub enum Running {
    Embedded(Embedded),
    LocalStack(LocalStack),
    Ministack(Ministack),
    Moto(Moto),
    SeaweedFs(SeaweedFs),
}

pub struct Server {
    _running: Running,
    made: AtomicU32,
    /// The SDK as it is, to make what the adapters do not make.
    pub s3: aws_sdk_s3::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub clients: Clients,
}

impl Server {
    pub async fn start(name: &str) -> Self {
        // On the thread of the test: the server ends with the thread that started it.
        let running = match name {
            "embedded" => Running::Embedded(Embedded::start().await),
            "localstack" => Running::LocalStack(LocalStack::start()),
            "ministack" => Running::Ministack(Ministack::start()),
            "moto" => Running::Moto(Moto::start()),
            "seaweedfs" => Running::SeaweedFs(SeaweedFs::start()),
            other => panic!("there is no server {other}"),
        };
        let endpoint = running.endpoint();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let settings = ConnectSettings {
            endpoint: Some(endpoint.to_owned()),
            region: Some(REGION.to_owned()),
            credentials: Some(StaticCredentials::new(ACCESS_KEY, SECRET_KEY)),
            path_style: true,
            ..ConnectSettings::default()
        };
        Self {
            made: AtomicU32::default(),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(&config),
            clients: aws::connect(settings).await.unwrap(),
            _running: running,
        }
    }

    /// A name that nothing here has yet.
    pub fn new_name(&self, of: &str) -> String {
        format!("{of}-{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn new_bucket(&self) -> S3Bucket {
        let name = self.new_name("bucket");
        self.s3.create_bucket().bucket(&name).send().await.unwrap();
        self.clients.bucket(name)
    }
}

/// Our own S3 server, so that what the others are held to is true of it too.
pub struct Embedded {
    endpoint: String,
    running: JoinHandle<io::Result<()>>,
    _dir: TempDir,
}

impl Embedded {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let credentials = s3::Credentials { access_key: ACCESS_KEY.into(), secret_key: SECRET_KEY.into() };
        let running = tokio::spawn(s3::serve(listener, store, credentials, std::future::pending()));
        Self { endpoint, running, _dir: dir }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Running {
    fn endpoint(&self) -> &str {
        match self {
            Self::Embedded(server) => &server.endpoint,
            Self::LocalStack(server) => server.endpoint(),
            Self::Ministack(server) => server.endpoint(),
            Self::Moto(server) => server.endpoint(),
            Self::SeaweedFs(server) => server.endpoint(),
        }
    }
}
