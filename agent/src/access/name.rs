//! What a token is called: the name that somebody signs in with, and that the audit and histories tell. No name of
//! ours can be taken: those of sockets hold a space.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The name of whoever holds the token in `secrets.json`.
pub const OPERATOR: &str = "operator";
/// Who brings nothing.
pub const ANONYMOUS: &str = "anonymous";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", example = "ci")]
pub struct Name(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error(
        "a name has 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `@` and `-`, and begins with a letter or a digit"
    )]
    Malformed,
    #[error("`operator` and `anonymous` are taken by the platform")]
    Taken,
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-');
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if !begins || text.len() > 64 || !text.bytes().all(fits) {
            return Err(InvalidName::Malformed);
        }
        if [OPERATOR, ANONYMOUS].iter().any(|own| text.eq_ignore_ascii_case(own)) {
            return Err(InvalidName::Taken);
        }
        Ok(Self(text))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_and_nobody_else_s() {
        let check = |text: &str, expected: Option<InvalidName>| {
            assert_eq!(Name::try_from(text.to_owned()).err(), expected, "{text:?}");
        };
        for text in ["ci", "anna@example.org", "A.b_c-9", "0", &"x".repeat(64)] {
            check(text, None);
        }
        for text in ["", "-ci", ".", "a b", "a\nb", "é", "a/b", "<b>", "workspace monitor", &"x".repeat(65)]
        {
            check(text, Some(InvalidName::Malformed));
        }
        for text in ["operator", "Operator", "ANONYMOUS"] {
            check(text, Some(InvalidName::Taken));
        }
    }
}
