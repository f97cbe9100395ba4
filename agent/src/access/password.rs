//! Passwords, for people: kept as argon2id makes them, with the parameters that OWASP names first (19 MiB, two passes).
//! Slow by design, so that it happens beside the runtime, two at a time, and few may wait.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::secret::Secret;

/// In characters.
pub const SHORTEST: usize = 12;
pub const LONGEST: usize = 256;

/// How many are computed at the same time, each in 19 MiB.
const AT_ONCE: usize = 2;
/// How many may wait or be computed.
const WAITING: usize = 16;

pub struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Of no password: whoever names somebody unknown waits as long as for a wrong password.
    nobody: OnceLock<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many passwords are being looked at")]
    Busy,
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(WAITING)),
            nobody: OnceLock::new(),
        }
    }
}

impl Passwords {
    pub async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        self.beside(move || hash(&password)).await?
    }

    /// Whether this is the password of that hash. Without one the answer is no, after the same work. `may` is asked when
    /// the turn has come: what was allowed when somebody joined the queue may not be any more.
    pub async fn verify(
        &self,
        password: Secret,
        kept: Option<String>,
        may: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, PasswordError> {
        let nobody = match self.nobody.get() {
            Some(hash) => hash.clone(),
            None => {
                let unused = Secret::token().map_err(|error| PasswordError::Hash(error.to_string()))?;
                let made = self.hash(unused).await?;
                self.nobody.get_or_init(|| made).clone()
            }
        };
        self.beside(move || {
            if !may() {
                return false;
            }
            let is_right = matches(&password, kept.as_deref().unwrap_or(&nobody));
            is_right && kept.is_some()
        })
        .await
    }

    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = self.queue.clone().try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = self.turns.clone().acquire_owned().await.expect("it is never closed");
        // Whoever hangs up gives neither back before the work is done.
        let work = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        work.await.map_err(|error| PasswordError::Hash(error.to_string()))
    }
}

fn hash(password: &Secret) -> Result<String, PasswordError> {
    let hashed: Result<PasswordHash, _> = Argon2::default().hash_password(password.expose().as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
}

fn matches(password: &Secret, kept: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Secret {
        Secret::given(text).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_only_it_matches() {
        let passwords = Passwords::default();
        let kept = passwords.hash(given("correct horse battery")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(!kept.contains("horse"));
        let verify = async |password: &str, kept: Option<&String>, may: bool| {
            passwords.verify(given(password), kept.cloned(), move || may).await.unwrap()
        };
        assert!(verify("correct horse battery", Some(&kept), true).await);
        assert!(!verify("correct horse battery", Some(&kept), false).await);
        assert!(!verify("correct horse batterz", Some(&kept), true).await);
        assert!(!verify("correct horse battery", None, true).await);
        assert!(!verify("correct horse battery", Some(&"nonsense".to_owned()), true).await);
        let again = passwords.hash(given("correct horse battery")).await.unwrap();
        assert_ne!(kept, again, "each has its salt");
    }

    #[tokio::test]
    async fn few_may_wait() {
        let passwords = Passwords::default();
        let _all = passwords.queue.acquire_many(WAITING as u32).await.unwrap();
        assert!(matches!(passwords.hash(given("x")).await, Err(PasswordError::Busy)));
    }
}
