//! Which workspaces an entry of the policy is about: a name, or a pattern with `*` for any letters, also none.

use std::fmt;

use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(as = WorkspacePattern, pattern = "^[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?$", max_length = 63, example = "shop-*")]
pub struct Pattern(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a workspace nor a pattern: a-z, 0-9 and `-`, at most 63 of them, and `*` for any of these, as in `shop-*`"
)]
pub struct InvalidPattern(String);

impl Pattern {
    pub fn matches(&self, workspace: &WorkspaceName) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = workspace.as_str().strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        // Without a star the name was all there is.
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'*');
        let name = text.parse::<WorkspaceName>().is_ok();
        let pattern = text.contains('*')
            && text.len() <= 63
            && text.bytes().all(fits)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if name || pattern { Ok(Self(text)) } else { Err(InvalidPattern(text)) }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(&name.parse().unwrap()), expected, "{pattern} {name}");
        };
        for (pattern, name) in [
            ("app", "app"),
            ("*", "app"),
            ("shop-*", "shop-a"),
            ("shop*", "shop"),
            ("*-shop", "my-shop"),
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("a*b*c", "a-b-b-c"),
            ("*b*", "abc"),
            ("**", "x"),
        ] {
            check(pattern, name, true);
        }
        for (pattern, name) in [
            ("app", "apple"),
            ("app", "my-app"),
            ("shop-*", "shop"),
            ("shop-*", "workshop-a"),
            ("*-shop", "my-shop-2"),
            ("a*a", "a"),
            ("a*b*c", "a-c"),
            ("aa*aa", "aaa"),
        ] {
            check(pattern, name, false);
        }
    }

    #[test]
    fn what_can_match_no_workspace_is_no_pattern() {
        for text in ["", "Shop", "shop_*", "shop.*", "a b", "-*", "*-", "../x", "shop-", &"x*".repeat(40)] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
