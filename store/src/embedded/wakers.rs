//! Wakes receivers that wait for messages, at the commit that brought some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Wakers(Mutex<HashMap<String, Arc<Notify>>>);

impl Wakers {
    pub fn of(&self, queue: &str) -> Arc<Notify> {
        let mut queues = self.0.lock().expect("nothing panics while it holds the wakers");
        Arc::clone(queues.entry(queue.to_owned()).or_default())
    }

    pub fn wake(&self, queue: &str) {
        let queues = self.0.lock().expect("nothing panics while it holds the wakers");
        if let Some(waiting) = queues.get(queue) {
            waiting.notify_waiters();
        }
    }
}
