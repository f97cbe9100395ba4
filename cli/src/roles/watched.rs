//! A queue that remembers why it does not do what the functions ask of it, for people who ask how the platform is: the
//! functions themselves only try on and log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudyknight_agent::trouble::Trouble;
use cloudyknight_store::queue::{Depth, Message, Outgoing, Queue, QueueError, Receipt};

pub struct Watched {
    queue: Arc<dyn Queue>,
    what: What,
    trouble: Trouble,
}

#[derive(PartialEq)]
enum What {
    Receiving,
    Sending,
}

impl Watched {
    /// Notes in `trouble` why nothing can be received.
    pub fn receiving(queue: Arc<dyn Queue>, trouble: Trouble) -> Arc<Self> {
        Arc::new(Self { queue, what: What::Receiving, trouble })
    }

    /// Notes in `trouble` why nothing can be sent.
    pub fn sending(queue: Arc<dyn Queue>, trouble: Trouble) -> Arc<Self> {
        Arc::new(Self { queue, what: What::Sending, trouble })
    }

    fn noted<T>(&self, what: What, done: Result<T, QueueError>) -> Result<T, QueueError> {
        if what == self.what {
            match &done {
                Ok(_) => self.trouble.is_over(),
                Err(error) => self.trouble.note(error),
            }
        }
        done
    }
}

#[async_trait]
impl Queue for Watched {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        self.noted(What::Sending, self.queue.send(messages).await)
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.noted(What::Receiving, self.queue.receive(max, wait, visibility).await)
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        self.queue.delete(receipts).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.queue.extend(receipt, visibility).await
    }

    async fn extend_all(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        self.queue.extend_all(receipts, visibility).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::failing::{FailingQueue, Fault, QueueOperation};
    use cloudyknight_store::memory::MemoryQueue;

    use super::*;

    #[tokio::test]
    async fn the_last_trouble_is_told_until_it_is_over() {
        let queue = Arc::new(FailingQueue::new(Arc::new(MemoryQueue::standard("events"))));
        let (receiving, sending) = (Trouble::default(), Trouble::default());
        let inner = Watched::sending(queue.clone(), sending.clone());
        let watched = Watched::receiving(inner, receiving.clone());
        let receive = async || watched.receive(1, Duration::ZERO, Duration::ZERO).await;
        queue.fail_next(QueueOperation::Receive, 1, Fault::Refused);
        receive().await.unwrap_err();
        assert!(receiving.told().unwrap().message.contains("refused to receive"));
        assert_eq!(sending.told(), None);
        receive().await.unwrap();
        assert_eq!(receiving.told(), None);

        let send = async || watched.send(Vec::new()).await;
        queue.fail_next(QueueOperation::Send, 1, Fault::Unavailable);
        send().await.unwrap_err();
        assert!(sending.told().is_some() && receiving.told().is_none());
        send().await.unwrap();
        assert_eq!(sending.told(), None);
    }
}
