use cloudyknight_core::command::Command;
use cloudyknight_store::failing::{BucketOperation, FailingBucket, FailingQueue, Fault, QueueOperation};
use cloudyknight_store::memory::{MemoryBucket, MemoryQueue};
use cloudyknight_store::queue::{Depth, Outgoing, QueueError, Receipt};
use tokio::task::JoinHandle;

use super::*;
use crate::observe::Nobody;

fn notification(key: &str) -> Outgoing {
    let body = serde_json::json!({"Records": [{
        "eventVersion": "2.1", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "workspaces"}, "object": {"key": key}},
    }]});
    Outgoing { body: body.to_string(), group: None, dedup: None }
}

struct World {
    dead: Arc<MemoryQueue>,
    events: Arc<FailingQueue>,
    commands: Arc<FailingQueue>,
    shutdown: CancellationToken,
}

impl World {
    fn new() -> Self {
        let dead = Arc::new(MemoryQueue::standard("events-dead"));
        let events = MemoryQueue::standard("events").with_redrive(3, dead.clone());
        Self {
            dead,
            events: Arc::new(FailingQueue::new(Arc::new(events))),
            commands: Arc::new(FailingQueue::new(Arc::new(MemoryQueue::fifo("commands.fifo")))),
            shutdown: CancellationToken::new(),
        }
    }

    fn start(&self) -> JoinHandle<()> {
        self.pump(self.events.clone(), self.commands.clone())
    }

    fn pump(&self, events: Arc<dyn Queue>, commands: Arc<dyn Queue>) -> JoinHandle<()> {
        let bucket = "workspaces".to_owned();
        tokio::spawn(object_changed(events, commands, bucket, Arc::new(Nobody), self.shutdown.clone()))
    }

    async fn stop(&self, pump: JoinHandle<()>) {
        self.shutdown.cancel();
        pump.await.unwrap();
    }

    /// Which workspaces the next commands are about.
    async fn commanded(&self, wait: Duration) -> Vec<String> {
        let messages = self.commands.receive(100, wait, VISIBILITY).await.unwrap();
        self.commands.delete(messages.iter().map(|message| message.receipt.clone()).collect()).await.unwrap();
        messages
            .iter()
            .map(|message| Command::from_json(&message.body).unwrap().workspace.to_string())
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_becomes_one_command_and_leaves_the_queue_empty() {
    let world = World::new();
    world.events.send((0..400).map(|n| notification(&format!("app/{n}"))).collect()).await.unwrap();
    let pump = world.start();
    assert_eq!(world.commanded(Duration::from_secs(1)).await, ["app"]);
    world.stop(pump).await;
    assert_eq!(world.events.depth().await.unwrap(), Depth::default());
    assert_eq!(world.commands.depth().await.unwrap(), Depth::default());
}

/// A queue on a server elsewhere.
struct Elsewhere {
    queue: Arc<FailingQueue>,
    /// The most messages that it hands out at once.
    at_most: usize,
    /// How long a send takes to fail.
    fails_after: Duration,
}

#[async_trait::async_trait]
impl Queue for Elsewhere {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let sent = self.queue.send(messages).await;
        if sent.is_err() {
            tokio::time::sleep(self.fails_after).await;
        }
        sent
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.queue.receive(max.min(self.at_most), wait, visibility).await
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

#[tokio::test(start_paused = true)]
async fn a_burst_becomes_one_command_also_where_ten_messages_come_at_a_time() {
    let world = World::new();
    world.events.send((0..95).map(|n| notification(&format!("app/{n}"))).collect()).await.unwrap();
    // As SQS does.
    let events = Elsewhere { queue: world.events.clone(), at_most: 10, fails_after: Duration::ZERO };
    let (events, commands) = (Arc::new(events), world.commands.clone());
    let pump = world.pump(events, commands);
    assert_eq!(world.commanded(Duration::from_secs(1)).await, ["app"]);
    world.stop(pump).await;
    assert_eq!(world.events.depth().await.unwrap(), Depth::default());
    assert_eq!(world.commands.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_of_the_commands_queue_costs_no_delivery() {
    let world = World::new();
    world.commands.fail_next(QueueOperation::Send, 3, Fault::Unavailable);
    world.events.send(vec![notification("app/x")]).await.unwrap();
    let start = tokio::time::Instant::now();
    let pump = world.start();
    assert_eq!(world.commanded(Duration::from_secs(60)).await, ["app"]);
    assert!(start.elapsed() < VISIBILITY, "{:?}", start.elapsed());
    world.stop(pump).await;
    assert_eq!(world.events.depth().await.unwrap(), Depth::default());
}

const OUTAGE: Duration = Duration::from_secs(600);

fn no_send(fault: Fault) -> impl FnMut(QueueOperation) -> Option<Fault> {
    move |operation| (operation == QueueOperation::Send).then_some(fault)
}

/// Lets the commands queue take nothing for a long time: nobody else gets the notification, and once all is well it makes
/// its command and is gone.
async fn outlasts(fault: Fault, as_it_fails: impl FnOnce(Arc<FailingQueue>) -> Arc<dyn Queue>) {
    let world = World::new();
    world.commands.fail_when(no_send(fault));
    world.events.send(vec![notification("app/x")]).await.unwrap();
    let (events, commands) = (world.events.clone(), as_it_fails(world.commands.clone()));
    let pump = world.pump(events, commands);
    // By then the pump has the message.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.events.receive(1, OUTAGE, VISIBILITY).await.unwrap(), [], "{fault:?}");
    assert_eq!(world.events.depth().await.unwrap(), Depth { waiting: 0, in_flight: 1 }, "{fault:?}");
    world.commands.heal();
    assert_eq!(world.commanded(Duration::from_secs(100)).await, ["app"], "{fault:?}");
    world.stop(pump).await;
    assert_eq!(world.events.depth().await.unwrap(), Depth::default(), "{fault:?}");
    assert_eq!(world.dead.depth().await.unwrap(), Depth::default(), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_of_the_commands_queue_costs_no_delivery_and_makes_no_dead_letter() {
    outlasts(Fault::Unavailable, |commands| commands).await;
}

#[tokio::test(start_paused = true)]
async fn a_commands_queue_that_refuses_costs_no_delivery_and_makes_no_dead_letter() {
    outlasts(Fault::Refused, |commands| commands).await;
}

#[tokio::test(start_paused = true)]
async fn a_commands_queue_that_hangs_costs_no_delivery_and_makes_no_dead_letter() {
    let fails_after = Duration::from_secs(63);
    let hanging = |queue| Arc::new(Elsewhere { queue, at_most: usize::MAX, fails_after }) as Arc<dyn Queue>;
    outlasts(Fault::Unavailable, hanging).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_an_outage_leaves_the_messages_on_the_queue() {
    let world = World::new();
    world.commands.fail_when(no_send(Fault::Unavailable));
    world.events.send(vec![notification("app/x"), notification("app/y")]).await.unwrap();
    let pump = world.start();
    tokio::time::sleep(OUTAGE).await;
    let stopping = tokio::time::Instant::now();
    world.stop(pump).await;
    assert_eq!(stopping.elapsed(), Duration::ZERO);
    let again = world.events.receive(10, HELD, VISIBILITY).await.unwrap();
    assert_eq!(again.iter().map(|message| message.receive_count).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn notifications_that_cannot_be_kept_during_an_outage_come_again_and_are_no_second_command() {
    let world = World::new();
    world.commands.fail_when(no_send(Fault::Unavailable));
    world.events.fail_when(|operation| (operation == QueueOperation::Extend).then_some(Fault::Refused));
    world.events.send(vec![notification("app/x")]).await.unwrap();
    let pump = world.start();
    tokio::time::sleep(VISIBILITY * 2).await;
    world.commands.heal();
    assert_eq!(world.commanded(Duration::from_secs(60)).await, ["app"]);
    assert_eq!(world.commanded(Duration::from_secs(60)).await, [""; 0]);
    world.stop(pump).await;
    assert_eq!(world.events.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_again_and_not_all_the_time() {
    let world = World::new();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    world.events.fail_when(move |operation| {
        (operation == QueueOperation::Receive).then(|| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Fault::Unavailable
        })
    });
    world.events.send(vec![notification("app/x")]).await.unwrap();
    let pump = world.start();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!((100..400).contains(&asked), "asked {asked} times in an hour");
    world.events.heal();
    assert_eq!(world.commanded(Duration::from_secs(60)).await, ["app"]);
    world.stop(pump).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_notification_ends_among_the_dead_letters_and_then_in_the_bucket() {
    let world = World::new();
    let letter = Outgoing { body: "hello".into(), group: None, dedup: None };
    world.events.send(vec![letter, notification("app/x")]).await.unwrap();
    let pump = world.start();
    assert_eq!(world.commanded(Duration::from_secs(1)).await, ["app"]);

    let platform = Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight"))));
    platform.fail_next(BucketOperation::Put, 2, Fault::Unavailable);
    let (dead, shutdown) = (world.dead.clone(), world.shutdown.clone());
    let writer = tokio::spawn(dead_letter(
        dead,
        "events-dead".into(),
        "workspaces".into(),
        platform.clone(),
        Arc::new(Nobody),
        shutdown,
    ));
    let written = async {
        while platform.list("dead-letters/").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), written).await.unwrap();
    world.stop(pump).await;
    writer.await.unwrap();
    assert_eq!(world.events.depth().await.unwrap(), Depth::default());
    assert_eq!(world.dead.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_sweep_finds_what_no_notification_told() {
    let world = World::new();
    let workspaces = Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("workspaces"))));
    let platform = Arc::new(MemoryBucket::new("cloudyknight"));
    workspaces.put("lost/index.html", "hello".into()).await.unwrap();
    workspaces.fail_next(BucketOperation::Folders, 2, Fault::Unavailable);
    let (interval, commands) = (Duration::from_secs(300), world.commands.clone());
    let pump = tokio::spawn(sweep(
        interval,
        workspaces,
        platform,
        commands,
        Arc::new(Nobody),
        world.shutdown.clone(),
    ));
    assert_eq!(world.commanded(Duration::from_secs(299)).await, [""; 0]);
    assert_eq!(world.commanded(Duration::from_secs(10)).await, ["lost"]);
    world.stop(pump).await;
}
