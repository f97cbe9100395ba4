//! Who may pass a `basicAuth`. The hashes are secrets: nothing here prints them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MiddlewareError;
use super::headers::{is_name, is_value};

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BasicAuth {
    /// `name:hash`, as `htpasswd` writes them.
    pub users: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub realm: String,
    /// The backend does not get to see the password.
    pub remove_header: bool,
    /// The header that tells the backend who it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header_field: String,
}

/// A user, understood.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `$2a$`, `$2b$`, `$2x$` or `$2y$`, whole.
    Bcrypt(String),
    /// `$apr1$salt$hash` or `$1$salt$hash`.
    Md5 { magic: &'static str, salt: String, hash: String },
    /// `{SHA}` and base64.
    Sha1(String),
}

/// Why an entry is no user. Says its name at most.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("there are none")]
    None,
    #[error("an entry is not `name:hash`; in a compose file each `$` of the hash is written `$$`")]
    Form,
    #[error(
        "the hash of `{0}` is neither bcrypt nor MD5 nor SHA1; in a compose file each `$` of it is written `$$`"
    )]
    Hash(String),
    #[error("the hash of `{name}` has the cost {cost}, and at most {max} is checked", max = User::MAX_COST)]
    Cost { name: String, cost: u32 },
}

impl BasicAuth {
    pub fn users(&self) -> Result<Vec<User>, UserError> {
        if self.users.is_empty() {
            return Err(UserError::None);
        }
        self.users.iter().map(|entry| User::parse(entry)).collect()
    }

    pub(super) fn check(&self) -> Result<(), MiddlewareError> {
        self.users()?;
        let name = &self.header_field;
        if !name.is_empty() && !is_name(name) {
            return Err(MiddlewareError::HeaderName { option: "headerField", name: name.clone() });
        }
        if !is_value(&self.realm) || self.realm.contains('"') {
            return Err(MiddlewareError::HeaderValue { option: "realm", name: "WWW-Authenticate".into() });
        }
        Ok(())
    }
}

impl User {
    /// A check of such a hash takes about a second; each step more doubles it.
    pub const MAX_COST: u32 = 14;

    pub fn parse(entry: &str) -> Result<Self, UserError> {
        let (name, hash) = entry.split_once(':').ok_or(UserError::Form)?;
        if name.is_empty() || hash.contains(':') {
            return Err(UserError::Form);
        }
        let unknown = || UserError::Hash(name.to_owned());
        let secret = if let Some(hash) = hash.strip_prefix("{SHA}") {
            Secret::Sha1(hash.to_owned())
        } else if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|magic| hash.starts_with(magic)) {
            let cost: u32 = hash.get(4..6).and_then(|cost| cost.parse().ok()).ok_or_else(unknown)?;
            if cost > Self::MAX_COST {
                return Err(UserError::Cost { name: name.to_owned(), cost });
            }
            if hash.len() != 60 || hash.as_bytes()[6] != b'$' {
                return Err(unknown());
            }
            Secret::Bcrypt(hash.to_owned())
        } else {
            let parts: Vec<&str> = hash.split('$').collect();
            match parts.as_slice() {
                ["", "apr1", salt, hash] => md5("$apr1$", salt, hash),
                ["", "1", salt, hash] => md5("$1$", salt, hash),
                _ => return Err(unknown()),
            }
        };
        Ok(Self { name: name.to_owned(), secret })
    }
}

fn md5(magic: &'static str, salt: &str, hash: &str) -> Secret {
    Secret::Md5 { magic, salt: salt.to_owned(), hash: hash.to_owned() }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth")
            .field("users", &self.users.len())
            .field("realm", &self.realm)
            .field("remove_header", &self.remove_header)
            .field("header_field", &self.header_field)
            .finish()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$eHdr5ZiA5sPdJBAqkoD5hOQZ4lNoHFZGdJxEUQ0RO3TZ8kZJZ0D1q";

    #[test]
    fn hashes_are_told_apart_and_others_refused() {
        let secret = |entry: &str| User::parse(entry).map(|user| user.secret);
        assert!(matches!(secret(&format!("a:{BCRYPT}")), Ok(Secret::Bcrypt(_))));
        assert!(matches!(secret("a:$apr1$salt$hash"), Ok(Secret::Md5 { magic: "$apr1$", .. })));
        assert!(matches!(secret("a:{SHA}abc="), Ok(Secret::Sha1(_))));
        assert!(matches!(secret("a:plain"), Err(UserError::Hash(name)) if name == "a"));
        assert!(matches!(secret("a:$2y$31$eHdr5ZiA"), Err(UserError::Cost { cost: 31, .. })));
        assert!(matches!(secret("nobody"), Err(UserError::Form)));
    }

    #[test]
    fn nothing_prints_a_hash() {
        let auth = BasicAuth {
            users: vec![format!("a:{BCRYPT}"), "b:secret-in-plain".into()],
            ..Default::default()
        };
        let printed = format!("{auth:?} {:?} {}", User::parse(&auth.users[0]), auth.users().unwrap_err());
        assert!(!printed.contains("eHdr5") && !printed.contains("secret-in-plain"), "{printed}");
    }
}
