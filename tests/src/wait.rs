//! Waits for what must become true, and never for a time.

use std::time::{Duration, Instant};

/// Between two looks: short beside what is waited for, long beside what a look costs.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Looks until `look` answers something; `what` says what it is, for the failure after `limit`.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < give_up, "waited {limit:?} in vain: {what}");
        #[expect(clippy::disallowed_methods, reason = "the one place that waits, between two looks")]
        std::thread::sleep(LOOK_AGAIN);
    }
}
