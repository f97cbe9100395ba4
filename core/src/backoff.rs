//! How long to wait before another try: longer each time up to a limit, and never the same for two who failed together.

use std::time::Duration;

/// Doubles from `first` with each failure in a row, up to `longest`; `random` picks from the second half of that.
pub fn pause(failures: u32, first: Duration, longest: Duration, random: u32) -> Duration {
    let full = first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(longest);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_vary_by_half() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(30));
        let check = |failures, random, millis| {
            let expected = Duration::from_millis(millis);
            assert_eq!(pause(failures, first, longest, random), expected, "{failures} failures");
        };
        check(0, 0, 50);
        check(0, u32::MAX, 100);
        check(3, u32::MAX, 800);
        check(20, 0, 15_000);
        check(u32::MAX, u32::MAX, 30_000);
    }
}
