//! What people call a release: its digest, or the beginning of it.

use cloudyknight_core::manifest::ReleaseDigest;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchRelease {
    #[error("`{0}` is no beginning of a digest: 4 to 64 of 0-9 and a-f")]
    Malformed(String),
    #[error("no release that is kept begins with `{0}`")]
    Unknown(String),
    #[error("`{text}` is the beginning of {}", list(.candidates))]
    Ambiguous { text: String, candidates: Vec<ReleaseDigest> },
}

/// Shorter ones are too easily mistaken.
const SHORTEST: usize = 4;

/// Finds the one release that is meant.
pub fn named<'a>(
    text: &str,
    releases: impl IntoIterator<Item = &'a ReleaseDigest>,
) -> Result<ReleaseDigest, NoSuchRelease> {
    let lower = text.to_ascii_lowercase();
    if !(SHORTEST..=64).contains(&lower.len()) || !lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NoSuchRelease::Malformed(text.to_owned()));
    }
    let mut candidates: Vec<ReleaseDigest> =
        releases.into_iter().filter(|release| release.as_str().starts_with(&lower)).cloned().collect();
    candidates.sort_unstable();
    candidates.dedup();
    match candidates.len() {
        0 => Err(NoSuchRelease::Unknown(lower)),
        1 => Ok(candidates.remove(0)),
        _ => Err(NoSuchRelease::Ambiguous { text: lower, candidates }),
    }
}

fn list(candidates: &[ReleaseDigest]) -> String {
    // Enough of each to tell them apart.
    let tells = |length: usize| {
        let mut short: Vec<&str> = candidates.iter().map(|one| &one.as_str()[..length]).collect();
        short.dedup();
        short.len() == candidates.len()
    };
    let length = (12..64).find(|length| tells(*length)).unwrap_or(64);
    let shown: Vec<&str> = candidates.iter().map(|one| &one.as_str()[..length]).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_a_release_when_it_names_no_other() {
        let digest = |text: &str| format!("{text:0<64}").parse::<ReleaseDigest>().unwrap();
        let all = [digest("abcd1"), digest("abcd2"), digest("0123")];
        let check = |text: &str, expected: Result<usize, &str>| {
            let found = named(text, &all).map_err(|error| error.to_string());
            assert_eq!(found, expected.map(|n| all[n].clone()).map_err(str::to_owned), "{text}");
        };
        check("0123", Ok(2));
        check("ABCD1", Ok(0));
        check(all[1].as_str(), Ok(1));
        check("abcd", Err("`abcd` is the beginning of abcd10000000, abcd20000000"));
        check("ffff", Err("no release that is kept begins with `ffff`"));
        for wrong in ["", "abc", "../..", "xyzw", &"a".repeat(65)] {
            assert!(matches!(named(wrong, &all), Err(NoSuchRelease::Malformed(_))), "{wrong}");
        }
    }
}
