//! Ports that fail on demand, around ports that work: for tests of what the platform does when its store does not
//! answer, refuses, or did what it was asked and then lost the answer.

mod bucket;
mod queue;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

pub use bucket::{BucketOperation, FailingBucket};
pub use queue::{FailingQueue, QueueOperation};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was done; trying again may help.
    Unavailable,
    /// Nothing was done, and never will be.
    Refused,
    /// It was done, and the answer was lost: the caller cannot tell this from [`Fault::Unavailable`].
    AnswerLost,
}

#[derive(Debug, thiserror::Error)]
#[error("injected by a test")]
struct Injected;

type Decide<O> = Box<dyn FnMut(O, &str) -> Option<Fault> + Send>;

/// Which calls fail: the planned ones first, then those that the closure picks.
struct Faults<O> {
    planned: Mutex<VecDeque<(O, Fault)>>,
    decide: Mutex<Option<Decide<O>>>,
}

impl<O: Copy + PartialEq> Faults<O> {
    fn none() -> Self {
        Self { planned: Mutex::default(), decide: Mutex::new(None) }
    }

    fn plan(&self, operation: O, times: usize, fault: Fault) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.extend(std::iter::repeat_n((operation, fault), times));
    }

    fn decide(&self, decide: impl FnMut(O, &str) -> Option<Fault> + Send + 'static) {
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(decide));
    }

    fn clear(&self) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What happens to this call. `subject` is the key, or what else the closure may want to choose by.
    fn next(&self, operation: O, subject: &str) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = planned.iter().position(|(planned, _)| *planned == operation) {
            return planned.remove(at).map(|(_, fault)| fault);
        }
        drop(planned);
        let mut decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner);
        decide.as_mut().and_then(|decide| decide(operation, subject))
    }
}
