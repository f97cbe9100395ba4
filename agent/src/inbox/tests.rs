//! With queue and buckets in memory, and no Docker Engine: a look never comes to its end.

use std::path::Path;

use async_trait::async_trait;
use cloudyknight_store::memory::{MemoryBucket, MemoryQueue};
use cloudyknight_store::queue::{Depth, Outgoing};

use super::*;
use crate::agent::{Agent, Ports};
use crate::compose::policy::Platform;
use crate::edge_link::EdgeLink;
use crate::engine::Engine;
use crate::lines::{Limit, Lines};
use crate::policy::PolicyFile;
use crate::releases::Retention;
use crate::settings::Settings;
use crate::uploads::Reach;
use cloudyknight_store::aws::{ConnectSettings, connect};

/// A queue that remembers how often each message that it handed out had been received.
struct Told {
    queue: MemoryQueue,
    received: Mutex<Vec<u32>>,
}

#[async_trait]
impl Queue for Told {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.queue.send(messages).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let messages = self.queue.receive(max, wait, visibility).await?;
        self.received.lock().unwrap().extend(messages.iter().map(|message| message.receive_count));
        Ok(messages)
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        self.queue.delete(receipts).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.queue.extend(receipt, visibility).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

fn settings(dir: &Path) -> Settings {
    let file = dir.join("policy.toml");
    std::fs::write(&file, "").unwrap();
    let platform = Platform {
        file: file.display().to_string(),
        ports: Default::default(),
        paths: Vec::new(),
        memory: 1 << 30,
    };
    let policy = PolicyFile::open(&file, platform).unwrap();
    let soon = Duration::from_millis(10);
    Settings {
        platform: "test".into(),
        quiet: soon,
        burst_quiet: soon,
        settle_cap: soon,
        health_timeout: soon,
        drain_timeout: soon,
        probation: soon,
        keep_images: 1,
        build_timeout: soon,
        concurrency: 1,
        source_dir: dir.join("source"),
        max_source_bytes: 1 << 20,
        retention: Retention::default(),
        edge_url: "http://localhost".into(),
        domain: "localhost".into(),
        subnet_pool: [10, 213],
        fresh: false,
        firewall: false,
        guarded: Vec::new(),
        policy: Arc::new(policy),
        api_sockets: dir.join("api"),
        variables: Default::default(),
        install: Default::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_stays_in_flight_for_as_long_as_it_is_worked_on() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Arc::new(Told { queue: MemoryQueue::fifo("commands"), received: Mutex::default() });
    let nobody = Engine::new(Some("tcp://127.0.0.1:9".into()), "test".into());
    let nowhere =
        connect(ConnectSettings { endpoint: Some("http://127.0.0.1:9".into()), ..Default::default() });
    let nowhere = nowhere.await.unwrap();
    let ports = Ports {
        workspaces: Arc::new(MemoryBucket::new("workspaces")),
        platform: Arc::new(MemoryBucket::new("platform")),
        commands: queue.clone(),
        engine: nobody,
        edge: EdgeLink::embedded(dir.path().join("edge")),
        meters: Vec::new(),
        functions: Default::default(),
        events: None,
        reach: Reach { bucket: nowhere.bucket("workspaces"), is_told: true },
        log: Arc::new(Lines::new(Limit { lines: 1, bytes: 1 })),
    };
    let inbox = Agent::new(settings(dir.path()), ports).await.unwrap().inbox;
    inbox.open();
    let app: WorkspaceName = "app".parse().unwrap();
    let command = Command::reconcile(app.clone(), Cause::Requested).to_json();
    queue.send(vec![Outgoing { body: command, group: Some("app".into()), dedup: None }]).await.unwrap();

    let runs = tokio::spawn(inbox.clone().run());
    tokio::time::sleep(10 * VISIBILITY).await;
    assert!(inbox.is_busy(&app), "it is still worked on");
    assert_eq!(*queue.received.lock().unwrap(), [1], "it never came a second time");
    assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 0, in_flight: 1 });
    let held = inbox.held();
    let [Held { workspace, cause: Cause::Requested, commands: 1, now, again: false, .. }] = &held[..] else {
        panic!("{held:?}");
    };
    assert_eq!(workspace, &app);
    assert_ne!(*now, Doing::Waiting, "Docker does not answer, so that it is tried and tried again");

    // Once nobody sees to it any more, it comes again.
    inbox.desks.lock().unwrap().get_mut(&app).unwrap().receipts.clear();
    tokio::time::sleep(2 * VISIBILITY).await;
    assert!(queue.received.lock().unwrap().len() > 1);
    runs.abort();
}
