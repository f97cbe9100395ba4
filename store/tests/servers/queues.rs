//! The queue of the AWS adapter on servers that speak SQS: the port's suite, as far as each server keeps it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use cloudyknight_store::embedded::{DeadLetter, QueueSettings};
use cloudyknight_store::queue::Queue;

use crate::queue_suite::{self, Setting};
use crate::server::Server;

/// Queues of one promise on a server that others use too.
struct Corner<'s> {
    server: &'s Server,
    /// In all names, so that promises can be tried side by side.
    name: String,
}

impl Corner<'_> {
    fn full_name(&self, name: &str, fifo: bool) -> String {
        format!("{}-{name}{}", self.name, if fifo { ".fifo" } else { "" })
    }

    async fn redrive(&self, dead: &DeadLetter, fifo: bool) -> String {
        let url = self.server.sqs.get_queue_url().queue_name(self.full_name(&dead.queue, fifo)).send().await;
        let queue = self.server.clients.queue(url.unwrap().queue_url.unwrap());
        let arn = queue.facts().await.unwrap().arn;
        serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": dead.max_receives.to_string()})
            .to_string()
    }
}

#[async_trait]
impl Setting for Corner<'_> {
    async fn queue(&self, name: &str, settings: QueueSettings) -> Arc<dyn Queue> {
        let mut create = self.server.sqs.create_queue().queue_name(self.full_name(name, settings.fifo));
        if settings.fifo {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        if let Some(dead) = settings.dead_letter {
            let policy = self.redrive(&dead, settings.fifo).await;
            create = create.attributes(QueueAttributeName::RedrivePolicy, policy);
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        Arc::new(self.server.clients.queue(url))
    }

    /// The server's clock is the world's: this is the one wait that no condition can replace.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn visibility(&self) -> Duration {
        Duration::from_secs(6)
    }
}

/// Tries every promise on one server, side by side: those of `except` must be broken, those of `sometimes` may be.
macro_rules! promises {
    ($server:expr, except [$($except:literal)*] sometimes [$($sometimes:literal)*]; $($name:ident)*) => {{
        let server = $server;
        let (except, sometimes): (&[&str], &[&str]) = (&[$($except),*], &[$($sometimes),*]);
        let known = [$(stringify!($name)),*];
        assert!(except.iter().chain(sometimes).all(|name| known.contains(name)), "an exception for what is no promise");
        let outcomes = tokio::join!($(async {
            let name = stringify!($name);
            let corner = Corner { server, name: server.new_name("promise") };
            let kept = std::panic::AssertUnwindSafe(queue_suite::$name(&corner));
            let kept = futures::FutureExt::catch_unwind(kept).await.is_ok();
            let told = if kept { "kept after all" } else { "broken" };
            (kept == except.contains(&name) && !sometimes.contains(&name)).then_some((name, told))
        }),*);
        let ($($name),*) = outcomes;
        let surprises: Vec<_> = [$($name),*].into_iter().flatten().collect();
        assert!(surprises.is_empty(), "{surprises:#?}");
    }};
}

macro_rules! suite {
    ($server:expr, except $except:tt sometimes $sometimes:tt) => {
        promises! { $server, except $except sometimes $sometimes;
            what_was_sent_is_received_once_and_gone_when_deleted
            a_message_that_is_not_deleted_comes_back_with_its_count
            a_receipt_that_ran_out_deletes_nothing
            extending_keeps_a_message_away_and_zero_gives_it_back
            many_are_kept_away_at_once_and_one_that_ran_out_stops_no_other
            depth_tells_waiting_from_in_flight
            a_group_comes_in_order_and_to_one_receiver_at_a_time
            a_group_that_comes_back_keeps_its_order
            a_duplicate_is_dropped_also_after_the_original_was_handled
            a_message_received_too_often_goes_to_the_dead_letter_queue
            a_waiting_receiver_gets_what_is_sent_meanwhile
            a_waiting_receiver_gets_the_rest_of_a_group_when_its_head_is_done
            many_receivers_share_the_messages_and_none_is_delivered_twice
        }
    };
}

/// LocalStack 4.14: a late receipt of a FIFO queue still deletes; and when one message of a group is given back, the rest
/// of the group is handed out although another of it is in flight.
#[tokio::test]
async fn the_promises_of_a_queue_are_kept_on_localstack() {
    let server = Server::start("localstack").await;
    suite!(&server, except [
        "a_receipt_that_ran_out_deletes_nothing"
        "a_group_that_comes_back_keeps_its_order"
    ] sometimes []);
}

/// moto 5.2: a late receipt of a FIFO queue still deletes; an id is forgotten when its message is deleted; and a receiver
/// that waits is not woken when a group becomes free. Two who receive at the same moment may get the same message.
#[tokio::test]
async fn the_promises_of_a_queue_are_kept_on_moto() {
    let server = Server::start("moto").await;
    suite!(&server, except [
        "a_receipt_that_ran_out_deletes_nothing"
        "a_duplicate_is_dropped_also_after_the_original_was_handled"
        "a_waiting_receiver_gets_the_rest_of_a_group_when_its_head_is_done"
    ] sometimes [
        "many_receivers_share_the_messages_and_none_is_delivered_twice"
    ]);
}

#[tokio::test]
async fn the_promises_of_a_queue_are_kept_on_ministack() {
    let server = Server::start("ministack").await;
    suite!(&server, except [] sometimes []);
}
