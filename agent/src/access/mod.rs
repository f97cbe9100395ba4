//! Who may use the API: tokens, passwords and sessions, and the audit of what was done with them.
//!
//! A request brings a [`secret`], which belongs to a [`token`] or a [`session`]; the API decides from that, and from the
//! way the request came, what it may; [`limits`] keep callers from asking too much; [`audit`] writes down what they did.
//!
//! All of it lies in the platform bucket, so that it outlives the host, and none of it can be used by whoever reads
//! it there: secrets are kept as digests.

use std::sync::Arc;

use cloudyknight_store::bucket::{Bucket, BucketError};
use time::OffsetDateTime;

pub mod audit;
pub mod identity;
pub mod ledger;
pub mod limits;
pub mod name;
pub mod password;
pub mod role;
pub mod secret;
pub mod session;
pub mod token;
mod used;

use audit::Audit;
use identity::{Identity, identify};
use ledger::Ledger;
use limits::Limits;
use password::Passwords;
use secret::{Digest, Secret};
use session::Sessions;
use token::Tokens;
use used::Used;

pub struct Access {
    pub tokens: Ledger<Tokens>,
    pub sessions: Ledger<Sessions>,
    pub audit: Audit,
    pub limits: Limits,
    pub passwords: Passwords,
    used: Used,
}

impl Access {
    /// Reads back what is known.
    pub async fn load(platform: Arc<dyn Bucket>) -> Result<Self, BucketError> {
        Ok(Self {
            tokens: Ledger::load(platform.clone(), "access/tokens.json").await?,
            sessions: Ledger::load(platform.clone(), "access/sessions.json").await?,
            audit: Audit::load(platform).await?,
            limits: Limits::default(),
            passwords: Passwords::default(),
            used: Used::default(),
        })
    }

    /// Whose secret this is, if it is somebody's who may still use it. `operator` is the digest of the operator's token.
    pub fn identify(&self, secret: &Secret, operator: &Digest) -> Option<Identity> {
        let now = OffsetDateTime::now_utc();
        identify(secret, operator, &self.tokens.get(), &self.sessions.get(), now)
    }

    /// Notes that a token was used. Written down once an hour at most: every write to the bucket costs something.
    pub fn note_use(self: &Arc<Self>, token: &str) {
        let now = OffsetDateTime::now_utc();
        if !self.used.note(token, now, self.tokens.get().find(token).and_then(|token| token.last_used_at)) {
            return;
        }
        let (access, token) = (self.clone(), token.to_owned());
        tokio::spawn(async move {
            let written = access.tokens.change(|tokens| {
                tokens.used(&token, now);
                Ok::<_, BucketError>(())
            });
            if let Err(error) = written.await {
                let error = crate::deploy::with_causes(&error);
                tracing::debug!(error, "that a token was used could not be written down");
            }
        });
    }

    /// When a token was used last, which may be later than what is written down.
    pub fn last_used(&self, token: &token::Token) -> Option<OffsetDateTime> {
        self.used.last(&token.id).or(token.last_used_at)
    }
}
