//! What the buckets and queues of one set of clients know together: where they are, and what was learnt there.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::patience::Patience;

#[derive(Debug, Default)]
pub(super) struct Site {
    pub endpoint: Option<String>,
    pub patience: Patience,
    /// The buckets whose server writes under no condition.
    unconditional: Mutex<HashSet<String>>,
}

impl Site {
    pub fn new(endpoint: Option<String>, patience: Patience) -> Self {
        Self { endpoint, patience, unconditional: Mutex::default() }
    }

    pub fn is_unconditional(&self, bucket: &str) -> bool {
        self.unconditional.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket)
    }

    /// True the first time.
    pub fn learn_unconditional(&self, bucket: &str) -> bool {
        self.unconditional.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned())
    }
}
