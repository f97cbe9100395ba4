//! How long the adapters wait, and how often they try: the numbers, in one place.

use std::time::Duration;

use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;

/// How patient the clients are. A server that hangs is told as one after `attempts` attempts with their pauses: with
/// the defaults 63 s at most (3 × 20 s, and pauses of up to 1 s and 2 s).
///
/// The pauses are those of the SDK's standard mode: random, of no more than `pause` × 2ⁿ, or what the server asks for, and
/// never more than 20 s. What is tried again is what may help: time-outs, broken connections, 5xx answers, throttling.
/// After 50 time-outs or 100 other retries that did not help, the SDK stops retrying until calls succeed again, so that
/// an outage is not made worse. Whoever calls pauses for longer, on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the answer to one attempt begins. A receive that waits for messages has its wait on top, an upload the
    /// time that its bytes take on a slow line.
    pub attempt: Duration,
    /// How long a body may stand still. A server that writes to a busy disk is slow before it answers, and not gone.
    pub stalled: Duration,
    /// Of each call, the first included.
    pub attempts: u32,
    /// The longest pause before the second attempt.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(20),
            stalled: Duration::from_secs(30),
            attempts: 3,
            pause: Duration::from_secs(1),
        }
    }
}

/// The slowest line that an upload is expected to get through, in bytes a second.
const SLOWEST_LINE: u64 = 32 * 1024;

impl Patience {
    pub(super) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(self.connect).operation_attempt_timeout(self.attempt).build()
    }

    /// For a call that takes longer by `longer`, for a known reason.
    pub(super) fn and(&self, longer: Duration) -> TimeoutConfig {
        TimeoutConfig::builder().operation_attempt_timeout(self.attempt + longer).build()
    }

    /// For an upload of so many bytes.
    pub(super) fn upload(&self, bytes: u64) -> TimeoutConfig {
        self.and(Duration::from_secs(bytes / SLOWEST_LINE))
    }

    pub(super) fn retries(&self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.attempts.max(1)).with_initial_backoff(self.pause)
    }

    pub(super) fn stalls(&self) -> StalledStreamProtectionConfig {
        StalledStreamProtectionConfig::enabled().grace_period(self.stalled).build()
    }
}

/// A random time of no more than `longest`, so that callers that failed together do not come back together.
pub(super) fn jitter(longest: Duration) -> Duration {
    // Without random numbers: the whole pause.
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    longest.mul_f64(share)
}
