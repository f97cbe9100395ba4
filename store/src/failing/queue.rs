//! A queue that fails on demand.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Fault, Faults, Injected};
use crate::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};

pub struct FailingQueue {
    inner: Arc<dyn Queue>,
    faults: Faults<QueueOperation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOperation {
    Send,
    Receive,
    Delete,
    Extend,
    Depth,
}

impl FailingQueue {
    pub fn new(inner: Arc<dyn Queue>) -> Self {
        Self { inner, faults: Faults::none() }
    }

    /// The next `times` calls of `operation` fail; later ones work again.
    pub fn fail_next(&self, operation: QueueOperation, times: usize, fault: Fault) {
        self.faults.plan(operation, times, fault);
    }

    /// Every call for which `decide` names a fault fails.
    pub fn fail_when(&self, mut decide: impl FnMut(QueueOperation) -> Option<Fault> + Send + 'static) {
        self.faults.decide(move |operation, _| decide(operation));
    }

    /// From now on everything works.
    pub fn heal(&self) {
        self.faults.clear();
    }

    async fn call<T>(
        &self,
        operation: QueueOperation,
        call: impl Future<Output = Result<T, QueueError>> + Send,
    ) -> Result<T, QueueError> {
        match self.faults.next(operation, "") {
            None => call.await,
            Some(fault) => {
                if fault == Fault::AnswerLost {
                    call.await?;
                }
                Err(operation.error(fault))
            }
        }
    }
}

#[async_trait]
impl Queue for FailingQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.call(QueueOperation::Send, self.inner.send(messages)).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.call(QueueOperation::Receive, self.inner.receive(max, wait, visibility)).await
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        self.call(QueueOperation::Delete, self.inner.delete(receipts)).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.call(QueueOperation::Extend, self.inner.extend(receipt, visibility)).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.call(QueueOperation::Depth, self.inner.depth()).await
    }
}

impl QueueOperation {
    fn error(self, fault: Fault) -> QueueError {
        let operation = match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Delete => "delete",
            Self::Extend => "extend",
            Self::Depth => "count",
        };
        let (queue, source) = ("failing".to_owned(), Box::new(Injected));
        match fault {
            Fault::Refused => QueueError::Refused { queue, operation, source },
            Fault::Unavailable | Fault::AnswerLost => QueueError::Unavailable { queue, operation, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryQueue;

    #[tokio::test]
    async fn a_lost_answer_to_a_receive_leaves_the_messages_in_flight() {
        let queue = FailingQueue::new(Arc::new(MemoryQueue::standard("q")));
        queue.send(vec![Outgoing { body: "x".into(), group: None, dedup: None }]).await.unwrap();
        queue.fail_next(QueueOperation::Receive, 1, Fault::AnswerLost);
        let received = queue.receive(1, Duration::ZERO, Duration::from_secs(30)).await;
        assert!(matches!(received, Err(QueueError::Unavailable { .. })));
        assert_eq!(queue.depth().await.unwrap(), Depth { waiting: 0, in_flight: 1 });
    }
}
