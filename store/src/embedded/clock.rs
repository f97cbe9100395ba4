//! The two times that the store needs, behind a port so that tests turn the hands instead of sleeping.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

pub trait Clock: Send + Sync + 'static {
    /// The time that people read: when an object changed, when a message was first sent.
    fn wall(&self) -> SystemTime;

    /// Time since the clock was made, never going back: visibility runs on it, so that a corrected wall clock
    /// neither hides a message for hours nor delivers it twice.
    fn elapsed(&self) -> Duration;
}

pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Stands still until it is advanced. A receiver that already waits does not notice: advance, then receive.
pub struct ManualClock(Mutex<Duration>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new(Duration::from_secs(1)))
    }
}

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        *self.0.lock().expect("nothing panics while it holds the clock") += by;
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().expect("nothing panics while it holds the clock")
    }
}
