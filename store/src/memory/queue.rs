//! A queue in memory, standard or FIFO, with visibility, groups, deduplication and redrive.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};

/// How long a deduplication id is remembered, as SQS does.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(5 * 60);

pub struct MemoryQueue {
    name: String,
    fifo: bool,
    redrive: Option<Redrive>,
    state: Mutex<State>,
    changed: Notify,
}

/// Where messages go that were received too often.
struct Redrive {
    max_receives: u32,
    dead: Arc<MemoryQueue>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// In the order in which they were sent.
    waiting: BTreeMap<u64, Entry>,
    seen: HashMap<String, Instant>,
}

struct Entry {
    id: String,
    body: String,
    group: Option<String>,
    receive_count: u32,
    /// Of the delivery under way, and when it runs out.
    delivery: Option<(Receipt, Instant)>,
}

impl MemoryQueue {
    pub fn standard(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            fifo: false,
            redrive: None,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub fn fifo(name: impl Into<String>) -> Self {
        Self { fifo: true, ..Self::standard(name) }
    }

    /// A message that was received `max_receives` times and comes up again goes to `dead` instead.
    pub fn with_redrive(self, max_receives: u32, dead: Arc<MemoryQueue>) -> Self {
        Self { redrive: Some(Redrive { max_receives, dead }), ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, operation: &'static str, why: &'static str) -> QueueError {
        QueueError::Refused { queue: self.name.clone(), operation, source: why.into() }
    }

    /// What can be had now, or else when it is worth looking again without being told.
    fn take(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, Option<Instant>> {
        let now = Instant::now();
        let (mut taken, mut exhausted) = (Vec::new(), Vec::new());
        let mut state = self.state();
        let in_flight: Vec<_> = state.waiting.values().filter(|entry| entry.in_flight(now)).collect();
        let next =
            in_flight.iter().filter_map(|entry| entry.delivery.as_ref()).map(|(_, until)| *until).min();
        let busy: HashSet<_> = in_flight.iter().filter_map(|entry| entry.group.clone()).collect();
        for (number, entry) in &mut state.waiting {
            if taken.len() == max {
                break;
            }
            let busy = self.fifo && entry.group.as_ref().is_some_and(|group| busy.contains(group));
            if busy || entry.in_flight(now) {
                continue;
            }
            if self.redrive.as_ref().is_some_and(|redrive| entry.receive_count >= redrive.max_receives) {
                exhausted.push(*number);
                continue;
            }
            taken.push(entry.deliver(now + visibility));
        }
        let exhausted: Vec<_> = exhausted.iter().filter_map(|number| state.waiting.remove(number)).collect();
        drop(state);
        if let Some(redrive) = &self.redrive {
            redrive.dead.bury(exhausted);
        }
        if taken.is_empty() && max > 0 { Err(next) } else { Ok(taken) }
    }

    fn bury(&self, exhausted: Vec<Entry>) {
        let mut state = self.state();
        for entry in exhausted {
            state.push(Entry { receive_count: 0, delivery: None, ..entry });
        }
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        if self.fifo && messages.iter().any(|message| message.group.is_none()) {
            return Err(self.refused("send", "a FIFO queue takes no message without a group"));
        }
        let now = Instant::now();
        let mut state = self.state();
        state.seen.retain(|_, at| now - *at < DEDUP_WINDOW);
        for Outgoing { body, group, dedup } in messages {
            if let Some(dedup) = dedup.filter(|_| self.fifo) {
                // A duplicate does not renew the window of the original.
                if state.seen.contains_key(&dedup) {
                    continue;
                }
                state.seen.insert(dedup, now);
            }
            let id = format!("{}-{}", self.name, state.last + 1);
            state.push(Entry { id, body, group, receive_count: 0, delivery: None });
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let until = Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed, though we wait only after having looked.
            changed.as_mut().enable();
            let next = match self.take(max, visibility) {
                Ok(messages) => return Ok(messages),
                Err(_) if Instant::now() >= until => return Ok(Vec::new()),
                Err(next) => next.map_or(until, |next| next.min(until)),
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        let now = Instant::now();
        let receipts: HashSet<_> = receipts.into_iter().collect();
        self.state()
            .waiting
            .retain(|_, entry| entry.delivered_as(now).is_none_or(|receipt| !receipts.contains(receipt)));
        self.changed.notify_waiters();
        Ok(())
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let now = Instant::now();
        let mut state = self.state();
        let entry = state.waiting.values_mut().find(|entry| entry.delivered_as(now) == Some(receipt));
        let Some((_, until)) = entry.and_then(|entry| entry.delivery.as_mut()) else {
            return Err(self.refused("extend", "the receipt ran out"));
        };
        *until = now + visibility;
        self.changed.notify_waiters();
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = Instant::now();
        let state = self.state();
        let in_flight = state.waiting.values().filter(|entry| entry.in_flight(now)).count() as u64;
        Ok(Depth { waiting: state.waiting.len() as u64 - in_flight, in_flight })
    }
}

impl State {
    fn push(&mut self, entry: Entry) {
        self.last += 1;
        self.waiting.insert(self.last, entry);
    }
}

impl Entry {
    fn delivered_as(&self, now: Instant) -> Option<&Receipt> {
        self.delivery.as_ref().filter(|(_, until)| *until > now).map(|(receipt, _)| receipt)
    }

    fn in_flight(&self, now: Instant) -> bool {
        self.delivered_as(now).is_some()
    }

    fn deliver(&mut self, until: Instant) -> Message {
        self.receive_count += 1;
        let receipt = Receipt(format!("{}#{}", self.id, self.receive_count));
        self.delivery = Some((receipt.clone(), until));
        Message {
            id: self.id.clone(),
            receipt,
            body: self.body.clone(),
            group: self.group.clone(),
            receive_count: self.receive_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(30);

    fn outgoing(body: &str, group: &str, dedup: Option<&str>) -> Outgoing {
        Outgoing { body: body.into(), group: Some(group.into()), dedup: dedup.map(Into::into) }
    }

    async fn receive(queue: &MemoryQueue) -> Vec<Message> {
        queue.receive(10, Duration::ZERO, VISIBILITY).await.unwrap()
    }

    fn bodies(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| message.body.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_comes_again_unless_it_is_deleted_in_time() {
        let queue = MemoryQueue::standard("q");
        queue.send(vec![outgoing("x", "g", None)]).await.unwrap();
        let first = receive(&queue).await;
        assert_eq!((first[0].receive_count, receive(&queue).await.len()), (1, 0));
        tokio::time::advance(VISIBILITY).await;
        let second = receive(&queue).await;
        assert_eq!((second[0].receive_count, &second[0].id), (2, &first[0].id));
        queue.delete(vec![first[0].receipt.clone()]).await.unwrap();
        assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 0, in_flight: 1 });
        queue.delete(vec![second[0].receipt.clone()]).await.unwrap();
        assert_eq!(queue.depth().await.unwrap(), Depth::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_in_flight_holds_back_the_rest_of_it_and_no_other() {
        let queue = MemoryQueue::fifo("q.fifo");
        queue.send(vec![outgoing("a1", "a", None)]).await.unwrap();
        let first = receive(&queue).await;
        queue.send(vec![outgoing("a2", "a", None), outgoing("b1", "b", None)]).await.unwrap();
        assert_eq!(bodies(&receive(&queue).await), ["b1"]);
        queue.extend(&first[0].receipt, Duration::ZERO).await.unwrap();
        assert_eq!(bodies(&receive(&queue).await), ["a1", "a2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_id_is_dropped_for_five_minutes() {
        let queue = MemoryQueue::fifo("q.fifo");
        for _ in 0..2 {
            queue.send(vec![outgoing("x", "g", Some("same"))]).await.unwrap();
        }
        let received = receive(&queue).await;
        assert_eq!(received.len(), 1);
        queue.delete(vec![received[0].receipt.clone()]).await.unwrap();
        tokio::time::advance(DEDUP_WINDOW).await;
        queue.send(vec![outgoing("y", "g", Some("same"))]).await.unwrap();
        assert_eq!(bodies(&receive(&queue).await), ["y"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_received_too_often_goes_to_the_dead_letters() {
        let dead = Arc::new(MemoryQueue::standard("dead"));
        let queue = MemoryQueue::standard("q").with_redrive(2, dead.clone());
        queue.send(vec![outgoing("x", "g", None)]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(bodies(&receive(&queue).await), ["x"]);
            tokio::time::advance(VISIBILITY).await;
        }
        assert_eq!(receive(&queue).await, []);
        assert_eq!(bodies(&receive(&dead).await), ["x"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_waits_for_a_message_and_no_longer() {
        let queue = Arc::new(MemoryQueue::standard("q"));
        let sender = queue.clone();
        let send = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            sender.send(vec![outgoing("x", "g", None)]).await.unwrap();
        });
        let start = Instant::now();
        assert_eq!(bodies(&queue.receive(10, Duration::from_secs(20), VISIBILITY).await.unwrap()), ["x"]);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        send.await.unwrap();
        // It comes back after its visibility, within this wait.
        assert_eq!(bodies(&queue.receive(10, Duration::from_secs(60), VISIBILITY).await.unwrap()), ["x"]);
        assert_eq!(start.elapsed(), Duration::from_secs(33));
        assert_eq!(queue.receive(10, Duration::from_secs(5), VISIBILITY).await.unwrap(), []);
        assert_eq!(start.elapsed(), Duration::from_secs(38));
    }

    #[tokio::test]
    async fn a_fifo_queue_refuses_what_has_no_group_and_keeps_none_of_it() {
        let queue = MemoryQueue::fifo("q.fifo");
        let messages =
            vec![outgoing("x", "g", None), Outgoing { body: "y".into(), group: None, dedup: None }];
        assert!(matches!(queue.send(messages).await, Err(QueueError::Refused { .. })));
        assert_eq!(queue.depth().await.unwrap(), Depth::default());
    }
}
