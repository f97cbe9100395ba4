//! Sessions: what signing in gives, for 12 hours from then on. Not longer by being used: that would be a write to the bucket
//! for each use. A session is no more than the token it was made from, and ends with it.

use serde::{Deserialize, Serialize};
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};

use super::secret::Digest;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sessions {
    pub version: u32,
    /// The oldest first.
    pub sessions: Vec<Session>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub digest: Digest,
    pub of: Of,
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// What it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Of {
    /// The operator's token, while it is this one.
    Operator {
        digest: Digest,
    },
    Token {
        id: String,
    },
}

pub const LASTS: Duration = Duration::hours(12);
/// The most of one token, and the most of all: the oldest go.
const OF_ONE: usize = 50;
const MOST: usize = 1000;

impl Sessions {
    pub const VERSION: u32 = 1;

    /// Adds one, and takes away those that are over.
    pub fn add(&mut self, session: Session, now: OffsetDateTime) {
        self.sessions.retain(|one| now < one.expires_at);
        let of_it = self.sessions.iter().filter(|one| one.of == session.of).count();
        let mut surplus = (of_it + 1).saturating_sub(OF_ONE);
        self.sessions.retain(|one| {
            let goes = surplus > 0 && one.of == session.of;
            surplus -= usize::from(goes);
            !goes
        });
        self.sessions.push(session);
        let surplus = self.sessions.len().saturating_sub(MOST);
        self.sessions.drain(..surplus);
    }

    pub fn remove(&mut self, digest: &Digest) {
        self.sessions.retain(|one| one.digest != *digest);
    }

    pub fn with(&self, digest: &Digest, now: OffsetDateTime) -> Option<&Session> {
        self.sessions.iter().find(|one| one.digest == *digest && now < one.expires_at)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { version: Self::VERSION, sessions: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::Secret;
    use super::*;

    fn session(of: &str, expires_at: OffsetDateTime) -> Session {
        Session { digest: Secret::session().unwrap().digest(), of: Of::Token { id: of.into() }, expires_at }
    }

    #[test]
    fn a_session_ends_when_it_is_over_or_signed_out() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut sessions = Sessions::default();
        let (one, other) = (session("a", now + LASTS), session("a", now + LASTS));
        sessions.add(one.clone(), now);
        sessions.add(other.clone(), now);
        assert!(sessions.with(&one.digest, now).is_some());
        assert!(sessions.with(&one.digest, now + LASTS).is_none());
        sessions.remove(&one.digest);
        assert!(sessions.with(&one.digest, now).is_none() && sessions.with(&other.digest, now).is_some());
        sessions.add(session("a", now + 2 * LASTS), now + LASTS);
        assert_eq!(sessions.sessions.len(), 1, "what is over is not kept");
    }

    #[test]
    fn who_signs_in_again_and_again_loses_their_oldest_and_nobody_else_s() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut sessions = Sessions::default();
        let (other, first) = (session("b", now + LASTS), session("a", now + LASTS));
        sessions.add(other.clone(), now);
        sessions.add(first.clone(), now);
        for _ in 0..OF_ONE {
            sessions.add(session("a", now + LASTS), now);
        }
        assert_eq!(sessions.sessions.len(), OF_ONE + 1);
        assert!(sessions.with(&other.digest, now).is_some() && sessions.with(&first.digest, now).is_none());
    }
}
