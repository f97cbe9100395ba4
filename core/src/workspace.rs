//! The name of a workspace: a first-level folder of the workspaces bucket, and a DNS label.
//!
//! The name becomes a host name, a container name and a path, so it is parsed once, here, and carried as a
//! type from then on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A DNS label (RFC 1123): 1 to 63 of `a-z`, `0-9` and `-`, neither first nor last a `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length = 63, example = "my-app")]
pub struct WorkspaceName(String);

/// Why a folder name cannot be a workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a workspace needs a name")]
    Empty,
    #[error("`{0}` is longer than the 63 characters of a DNS label")]
    TooLong(String),
    #[error("`{name}` is no DNS label: {found:?} is not one of a-z, 0-9 and `-`")]
    Character { name: String, found: char },
    #[error("`{0}` is no DNS label: it starts or ends with `-`")]
    Hyphen(String),
}

impl WorkspaceName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of this workspace in the bucket, with its closing slash.
    pub fn prefix(&self) -> String {
        format!("{}/", self.0)
    }
}

impl FromStr for WorkspaceName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if let Some(found) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(InvalidName::Character { name: name.to_owned(), found });
        }
        if name.len() > 63 {
            return Err(InvalidName::TooLong(name.to_owned()));
        }
        if name.starts_with('-') || name.ends_with('-') {
            return Err(InvalidName::Hyphen(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for WorkspaceName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        name.parse()
    }
}

impl From<WorkspaceName> for String {
    fn from(name: WorkspaceName) -> Self {
        name.0
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_labels_are_names() {
        for name in ["a", "myapp", "my-app-2", "0", &"x".repeat(63)] {
            assert_eq!(name.parse::<WorkspaceName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let check = |name: &str, why: InvalidName| assert_eq!(name.parse::<WorkspaceName>(), Err(why));
        check("", InvalidName::Empty);
        check("My", InvalidName::Character { name: "My".into(), found: 'M' });
        check("a_b", InvalidName::Character { name: "a_b".into(), found: '_' });
        check("..", InvalidName::Character { name: "..".into(), found: '.' });
        check("é", InvalidName::Character { name: "é".into(), found: 'é' });
        check("-a", InvalidName::Hyphen("-a".into()));
        check("a-", InvalidName::Hyphen("a-".into()));
        check(&"x".repeat(64), InvalidName::TooLong("x".repeat(64)));
    }
}
