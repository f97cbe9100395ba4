//! What waits on the commands queue and what the agent holds of it, looked at again and again for as long as somebody wants to know, and only then: on
//! AWS each look costs something. However many want to know, it is one look.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_store::queue::{Depth, Queue};
use tokio::sync::watch;

use crate::inbox::Held;

const INTERVAL: Duration = Duration::from_secs(1);
/// One that takes longer than this to answer is asked anew.
const LIMIT: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub depth: Depth,
    pub held: Vec<Held>,
}

pub struct QueueWatch {
    queue: Arc<dyn Queue>,
    held: Box<dyn Fn() -> Vec<Held> + Send + Sync>,
    /// None while it is not known.
    seen: watch::Sender<Option<Seen>>,
    is_looking: Mutex<bool>,
}

impl QueueWatch {
    /// `held` tells what the agent has received and is not done with.
    pub fn new(queue: Arc<dyn Queue>, held: impl Fn() -> Vec<Held> + Send + Sync + 'static) -> Arc<Self> {
        let (seen, is_looking) = (watch::Sender::new(None), Mutex::new(false));
        Arc::new(Self { queue, held: Box::new(held), seen, is_looking })
    }

    /// Changes whenever the queue does, until it is dropped.
    pub fn listen(self: &Arc<Self>) -> watch::Receiver<Option<Seen>> {
        let mut receiver = self.seen.subscribe();
        if receiver.borrow().is_some() {
            receiver.mark_changed();
        }
        let mut is_looking = self.lock();
        if !std::mem::replace(&mut *is_looking, true) {
            tokio::spawn(self.clone().look());
        }
        receiver
    }

    async fn look(self: Arc<Self>) {
        loop {
            if let Ok(Ok(depth)) = tokio::time::timeout(LIMIT, self.queue.depth()).await {
                let seen = Seen { depth, held: (self.held)() };
                self.seen.send_if_modified(|known| {
                    let is_new = known.as_ref() != Some(&seen);
                    *known = Some(seen);
                    is_new
                });
            }
            tokio::time::sleep(INTERVAL).await;
            let mut is_looking = self.lock();
            if self.seen.receiver_count() == 0 {
                // Whoever comes next is not to be told what was true once.
                self.seen.send_replace(None);
                *is_looking = false;
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_looking.lock().expect("no thread panics while it holds this")
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::failing::{FailingQueue, QueueOperation};
    use cloudyknight_store::memory::MemoryQueue;
    use cloudyknight_store::queue::Outgoing;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_looked_at_once_a_second_while_somebody_listens_and_not_after() {
        let queue = Arc::new(FailingQueue::new(Arc::new(MemoryQueue::standard("commands"))));
        let looks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = looks.clone();
        queue.fail_when(move |operation| {
            if operation == QueueOperation::Depth {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            None
        });
        let looks = || looks.load(std::sync::atomic::Ordering::Relaxed);
        let watch = QueueWatch::new(queue.clone(), Vec::new);
        let seen = |waiting| Some(Seen { depth: Depth { waiting, in_flight: 0 }, held: Vec::new() });
        tokio::time::sleep(INTERVAL * 10).await;
        assert_eq!(looks(), 0);

        let (mut one, mut two) = (watch.listen(), watch.listen());
        for receiver in [&mut one, &mut two] {
            receiver.changed().await.unwrap();
            assert_eq!(*receiver.borrow_and_update(), seen(0));
        }
        queue.send(vec![Outgoing { body: "x".into(), group: None, dedup: None }]).await.unwrap();
        one.changed().await.unwrap();
        assert_eq!(*one.borrow_and_update(), seen(1));
        tokio::time::sleep(INTERVAL * 10).await;
        assert!((9..=13).contains(&looks()), "{}", looks());
        let mut late = watch.listen();
        late.changed().await.unwrap();
        drop((one, two, late));
        tokio::time::sleep(INTERVAL * 2).await;
        let before = looks();
        tokio::time::sleep(INTERVAL * 10).await;
        assert_eq!(looks(), before);
    }
}
