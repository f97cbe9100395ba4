//! The embedded queue: the port's suite, and what only this adapter promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudyknight_store::embedded::{DeadLetter, QueueSettings};
use cloudyknight_store::queue::{Outgoing, Queue, QueueError};

use crate::Bench;
use crate::queue_suite::{Setting, suite};

#[async_trait]
impl Setting for Bench {
    async fn queue(&self, name: &str, settings: QueueSettings) -> Arc<dyn Queue> {
        self.store.create_queue(name, settings).await.unwrap();
        self.store.queue(name)
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

suite! { Bench::open();
    what_was_sent_is_received_once_and_gone_when_deleted
    a_message_that_is_not_deleted_comes_back_with_its_count
    a_receipt_that_ran_out_deletes_nothing
    extending_keeps_a_message_away_and_zero_gives_it_back
    depth_tells_waiting_from_in_flight
    a_group_comes_in_order_and_to_one_receiver_at_a_time
    a_group_that_comes_back_keeps_its_order
    many_are_kept_away_at_once_and_one_that_ran_out_stops_no_other
    a_duplicate_is_dropped_also_after_the_original_was_handled
    a_duplicate_within_five_minutes_is_dropped_and_later_is_not
    a_message_received_too_often_goes_to_the_dead_letter_queue
    a_waiting_receiver_gets_what_is_sent_meanwhile
    a_waiting_receiver_gets_the_rest_of_a_group_when_its_head_is_done
    many_receivers_share_the_messages_and_none_is_delivered_twice
}

fn message(body: &str) -> Outgoing {
    Outgoing { body: body.to_owned(), group: None, dedup: None }
}

#[tokio::test]
async fn messages_survive_a_restart_and_those_in_flight_come_back_at_once() {
    let bench = Bench::open();
    let queue = bench.queue("q", QueueSettings::default()).await;
    queue.send(vec![message("in flight"), message("waiting")]).await.unwrap();
    let received = queue.receive(1, Duration::ZERO, Duration::from_secs(3600)).await.unwrap();
    drop(queue);
    let bench = bench.reopen();
    let again = bench.store.queue("q").receive(10, Duration::ZERO, Duration::from_secs(1)).await.unwrap();
    let found: Vec<_> = again.iter().map(|message| (message.body.as_str(), message.receive_count)).collect();
    assert_eq!(found, [("in flight", 2), ("waiting", 1)]);
    // The receipt of the process that is gone is void.
    bench.store.queue("q").delete(vec![received[0].receipt.clone()]).await.unwrap();
    assert_eq!(bench.store.queue("q").depth().await.unwrap().in_flight, 2);
}

#[tokio::test]
async fn a_batch_is_sent_whole_or_not_at_all() {
    let bench = Bench::open();
    let queue = bench.queue("q", QueueSettings::default()).await;
    let refused = queue.send(vec![message("fine"), message(&"x".repeat((1 << 20) + 1))]).await;
    assert!(matches!(refused, Err(QueueError::Refused { .. })), "{refused:?}");
    assert_eq!(queue.depth().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn what_a_queue_cannot_be_is_refused() {
    let bench = Bench::open();
    let missing = bench.store.queue("missing").send(vec![message("a")]).await;
    assert!(matches!(missing, Err(QueueError::Refused { .. })), "{missing:?}");

    let fifo = bench.queue("fifo", QueueSettings { fifo: true, dead_letter: None }).await;
    let groupless = fifo.send(vec![message("a")]).await;
    assert!(matches!(groupless, Err(QueueError::Refused { .. })), "{groupless:?}");

    let dead_letter = |queue: &str| Some(DeadLetter { queue: queue.to_owned(), max_receives: 3 });
    for (name, settings) in [
        ("fifo", QueueSettings { fifo: false, dead_letter: None }),
        ("q", QueueSettings { fifo: false, dead_letter: dead_letter("fifo") }),
        ("q", QueueSettings { fifo: false, dead_letter: dead_letter("missing") }),
    ] {
        assert!(bench.store.create_queue(name, settings.clone()).await.is_err(), "{name} {settings:?}");
    }
}

#[tokio::test]
async fn settings_of_an_existing_queue_can_change() {
    let bench = Bench::open();
    let dead = bench.queue("dead", QueueSettings::default()).await;
    let queue = bench.queue("q", QueueSettings::default()).await;
    queue.send(vec![message("a")]).await.unwrap();
    queue.receive(1, Duration::ZERO, Duration::ZERO).await.unwrap();
    let dead_letter = Some(DeadLetter { queue: "dead".to_owned(), max_receives: 1 });
    let queue = bench.queue("q", QueueSettings { fifo: false, dead_letter }).await;
    assert_eq!(queue.receive(1, Duration::ZERO, Duration::ZERO).await.unwrap(), []);
    assert_eq!(dead.depth().await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_receiver_that_went_away_takes_no_message_with_it() {
    let bench = Bench::open();
    let queue = bench.queue("q", QueueSettings::default()).await;
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.receive(1, Duration::from_secs(60), Duration::from_secs(3600)).await }
    });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    queue.send(vec![message("a")]).await.unwrap();
    assert_eq!(queue.receive(1, Duration::ZERO, Duration::ZERO).await.unwrap().len(), 1);
}
