//! Durations as compose files write them: `1m30s`, `500ms`, `1.5h`.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("a number and a unit (`us`, `ms`, `s`, `m` or `h`) are expected, such as `1m30s`")]
    Syntax,
    #[error("a unit is missing: write `{0}s` for seconds")]
    NoUnit(u32),
    #[error("longer than a year")]
    TooLong,
}

pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    const YEAR: f64 = 366.0 * 24.0 * 3600.0;
    if let Ok(number) = text.parse() {
        return if number == 0 { Ok(Duration::ZERO) } else { Err(DurationError::NoUnit(number)) };
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or(DurationError::Syntax)?;
        let number: f64 = rest[..digits].parse().map_err(|_| DurationError::Syntax)?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(DurationError::Syntax),
        };
        seconds += number * unit;
        rest = &rest[letters..];
    }
    if text.is_empty() {
        Err(DurationError::Syntax)
    } else if seconds > YEAR {
        Err(DurationError::TooLong)
    } else {
        Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_compose_reads_them() {
        let check =
            |text: &str, millis: u64| assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        check("0", 0);
        check("0s", 0);
        check("500ms", 500);
        check("2000us", 2);
        check("10s", 10_000);
        check("1m30s", 90_000);
        check("1.5h", 5_400_000);
        check("1h5m30s20ms", 3_930_020);
    }

    #[test]
    fn anything_else_is_an_error() {
        let check = |text: &str, expected: DurationError| assert_eq!(parse(text), Err(expected), "{text}");
        check("", DurationError::Syntax);
        check("30", DurationError::NoUnit(30));
        check("1d", DurationError::Syntax);
        check("-1s", DurationError::Syntax);
        check("1..5s", DurationError::Syntax);
        check("s", DurationError::Syntax);
        check("99999999h", DurationError::TooLong);
        check(&("9".repeat(400) + "h"), DurationError::TooLong);
    }
}
