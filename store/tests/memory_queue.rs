//! The queue in memory keeps the port's promises, like the queues that it stands for.

#[path = "embedded/queue_suite.rs"]
mod queue_suite;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloudyknight_store::embedded::QueueSettings;
use cloudyknight_store::memory::MemoryQueue;
use cloudyknight_store::queue::Queue;

use crate::queue_suite::{Setting, suite};

/// Queues by name, in tokio's time, which stands still but for what a test lets pass.
struct Memory(Mutex<HashMap<String, Arc<MemoryQueue>>>);

impl Memory {
    fn new() -> Self {
        tokio::time::pause();
        Self(Mutex::default())
    }
}

#[async_trait]
impl Setting for Memory {
    async fn queue(&self, name: &str, settings: QueueSettings) -> Arc<dyn Queue> {
        let mut queues = self.0.lock().unwrap();
        let mut queue = if settings.fifo { MemoryQueue::fifo(name) } else { MemoryQueue::standard(name) };
        if let Some(dead) = settings.dead_letter {
            queue = queue.with_redrive(dead.max_receives, queues[&dead.queue].clone());
        }
        let queue = Arc::new(queue);
        queues.insert(name.to_owned(), queue.clone());
        queue
    }

    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }
}

suite! { Memory::new();
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
