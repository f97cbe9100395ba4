//! Tokens: who may use the API beside the operator. One that programs bring with each request, or a name and a password
//! that people sign in with. All of them are one document in the platform bucket.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;
use utoipa::ToSchema;

use super::name::Name;
use super::role::Role;
use super::secret::Digest;
use crate::policy::Pattern;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens {
    pub version: u32,
    /// The oldest first.
    pub tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    pub id: String,
    pub name: Name,
    pub role: Role,
    /// The workspaces that the role is about; `None`: all of them.
    pub workspaces: Option<Vec<Pattern>>,
    pub proof: Proof,
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(default, with = "rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(default, with = "rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// How its holder proves to be who they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Proof {
    Token {
        digest: Digest,
    },
    /// As argon2 writes it.
    Password {
        hash: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenKind)]
pub enum Kind {
    Token,
    Password,
}

/// The roles that a token can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenRole)]
pub enum Given {
    Read,
    Deploy,
    Admin,
}

impl From<Given> for Role {
    fn from(given: Given) -> Self {
        match given {
            Given::Read => Self::Read,
            Given::Deploy => Self::Deploy,
            Given::Admin => Self::Admin,
        }
    }
}

/// The most that there are: all are read with each request.
pub const MOST: usize = 1000;
/// The longest that one may last, in seconds: ten years.
pub const LONGEST_S: u64 = 10 * 366 * 24 * 3600;

/// Why there is no such token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("there is a token `{0}` already")]
    Exists(Name),
    #[error("there are {MOST} tokens, and more cannot be kept")]
    TooMany,
    #[error("there is no token with the id `{0}`")]
    Unknown(String),
}

/// Why a role cannot be given so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("the role `admin` is about the whole platform, and not about some workspaces")]
    Admin,
    #[error("`workspaces` names 1 to 100 workspaces or patterns; without it, all are meant")]
    Workspaces,
}

/// Whether a token may have this role in these workspaces.
pub fn check_scope(role: Role, workspaces: Option<&[Pattern]>) -> Result<(), ScopeError> {
    match (role, workspaces) {
        (Role::Admin, Some(_)) => Err(ScopeError::Admin),
        (_, Some(patterns)) if !(1..=100).contains(&patterns.len()) => Err(ScopeError::Workspaces),
        _ => Ok(()),
    }
}

impl Token {
    pub fn kind(&self) -> Kind {
        match self.proof {
            Proof::Token { .. } => Kind::Token,
            Proof::Password { .. } => Kind::Password,
        }
    }

    pub fn is_valid(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Tokens {
    pub const VERSION: u32 = 1;

    pub fn add(&mut self, token: Token) -> Result<(), TokenError> {
        if self.tokens.iter().any(|one| one.name == token.name) {
            return Err(TokenError::Exists(token.name));
        }
        if self.tokens.len() >= MOST {
            return Err(TokenError::TooMany);
        }
        self.tokens.push(token);
        Ok(())
    }

    pub fn remove(&mut self, id: &str) -> Result<(), TokenError> {
        let before = self.tokens.len();
        self.tokens.retain(|one| one.id != id);
        if self.tokens.len() == before { Err(TokenError::Unknown(id.to_owned())) } else { Ok(()) }
    }

    pub fn find(&self, id: &str) -> Option<&Token> {
        self.tokens.iter().find(|one| one.id == id)
    }

    /// The token that has this digest.
    pub fn with(&self, digest: &Digest) -> Option<&Token> {
        self.tokens.iter().find(|one| matches!(&one.proof, Proof::Token { digest: own } if own == digest))
    }

    /// Who signs in by this name, and the hash of their password.
    pub fn person(&self, name: &str) -> Option<(&Token, &str)> {
        self.tokens.iter().find_map(|one| match &one.proof {
            Proof::Password { hash } if one.name.as_str() == name => Some((one, hash.as_str())),
            _ => None,
        })
    }

    pub fn used(&mut self, id: &str, at: OffsetDateTime) {
        if let Some(token) = self.tokens.iter_mut().find(|one| one.id == id) {
            token.last_used_at = token.last_used_at.max(Some(at));
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { version: Self::VERSION, tokens: Vec::new() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::secret::Secret;
    use super::*;

    pub fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::try_from((*text).to_owned()).unwrap()).collect()
    }

    pub fn token(name: &str, secret: &Secret) -> Token {
        Token {
            id: format!("id-{name}"),
            name: Name::try_from(name.to_owned()).unwrap(),
            role: Role::Deploy,
            workspaces: Some(patterns(&["shop-*"])),
            proof: Proof::Token { digest: secret.digest() },
            created_at: OffsetDateTime::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_role_goes_with_some_workspaces_or_with_all() {
        let check = |role, workspaces: Option<&[&str]>, expected| {
            let found = check_scope(role, workspaces.map(patterns).as_deref());
            assert_eq!(found, expected, "{role:?} {workspaces:?}");
        };
        check(Role::Read, None, Ok(()));
        check(Role::Deploy, Some(&["shop-*"]), Ok(()));
        check(Role::Admin, None, Ok(()));
        check(Role::Admin, Some(&["*"]), Err(ScopeError::Admin));
        check(Role::Read, Some(&[]), Err(ScopeError::Workspaces));
        check(Role::Deploy, Some(&["a"; 101]), Err(ScopeError::Workspaces));
    }

    #[test]
    fn a_name_is_given_once_and_free_again_when_its_token_is_deleted() {
        let mut tokens = Tokens::default();
        let ci = token("ci", &Secret::token().unwrap());
        tokens.add(ci.clone()).unwrap();
        assert_eq!(tokens.add(ci.clone()), Err(TokenError::Exists(ci.name.clone())));
        tokens.remove(&ci.id).unwrap();
        assert_eq!(tokens.remove(&ci.id), Err(TokenError::Unknown(ci.id.clone())));
        tokens.add(ci).unwrap();
    }

    #[test]
    fn what_is_kept_tells_no_secret_and_is_read_as_it_was_written() {
        let secret = Secret::token().unwrap();
        let mut tokens = Tokens::default();
        let expires = Some(OffsetDateTime::UNIX_EPOCH + time::Duration::days(1));
        tokens.add(Token { expires_at: expires, ..token("ci", &secret) }).unwrap();
        let text = serde_json::to_string(&tokens).unwrap();
        assert!(!text.contains(secret.expose()), "{text}");
        let read: Tokens = serde_json::from_str(&text).unwrap();
        assert_eq!(read.tokens, tokens.tokens);
        assert!(read.with(&secret.digest()).is_some());
    }
}
