//! An amount of memory with its unit, as Compose writes it: `512m`, `2g`.

use std::fmt;

use serde::Deserialize;

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

const UNITS: [(char, u32); 4] = [('g', 30), ('m', 20), ('k', 10), ('b', 0)];

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unit = UNITS.into_iter().find_map(|(letter, bits)| Some((text.strip_suffix(letter)?, bits)));
        let size = unit.and_then(|(number, bits)| number.parse::<u64>().ok()?.checked_mul(1 << bits));
        // Docker takes no less.
        let size = size.filter(|size| (6 << 20..=i64::MAX as u64).contains(size));
        size.map(Self)
            .ok_or_else(|| format!("{text:?} is no amount of memory: write `512m` or `2g`, at least `6m`"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, bits) =
            UNITS.into_iter().find(|(_, bits)| self.0.is_multiple_of(1 << bits)).unwrap_or(('b', 0));
        write!(f, "{}{letter}", self.0 >> bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit() {
        let check = |text: &str, expected: Option<u64>| {
            let size = Size::try_from(text.to_owned());
            assert_eq!(size.as_ref().ok().map(|size| size.0), expected, "{text}");
            if let Ok(size) = size {
                assert_eq!(Size::try_from(size.to_string()), Ok(size));
            }
        };
        check("2g", Some(2 << 30));
        check("512m", Some(512 << 20));
        check("10240k", Some(10 << 20));
        check("7000001b", Some(7_000_001));
        for wrong in ["", "g", "512", "2G", "1.5g", "-1g", "5m", "99999999999g", "2 g"] {
            check(wrong, None);
        }
    }
}
