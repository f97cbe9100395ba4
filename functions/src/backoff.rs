//! How long to wait before another try: longer each time, and never the same for two who failed together.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

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
        tokio::time::sleep(pause(self.failures, random)).await;
        self.failures = self.failures.saturating_add(1);
    }

    /// How often it failed since it last succeeded.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// Doubles with each failure; `random` picks from its second half.
fn pause(failures: u32, random: u32) -> Duration {
    let full = FIRST.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_vary_by_half() {
        let check = |failures, random, millis| {
            assert_eq!(pause(failures, random), Duration::from_millis(millis), "{failures} failures");
        };
        check(0, 0, 50);
        check(0, u32::MAX, 100);
        check(3, u32::MAX, 800);
        check(20, 0, 15_000);
        check(u32::MAX, u32::MAX, 30_000);
    }
}
