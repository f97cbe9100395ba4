//! How long to wait before another try: longer each time, and never the same for two who failed together.

use std::time::Duration;

use cloudyknight_core::backoff::pause;

const FIRST: Duration = Duration::from_millis(100);
/// No pause is longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Waits as long as one more failure asks for.
    pub async fn failed(&mut self) {
        // Without randomness the pause is merely the same for everybody.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        tokio::time::sleep(pause(self.failures, FIRST, LONGEST, random)).await;
        self.failures = self.failures.saturating_add(1);
    }

    /// How often it failed since it last succeeded.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}
