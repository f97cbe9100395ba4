//! The queue port on the embedded store: every call is one job of the writer, and waiting is for its waker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::EmbeddedStore;
use super::error::EmbeddedError;
use super::messages::{self, Received};
use super::writer::Unit;
use crate::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};

pub(super) struct EmbeddedQueue {
    pub store: Arc<EmbeddedStore>,
    pub name: String,
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.write("send", move |unit, queue| messages::send(unit, queue, &messages)).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let deadline = Instant::now() + wait;
        let waker = self.store.wakers.of(&self.name);
        loop {
            // Made before looking: a commit between the look and the wait still wakes us.
            let woken = waker.notified();
            let Received { messages, next_ms } = self
                .write("receive", move |unit, queue| messages::receive(unit, queue, max, visibility))
                .await?;
            if !messages.is_empty() || Instant::now() >= deadline {
                return Ok(messages);
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep_until(self.comes_back(next_ms).unwrap_or(deadline).min(deadline)) => {}
            }
        }
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        self.write("delete", move |unit, queue| messages::delete(unit, queue, &receipts)).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let receipt = receipt.clone();
        self.write("extend", move |unit, queue| messages::extend(unit, queue, &receipt, visibility)).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let queue = self.name.clone();
        let now = self.store.clock.elapsed().as_millis() as i64;
        let depth = self.store.readers.read(move |connection| messages::depth(connection, &queue, now)).await;
        depth.map_err(|error| self.error("count", error))
    }
}

impl EmbeddedQueue {
    async fn write<T, W>(&self, operation: &'static str, work: W) -> Result<T, QueueError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Unit<'_>, &str) -> Result<T, EmbeddedError> + Send + 'static,
    {
        let queue = self.name.clone();
        let outcome = self.store.writer.write(move |unit| work(unit, &queue)).await;
        outcome.map_err(|error| self.error(operation, error))
    }

    /// When the next message in flight becomes visible, were nobody to delete it.
    fn comes_back(&self, next_ms: Option<i64>) -> Option<Instant> {
        let at = Duration::from_millis(u64::try_from(next_ms?).ok()?);
        Instant::now().checked_add(at.saturating_sub(self.store.clock.elapsed()))
    }

    fn error(&self, operation: &'static str, error: EmbeddedError) -> QueueError {
        let queue = self.name.clone();
        let fault = error.is_fault();
        let source = Box::new(error);
        match fault {
            true => QueueError::Unavailable { queue, operation, source },
            false => QueueError::Refused { queue, operation, source },
        }
    }
}
