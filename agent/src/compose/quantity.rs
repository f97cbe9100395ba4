//! Numbers as compose files write them: `512m`, `0.5`, `-1`.

use super::duration;
use super::node::{Node, Value};
use super::problem::{Problem, quoted};

fn text<'n>(node: &'n Node, what: &str, wanted: &str) -> Result<&'n str, Problem> {
    match &node.value {
        Value::Text(text) => Ok(text.trim()),
        _ => Err(node.not(what, wanted)),
    }
}

/// Bytes: a number, or one with a unit (`b`, `k`, `m`, `g`, `t`, each of 1024 of the one before).
pub(super) fn bytes(node: &Node, what: &str) -> Result<i64, Problem> {
    const WANTED: &str = "a size such as `512m`";
    let text = text(node, what, WANTED)?;
    parse_bytes(text).ok_or_else(|| {
        Problem::at(node.at, format!("{what} must be {WANTED}, not {}", quoted(text)))
            .hint("bytes, or a number with `k`, `m` or `g`")
    })
}

/// As [`bytes`], or -1 for no limit.
pub(super) fn bytes_or_unlimited(node: &Node, what: &str) -> Result<i64, Problem> {
    if text(node, what, "a size such as `512m`")? == "-1" { Ok(-1) } else { bytes(node, what) }
}

fn parse_bytes(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        "t" | "tb" | "ti" | "tib" => 4,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    (bytes < 9e18).then_some(bytes as i64)
}

/// A whole number between two others, both included.
pub(super) fn whole(node: &Node, what: &str, least: i64, most: i64) -> Result<i64, Problem> {
    let text = text(node, what, "a whole number")?;
    let number = text.parse::<i64>().ok().or_else(|| {
        // The specification writes some of them as `number`, and 1024.0 is one.
        let number =
            text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
        Some(number as i64)
    });
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        Some(_) if most == i64::MAX => {
            Err(Problem::at(node.at, format!("{what} must be {least} or more, not {}", quoted(text))))
        }
        Some(_) => Err(Problem::at(
            node.at,
            format!("{what} must be between {least} and {most}, not {}", quoted(text)),
        )),
        None => Err(Problem::at(node.at, format!("{what} must be a whole number, not {}", quoted(text)))),
    }
}

/// Billionths of a processor.
pub(super) fn cpus(node: &Node, what: &str) -> Result<i64, Problem> {
    let text = text(node, what, "a number of processors")?;
    match text.parse::<f64>() {
        Ok(number) if (0.0..=4096.0).contains(&number) => Ok((number * 1e9).round() as i64),
        _ => Err(Problem::at(
            node.at,
            format!("{what} must be a number of processors such as `1.5`, not {}", quoted(text)),
        )),
    }
}

/// Microseconds, or a duration with its unit.
pub(super) fn micros(node: &Node, what: &str) -> Result<i64, Problem> {
    let text = text(node, what, "microseconds or a duration")?;
    if let Ok(number) = text.parse::<u32>() {
        return Ok(i64::from(number));
    }
    let time = duration::parse(text)
        .map_err(|error| Problem::at(node.at, format!("{what}: {} is no duration: {error}", quoted(text))))?;
    Ok(time.as_micros().min(i64::MAX as u128) as i64)
}

/// The permissions of a file. YAML reads `0440` as octal, and quotes make no difference here.
pub(super) fn mode(node: &Node, what: &str) -> Result<u32, Problem> {
    let text = text(node, what, "permissions such as `0440`")?;
    let octal = text.strip_prefix("0o").unwrap_or(text);
    // Without a leading zero YAML means a decimal number: 288 is 0440.
    let parsed = match octal {
        "0" => Some(0),
        octal if octal.starts_with('0') || octal.len() < text.len() => u32::from_str_radix(octal, 8).ok(),
        decimal => decimal.parse().ok(),
    };
    parsed.filter(|mode| *mode <= 0o7777).ok_or_else(|| {
        Problem::at(node.at, format!("{what} must be permissions such as `0440`, not {}", quoted(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::problem::Position;
    use super::*;

    fn node(text: &str) -> Node {
        Node::text_at(Position { file: Default::default(), line: 1, column: 1 }, text)
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(bytes(&node(text), "x").ok(), expected, "{text}");
        check("0", Some(0));
        check("300", Some(300));
        check("64b", Some(64));
        check("1k", Some(1024));
        check("512M", Some(512 << 20));
        check("1.5gb", Some(3 << 29));
        check("2 GiB", Some(2 << 30));
        for wrong in ["", "m", "-1", "1x", "1..5m", "1e30t", "9999999999999t"] {
            check(wrong, None);
        }
        assert_eq!(bytes_or_unlimited(&node("-1"), "x").ok(), Some(-1));
    }

    #[test]
    fn processors_are_counted_in_billionths() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(cpus(&node(text), "x").ok(), expected, "{text}");
        check("0.5", Some(500_000_000));
        check("2", Some(2_000_000_000));
        for wrong in ["", "-1", "two", "inf", "NaN", "1e9"] {
            check(wrong, None);
        }
    }

    #[test]
    fn permissions_are_octal_as_yaml_reads_them() {
        let check =
            |text: &str, expected: Option<u32>| assert_eq!(mode(&node(text), "x").ok(), expected, "{text}");
        check("0440", Some(0o440));
        check("0o600", Some(0o600));
        check("288", Some(0o440));
        for wrong in ["0999", "99999999", "rw", "-1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn whole_numbers_stay_within_their_bounds() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(whole(&node(text), "x", -1, 100).ok(), expected, "{text}");
        };
        check("-1", Some(-1));
        check("100", Some(100));
        check("50.0", Some(50));
        for wrong in ["101", "-2", "1.5", "x", "", "1e99"] {
            check(wrong, None);
        }
    }
}
