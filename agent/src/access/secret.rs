//! What a caller shows to be let in: 192 random bits with a word before them that says what it is, so that people and
//! scanners for leaked secrets recognise it. Only its digest is kept: nobody can guess so much, so that a plain one does.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// Never shown by `Debug`, so that no log line can tell it.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(min_length = 1, max_length = 512, format = Password)]
pub struct Secret(String);

#[derive(Debug, thiserror::Error)]
#[error("a secret has 1 to {LONGEST} characters")]
pub struct InvalidSecret;

/// In bytes.
const RANDOM: usize = 24;
/// In characters; nothing longer is looked at.
const LONGEST: usize = 512;

impl Secret {
    pub fn token() -> Result<Self, getrandom::Error> {
        Self::new("ckt_")
    }

    pub fn session() -> Result<Self, getrandom::Error> {
        Self::new("ses_")
    }

    fn new(prefix: &str) -> Result<Self, getrandom::Error> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("{prefix}{}", hex::encode(random))))
    }

    /// What somebody sent; `None` for what can be no secret of ours.
    pub fn given(text: &str) -> Option<Self> {
        (1..=LONGEST).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    /// What follows `Bearer` in a header (RFC 6750; the word in any case, as RFC 9110 wants it).
    pub fn bearer(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (scheme, secret) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Self::given(secret))?
    }

    pub fn digest(&self) -> Digest {
        Digest(hex::encode(blake3::derive_key("CloudyKnight 2026 secrets of the API", self.0.as_bytes())))
    }

    /// For the one who is to have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = InvalidSecret;

    fn try_from(text: String) -> Result<Self, InvalidSecret> {
        Self::given(&text).ok_or(InvalidSecret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Of a secret, as 64 hexadecimal characters.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl PartialEq for Digest {
    /// In the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_random_and_never_printed() {
        let (one, other) = (Secret::token().unwrap(), Secret::token().unwrap());
        assert!(one.expose().starts_with("ckt_") && one.expose().len() == 4 + 2 * RANDOM);
        assert!(one != other && one.digest() != other.digest());
        assert_eq!(format!("{one:?}"), "Secret(…)");
        assert!(Secret::session().unwrap().expose().starts_with("ses_"));
    }

    #[test]
    fn only_a_bearer_header_brings_one() {
        let check = |header: &[u8], expected: Option<&str>| {
            let found = Secret::bearer(header);
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{}", header.escape_ascii());
        };
        check(b"Bearer abc", Some("abc"));
        check(b"bearer abc", Some("abc"));
        for header in ["", "Bearer", "Bearer ", "abc", "Basic abc", "Bearer\tabc"] {
            check(header.as_bytes(), None);
        }
        check(b"Bearer \xff", None);
        check(format!("Bearer {}", "x".repeat(513)).as_bytes(), None);
    }
}
