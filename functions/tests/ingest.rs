//! The webhook over real HTTP, with the test in the part of MinIO: it keeps its events in order and sends the first one
//! again until it is acknowledged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::change::{Change, ChangeKind, Changed};
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_functions::ingest::{self, Ingest, MAX_BODY};
use cloudyknight_functions::object_changed::Outcome;
use cloudyknight_functions::observe::Observer;
use cloudyknight_functions::sweep::Swept;
use cloudyknight_store::failing::{FailingQueue, Fault, QueueOperation};
use cloudyknight_store::memory::MemoryQueue;
use cloudyknight_store::queue::{Depth, Queue};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);
const BEARER: &str = "Bearer correct-horse";

struct World {
    queue: Arc<FailingQueue>,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl World {
    async fn start() -> Self {
        let queue = Arc::new(FailingQueue::new(Arc::new(MemoryQueue::standard("events"))));
        let ingest = Ingest::new("correct-horse".into(), queue.clone(), "workspaces".into());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server =
            tokio::spawn(ingest::serve(listener, Arc::new(ingest), shutdown.clone().cancelled_owned()));
        Self { queue, address, shutdown, server }
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// All that the server sends on a connection on which we say `text` and nothing more.
    async fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        // What was not read of us may cut the connection short; what was said before counts.
        let _ = stream.read_to_end(&mut heard).await;
        String::from_utf8(heard).unwrap()
    }

    async fn queued(&self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let messages = self.queue.receive(100, Duration::ZERO, SOON).await.unwrap();
            if messages.is_empty() {
                return all;
            }
            all.extend(messages.into_iter().map(|message| message.body));
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(SOON, self.server).await.unwrap().unwrap().unwrap();
    }
}

/// An event as MinIO posts it.
fn event(key: &str) -> String {
    json!({
        "EventName": "s3:ObjectCreated:Put",
        "Key": format!("workspaces/{key}"),
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "",
            "eventTime": "2026-01-02T03:04:05.678Z", "eventName": "s3:ObjectCreated:Put",
            "userIdentity": {"principalId": "minio"},
            "requestParameters": {"principalId": "minio", "region": "", "sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "17A4", "x-minio-origin-endpoint": "http://127.0.0.1:9000"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": {"name": "workspaces", "ownerIdentity": {"principalId": "minio"},
                    "arn": "arn:aws:s3:::workspaces"},
                "object": {"key": key.replace('/', "%2F"), "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592",
                    "contentType": "text/plain", "userMetadata": {"content-type": "text/plain"},
                    "sequencer": "17A4C8A7F2A1B9C0"},
            },
            "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO"},
        }],
    })
    .to_string()
}

/// MinIO's `queue_dir`: what could not be delivered, in order.
struct MinIo {
    undelivered: VecDeque<String>,
    refusals: usize,
}

impl MinIo {
    /// Sends each event until it is acknowledged, and none before the one ahead of it is. MinIO pauses for three seconds
    /// between two tries; here the number of failures is what counts.
    async fn replay(&mut self, client: &mut SendRequest<Full<Bytes>>) {
        while let Some(event) = self.undelivered.front() {
            let request = Request::post("/")
                .header("host", "ingest")
                .header("content-type", "application/json")
                .header("authorization", BEARER)
                .body(Full::new(event.clone().into()))
                .unwrap();
            client.ready().await.unwrap();
            let response = client.send_request(request).await.unwrap();
            if response.status().is_success() {
                self.undelivered.pop_front();
            } else {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(response.headers()["retry-after"], "3");
                self.refusals += 1;
            }
        }
    }
}

#[tokio::test]
async fn minio_delivers_again_what_was_refused_and_nothing_is_lost() {
    let world = World::start().await;
    let events: Vec<_> = (0..20).map(|n| event(&format!("app/{n}"))).collect();
    world.queue.fail_next(QueueOperation::Send, 3, Fault::Unavailable);
    world.queue.fail_next(QueueOperation::Send, 2, Fault::AnswerLost);
    world.queue.fail_next(QueueOperation::Send, 2, Fault::Refused);
    let mut minio = MinIo { undelivered: events.clone().into(), refusals: 0 };
    tokio::time::timeout(SOON, minio.replay(&mut world.connect().await)).await.unwrap();
    assert_eq!(minio.refusals, 7);

    // Two had gone through although nobody learnt of it: those are there twice more, and none is missing.
    let queued = world.queued().await;
    assert_eq!(queued.len(), events.len() + 2);
    assert_eq!(queued.into_iter().collect::<BTreeSet<_>>(), events.into_iter().collect());
    world.stop().await;
}

#[tokio::test]
async fn what_came_through_the_webhook_becomes_commands() {
    let world = World::start().await;
    let mut minio =
        MinIo { undelivered: [event("app/a"), event("app/b"), event("blog/x")].into(), refusals: 0 };
    minio.replay(&mut world.connect().await).await;
    let commands = Arc::new(MemoryQueue::fifo("commands.fifo"));
    let pump = tokio::spawn(cloudyknight_functions::pump::object_changed(
        world.queue.clone(),
        commands.clone(),
        "workspaces".into(),
        Arc::new(cloudyknight_functions::observe::Nobody),
        world.shutdown.clone(),
    ));
    let mut groups = BTreeSet::new();
    while groups.len() < 2 {
        let received = commands.receive(10, SOON, SOON).await.unwrap();
        assert!(!received.is_empty(), "only {groups:?} came");
        groups.extend(received.into_iter().filter_map(|message| message.group));
    }
    assert_eq!(groups, ["app".to_owned(), "blog".to_owned()].into());
    world.shutdown.cancel();
    pump.await.unwrap();
    assert_eq!(world.queue.depth().await.unwrap(), Depth::default());
    world.stop().await;
}

/// Remembers, of each message that was read, what it meant: in the words of the fixtures' tables.
#[derive(Default)]
struct Meanings(Mutex<Vec<String>>);

impl Observer for Meanings {
    fn changed(&self, outcome: &Outcome) {
        let change = |Change { workspace, object, kind, .. }: &Change| {
            let kind = if *kind == ChangeKind::Put { "put" } else { "delete" };
            match object {
                Changed::File(path) => format!("{kind} {workspace}/{path}"),
                Changed::Archive(key) => format!("{kind} archive {key} of {workspace}"),
            }
        };
        let changes = outcome.changes.iter().map(change);
        let ignored = outcome.ignored.iter().map(|ignored| format!("ignored: {}", ignored.why));
        let doubts = outcome.doubts.iter().map(|doubt| format!("doubt: {doubt}"));
        let unreadable = outcome.unreadable.iter().map(|(_, why)| format!("error: {why}"));
        self.0.lock().unwrap().extend(changes.chain(ignored).chain(doubts).chain(unreadable));
    }

    fn swept(&self, _: &Swept) {}

    fn gave_up(&self, _: &DeadLetter) {}
}

/// What core's own test holds the parser to: file → its text, and what it means.
fn fixtures(server: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/notifications").join(server);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: BTreeMap<_, _> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, (std::fs::read_to_string(path).unwrap(), Vec::new()))
        })
        .collect();
    let table = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (file, meaning) = line.split_once(' ').unwrap();
        all.get_mut(file).unwrap().1.push(meaning.trim_start().to_owned());
    }
    all
}

/// The servers that post, as they post: each body goes through the webhook, the queue and the pump, and means in the end
/// what its table says.
#[tokio::test]
async fn what_servers_really_post_means_at_the_other_end_what_it_should() {
    for (server, at_least) in [("minio-family", 19), ("seaweedfs", 39)] {
        let fixtures = fixtures(server);
        assert!(fixtures.len() >= at_least, "{server}: {} fixtures", fixtures.len());
        let world = World::start().await;
        let meanings = Arc::new(Meanings::default());
        let commands = Arc::new(MemoryQueue::fifo("commands.fifo"));
        let pump = tokio::spawn(cloudyknight_functions::pump::object_changed(
            world.queue.clone(),
            commands.clone(),
            "workspaces".into(),
            meanings.clone(),
            world.shutdown.child_token(),
        ));
        let mut client = world.connect().await;
        for (file, (text, expected)) in fixtures {
            let mut minio = MinIo { undelivered: [text].into(), refusals: 0 };
            minio.replay(&mut client).await;
            let read = async {
                while world.queue.depth().await.unwrap() != Depth::default() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(SOON, read).await.unwrap_or_else(|_| panic!("{server}/{file} is not read"));
            let mut commanded = BTreeSet::new();
            let messages = commands.receive(100, Duration::ZERO, SOON).await.unwrap();
            for message in &messages {
                commanded.extend(message.group.clone());
            }
            commands.delete(messages.into_iter().map(|message| message.receipt).collect()).await.unwrap();
            let meant = std::mem::take(&mut *meanings.0.lock().unwrap());
            // What is about nothing here may be acknowledged and go no further.
            let goes_on = expected.iter().any(|line| !line.starts_with("ignored: "));
            assert!(meant == expected || (!goes_on && meant.is_empty()), "{server}/{file}: {meant:?}");
            let changed = expected.iter().filter_map(|line| {
                let object = line.strip_prefix("put ").or(line.strip_prefix("delete "))?;
                Some(object.split('/').next()?.to_owned())
            });
            assert_eq!(commanded, changed.collect(), "{server}/{file}");
        }
        world.shutdown.cancel();
        pump.await.unwrap();
        world.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_announcement_and_by_its_size() {
    let world = World::start().await;
    let announced = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: {BEARER}\r\ncontent-length: 9999999999\r\n\r\n"
    );
    assert!(world.say(&announced).await.starts_with("HTTP/1.1 413 "));
    let chunk = "x".repeat(MAX_BODY + 1);
    let sent = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: {BEARER}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n",
        chunk.len()
    );
    assert!(world.say(&sent).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(world.queue.depth().await.unwrap(), Depth::default());
    world.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let world = World::start().await;
    let heard = world.say("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 401 ") && heard.contains("www-authenticate: Bearer\r\n"), "{heard}");
    world.stop().await;
}

#[tokio::test]
async fn a_probe_without_a_token_is_answered() {
    let world = World::start().await;
    let heard = world.say("HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("\r\n\r\n"), "{heard}");
    world.stop().await;
}

/// With the clock paused, time runs as soon as nothing else does: the patience of the server is over at once.
#[tokio::test(start_paused = true)]
async fn who_dawdles_is_cut_off() {
    let world = World::start().await;
    let late =
        format!("POST / HTTP/1.1\r\nhost: x\r\nauthorization: {BEARER}\r\ncontent-length: 10\r\n\r\nhalf");
    assert!(world.say(&late).await.starts_with("HTTP/1.1 408 "));
    // A head that never ends, and a connection on which nothing is ever asked.
    for text in ["POST / HTTP/1.1\r\nhost:", ""] {
        assert_eq!(world.say(text).await, "", "{text:?}");
    }
    world.stop().await;
}
