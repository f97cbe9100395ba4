//! The handlers on the embedded store: what its S3 side emits is what they understand, and nothing stays behind.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::command::{Cause, Command};
use cloudyknight_functions::observe::Nobody;
use cloudyknight_functions::pump;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::embedded::{EmbeddedStore, Options, QueueSettings};
use cloudyknight_store::queue::{Depth, Queue};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);

struct World {
    bucket: Arc<dyn Bucket>,
    events: Arc<dyn Queue>,
    commands: Arc<dyn Queue>,
    shutdown: CancellationToken,
    _dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        store.create_bucket("workspaces").await.unwrap();
        store.create_queue("events", QueueSettings::default()).await.unwrap();
        store.create_queue("commands", QueueSettings { fifo: true, dead_letter: None }).await.unwrap();
        store.notify("workspaces", "events").await.unwrap();
        Self {
            bucket: store.bucket("workspaces"),
            events: store.queue("events"),
            commands: store.queue("commands"),
            shutdown: CancellationToken::new(),
            _dir: dir,
        }
    }

    fn start(&self) -> JoinHandle<()> {
        let (events, commands) = (self.events.clone(), self.commands.clone());
        let (bucket, nobody) = ("workspaces".to_owned(), Arc::new(Nobody));
        tokio::spawn(pump::object_changed(events, commands, bucket, nobody, self.shutdown.clone()))
    }

    async fn put(&self, key: &str) {
        self.bucket.put(key, Bytes::from_static(b"x")).await.unwrap();
    }

    /// The next command, taken off the queue, without the trace that it began.
    async fn command(&self) -> Command {
        let messages = self.commands.receive(1, SOON, SOON).await.unwrap();
        let message = messages.first().expect("a command comes");
        self.commands.delete(vec![message.receipt.clone()]).await.unwrap();
        let command = Command::from_json(&message.body).unwrap();
        assert_eq!(message.group.as_deref(), Some(command.workspace.as_str()));
        assert!(command.traceparent.is_some());
        Command { traceparent: None, origin: None, ..command }
    }
}

fn command(workspace: &str, cause: Cause) -> Command {
    Command::reconcile(workspace.parse().unwrap(), cause)
}

#[tokio::test]
async fn keys_reach_the_commands_as_they_were_put() {
    let world = World::new().await;
    let pump = world.start();
    for path in ["index.js", "a b", "a+b", "100%", "%41", "line\nbreak", "é€", "a/../b", "a//b", ""] {
        world.put(&format!("app/{path}")).await;
        assert_eq!(world.command().await, command("app", Cause::Put { path: path.into(), more: 0 }));
    }
    world.bucket.delete("app/a+b").await.unwrap();
    assert_eq!(world.command().await, command("app", Cause::Delete { path: "a+b".into(), more: 0 }));
    world.shutdown.cancel();
    pump.await.unwrap();
}

#[tokio::test]
async fn a_burst_before_the_pump_runs_is_one_command_a_workspace_and_leaves_nothing_behind() {
    let world = World::new().await;
    for n in 0..120 {
        world.put(&format!("app/{n}")).await;
    }
    for key in ["other/x", "No_Workspace/x", "top"] {
        world.put(key).await;
    }
    let pump = world.start();
    assert_eq!(world.command().await, command("app", Cause::Put { path: "0".into(), more: 119 }));
    assert_eq!(world.command().await, command("other", Cause::Put { path: "x".into(), more: 0 }));
    let settled = async {
        while world.events.depth().await.unwrap() != Depth::default() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, settled).await.unwrap();
    assert_eq!(world.commands.depth().await.unwrap(), Depth::default());
    world.shutdown.cancel();
    pump.await.unwrap();
}
