//! The newest answer to a question that costs something: asked by one at a time, and not again while it is fresh.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) struct Newest<T> {
    answer: Mutex<Option<(Instant, Arc<T>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { answer: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Newest<T> {
    /// The last answer, if it is younger than this.
    pub fn within(&self, age: Duration) -> Option<Arc<T>> {
        let answer = self.answer.lock().expect("no thread panics while it holds the answer");
        answer.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, answer)| answer.clone())
    }

    /// The last answer, or a new one if it is not younger than `fresh`. Whoever asks meanwhile gets that one.
    pub async fn get<E>(
        &self,
        fresh: Duration,
        ask: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        if let Some(answer) = self.within(fresh) {
            return Ok(answer);
        }
        let _turn = self.turn.lock().await;
        if let Some(answer) = self.within(fresh) {
            return Ok(answer);
        }
        let new = Arc::new(ask.await?);
        *self.answer.lock().expect("no thread panics while it holds the answer") =
            Some((Instant::now(), new.clone()));
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_answer_and_an_old_one_is_asked_for_anew() {
        let (newest, asked) = (Newest::default(), AtomicU32::new(0));
        let get = |fresh| {
            newest.get(fresh, async {
                tokio::task::yield_now().await;
                Ok::<_, ()>(asked.fetch_add(1, Ordering::Relaxed))
            })
        };
        let long = Duration::from_secs(3600);
        let (a, b, c) = tokio::join!(get(long), get(long), get(long));
        assert_eq!((*a.unwrap(), *b.unwrap(), *c.unwrap()), (0, 0, 0));
        assert_eq!(*get(long).await.unwrap(), 0);
        assert_eq!(*get(Duration::ZERO).await.unwrap(), 1, "nothing is that fresh");
        assert_eq!((newest.within(long), newest.within(Duration::ZERO)), (Some(Arc::new(1)), None));
    }

    #[tokio::test]
    async fn a_question_that_failed_is_asked_again() {
        let newest: Newest<u32> = Newest::default();
        assert_eq!(newest.get(Duration::MAX, async { Err("away") }).await, Err("away"));
        assert_eq!(newest.get(Duration::MAX, async { Ok::<_, &str>(7) }).await, Ok(Arc::new(7)));
    }
}
