//! What the queue port promises, as tests that any adapter can run: `suite!` makes one test of each, on the
//! queues of a [`Setting`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudyknight_store::embedded::{DeadLetter, QueueSettings};
use cloudyknight_store::queue::{Depth, Message, Outgoing, Queue};

/// Where the queues come from, and how time passes there.
#[async_trait]
pub trait Setting: Sync {
    async fn queue(&self, name: &str, settings: QueueSettings) -> Arc<dyn Queue>;
    async fn pass(&self, time: Duration);

    /// How long a message stays away that was received. Shorter where time cannot be turned.
    fn visibility(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn pass_visibility(&self) {
        self.pass(self.visibility() + Duration::from_secs(1)).await;
    }
}

/// A test for each promise, on a new setting each.
#[allow(unused_macros, reason = "where time cannot be turned, the promises are tried side by side")]
macro_rules! suite {
    ($setting:expr; $($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::queue_suite::$name(&$setting).await;
        })*
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use suite;

const NO_WAIT: Duration = Duration::ZERO;

fn plain(body: &str) -> Outgoing {
    Outgoing { body: body.to_owned(), group: None, dedup: None }
}

fn grouped(group: &str, body: &str) -> Outgoing {
    Outgoing { body: body.to_owned(), group: Some(group.to_owned()), dedup: Some(format!("{group}/{body}")) }
}

fn fifo() -> QueueSettings {
    QueueSettings { fifo: true, dead_letter: None }
}

async fn receive(setting: &impl Setting, queue: &Arc<dyn Queue>, max: usize) -> Vec<Message> {
    queue.receive(max, NO_WAIT, setting.visibility()).await.unwrap()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

pub async fn what_was_sent_is_received_once_and_gone_when_deleted(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    queue.send(vec![plain("a"), plain("b")]).await.unwrap();
    let mut messages = receive(setting, &queue, 10).await;
    assert_eq!(receive(setting, &queue, 10).await, []);
    messages.sort_by(|one, other| one.body.cmp(&other.body));
    assert_eq!(bodies(&messages), ["a", "b"]);
    assert_eq!(messages.iter().map(|message| message.receive_count).collect::<Vec<_>>(), [1, 1]);
    queue.delete(messages.into_iter().map(|message| message.receipt).collect()).await.unwrap();
    setting.pass_visibility().await;
    assert_eq!(receive(setting, &queue, 10).await, []);
    assert_eq!(queue.depth().await.unwrap(), Depth::default());
}

pub async fn a_message_that_is_not_deleted_comes_back_with_its_count(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    queue.send(vec![plain("a")]).await.unwrap();
    let first = receive(setting, &queue, 1).await.remove(0);
    setting.pass_visibility().await;
    let second = receive(setting, &queue, 1).await.remove(0);
    assert_eq!((second.id, second.receive_count), (first.id, 2));
    assert_ne!(second.receipt, first.receipt);
}

pub async fn a_receipt_that_ran_out_deletes_nothing(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    queue.send(vec![grouped("g", "a")]).await.unwrap();
    let late = receive(setting, &queue, 1).await.remove(0);
    setting.pass_visibility().await;
    let second = receive(setting, &queue, 1).await.remove(0);
    queue.delete(vec![late.receipt]).await.unwrap();
    setting.pass_visibility().await;
    assert_eq!(receive(setting, &queue, 1).await.remove(0).id, second.id);
}

pub async fn extending_keeps_a_message_away_and_zero_gives_it_back(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    queue.send(vec![plain("a")]).await.unwrap();
    let message = receive(setting, &queue, 1).await.remove(0);
    setting.pass(setting.visibility() / 2).await;
    queue.extend(&message.receipt, setting.visibility()).await.unwrap();
    setting.pass(setting.visibility() / 2 + Duration::from_secs(1)).await;
    assert_eq!(receive(setting, &queue, 1).await, []);
    queue.extend(&message.receipt, Duration::ZERO).await.unwrap();
    assert_eq!(bodies(&receive(setting, &queue, 1).await), ["a"]);
}

pub async fn many_are_kept_away_at_once_and_one_that_ran_out_stops_no_other(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    queue.send(vec![plain("handled"), plain("b"), plain("c")]).await.unwrap();
    let messages = receive(setting, &queue, 10).await;
    let receipts: Vec<_> = messages.iter().map(|message| message.receipt.clone()).collect();
    queue.delete(receipts[..1].to_vec()).await.unwrap();
    assert!(queue.extend_all(&receipts, setting.visibility() * 3).await.is_err(), "the first ran out");
    setting.pass_visibility().await;
    assert_eq!(receive(setting, &queue, 10).await, []);
    queue.extend_all(&receipts[1..], Duration::ZERO).await.unwrap();
    assert_eq!(receive(setting, &queue, 10).await.len(), 2);
}

pub async fn depth_tells_waiting_from_in_flight(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    queue.send(vec![plain("a"), plain("b"), plain("c")]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 3, in_flight: 0 });
    receive(setting, &queue, 1).await;
    assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 2, in_flight: 1 });
    setting.pass_visibility().await;
    assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 3, in_flight: 0 });
}

pub async fn a_group_comes_in_order_and_to_one_receiver_at_a_time(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    queue.send(vec![grouped("g", "1"), grouped("h", "2"), grouped("g", "3")]).await.unwrap();
    let first = receive(setting, &queue, 1).await;
    assert_eq!(bodies(&first), ["1"]);
    // The rest of the group waits; other groups do not.
    let other = receive(setting, &queue, 10).await;
    assert_eq!(bodies(&other), ["2"]);
    assert_eq!(receive(setting, &queue, 10).await, []);
    queue.delete(vec![first[0].receipt.clone()]).await.unwrap();
    assert_eq!(bodies(&receive(setting, &queue, 10).await), ["3"]);
}

pub async fn a_group_that_comes_back_keeps_its_order(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    queue.send(vec![grouped("g", "1"), grouped("g", "2"), grouped("g", "3")]).await.unwrap();
    let batch = receive(setting, &queue, 2).await;
    assert_eq!(bodies(&batch), ["1", "2"]);
    // The first is given back while the second is still in flight: nothing of the group may be received.
    queue.extend(&batch[0].receipt, Duration::ZERO).await.unwrap();
    assert_eq!(receive(setting, &queue, 10).await, []);
    queue.extend(&batch[1].receipt, Duration::ZERO).await.unwrap();
    assert_eq!(bodies(&receive(setting, &queue, 10).await), ["1", "2", "3"]);
}

pub async fn a_duplicate_is_dropped_also_after_the_original_was_handled(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    let message = grouped("g", "a");
    queue.send(vec![message.clone(), message.clone()]).await.unwrap();
    let first = receive(setting, &queue, 10).await;
    assert_eq!(bodies(&first), ["a"]);
    queue.delete(vec![first[0].receipt.clone()]).await.unwrap();
    queue.send(vec![message, grouped("g", "b")]).await.unwrap();
    assert_eq!(bodies(&receive(setting, &queue, 10).await), ["b"]);
}

pub async fn a_duplicate_within_five_minutes_is_dropped_and_later_is_not(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    let message = grouped("g", "a");
    queue.send(vec![message.clone()]).await.unwrap();
    let first = receive(setting, &queue, 10).await;
    queue.delete(vec![first[0].receipt.clone()]).await.unwrap();
    setting.pass(Duration::from_secs(4 * 60)).await;
    queue.send(vec![message.clone()]).await.unwrap();
    assert_eq!(receive(setting, &queue, 10).await, []);
    setting.pass(Duration::from_secs(61)).await;
    queue.send(vec![message]).await.unwrap();
    assert_eq!(bodies(&receive(setting, &queue, 10).await), ["a"]);
}

pub async fn a_message_received_too_often_goes_to_the_dead_letter_queue(setting: &impl Setting) {
    for fifo in [false, true] {
        let dead = setting.queue(&format!("dead-{fifo}"), QueueSettings { fifo, dead_letter: None }).await;
        let dead_letter = Some(DeadLetter { queue: format!("dead-{fifo}"), max_receives: 2 });
        let queue = setting.queue(&format!("q-{fifo}"), QueueSettings { fifo, dead_letter }).await;
        queue.send(vec![grouped("g", "poison"), grouped("g", "good")]).await.unwrap();
        for count in 1..=2 {
            let received = receive(setting, &queue, 1).await;
            assert_eq!((received[0].body.as_str(), received[0].receive_count), ("poison", count));
            setting.pass_visibility().await;
        }
        // The next receive does not see it, and gets what stood behind it.
        assert_eq!(bodies(&receive(setting, &queue, 1).await), ["good"]);
        let exhausted = receive(setting, &dead, 10).await;
        assert_eq!(bodies(&exhausted), ["poison"]);
        // One is left of two. Whether it still is in flight is a matter of how fast the server was.
        let Depth { waiting, in_flight } = queue.depth().await.unwrap();
        assert_eq!(waiting + in_flight, 1);
    }
}

pub async fn a_waiting_receiver_gets_what_is_sent_meanwhile(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    let visibility = setting.visibility();
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.receive(10, Duration::from_secs(20), visibility).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let sent = std::time::Instant::now();
    queue.send(vec![plain("a")]).await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["a"]);
    assert!(sent.elapsed() < Duration::from_secs(10), "it waited to the end instead of being woken");
}

pub async fn a_waiting_receiver_gets_the_rest_of_a_group_when_its_head_is_done(setting: &impl Setting) {
    let queue = setting.queue("q", fifo()).await;
    queue.send(vec![grouped("g", "1"), grouped("g", "2")]).await.unwrap();
    let head = receive(setting, &queue, 1).await.remove(0);
    let visibility = setting.visibility();
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.receive(10, Duration::from_secs(20), visibility).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let done = std::time::Instant::now();
    queue.delete(vec![head.receipt]).await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["2"]);
    assert!(done.elapsed() < Duration::from_secs(10), "it waited to the end instead of being woken");
}

pub async fn many_receivers_share_the_messages_and_none_is_delivered_twice(setting: &impl Setting) {
    let queue = setting.queue("q", QueueSettings::default()).await;
    for chunk in (0..200).collect::<Vec<_>>().chunks(10) {
        queue.send(chunk.iter().map(|n| plain(&n.to_string())).collect()).await.unwrap();
    }
    let visibility = setting.visibility();
    let receivers = (0..8).map(|_| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let batch = queue.receive(7, NO_WAIT, visibility).await.unwrap();
                if batch.is_empty() {
                    return all;
                }
                all.extend(batch.iter().map(|message| message.body.parse::<u32>().unwrap()));
                queue.delete(batch.into_iter().map(|message| message.receipt).collect()).await.unwrap();
            }
        })
    });
    let mut received = Vec::new();
    for receiver in receivers.collect::<Vec<_>>() {
        received.extend(receiver.await.unwrap());
    }
    received.sort_unstable();
    assert_eq!(received, (0..200).collect::<Vec<_>>());
}
