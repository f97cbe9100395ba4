//! `basicAuth`. A check of a good hash is slow by intent, so it runs aside, a few at a time, and what has been found
//! right is not checked again. Neither passwords nor hashes are kept in the clear or printed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloudyknight_core::middleware::{BasicAuth, MiddlewareError, Secret, User};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::md5_crypt;
use super::{Own, own};

pub(super) struct Auth {
    users: Vec<Arc<User>>,
    challenge: HeaderValue,
    header_field: Option<HeaderName>,
    remove_header: bool,
    right: Mutex<Right>,
}

/// Digests, under a key of this process, of what has been found right.
struct Right {
    key: [u8; 32],
    remembers: bool,
    known: HashSet<[u8; 32]>,
}

/// Hashes that are checked at once, over all routes: the cores have other things to do as well.
static CHECKS: Semaphore = Semaphore::const_new(2);
const MOST_KNOWN: usize = 1024;
/// Longer ones are wrong: no hash here looks at more, or they only cost.
const LONGEST: usize = 1024;

impl Auth {
    pub(super) fn new(auth: &BasicAuth) -> Result<Self, MiddlewareError> {
        let realm = if auth.realm.is_empty() { "traefik" } else { &auth.realm };
        let challenge = HeaderValue::from_bytes(format!("Basic realm=\"{realm}\"").as_bytes());
        let mut key = [0; 32];
        // Without randomness the key is no secret: then nothing is remembered.
        let remembers = getrandom::fill(&mut key).is_ok();
        Ok(Self {
            users: auth.users()?.into_iter().map(Arc::new).collect(),
            challenge: challenge.map_err(|_| MiddlewareError::HeaderValue {
                option: "realm",
                name: WWW_AUTHENTICATE.to_string(),
            })?,
            header_field: auth.header_field.parse().ok(),
            remove_header: auth.remove_header,
            right: Mutex::new(Right { key, remembers, known: HashSet::new() }),
        })
    }

    pub(super) async fn admit(&self, headers: &mut HeaderMap) -> Result<(), Own> {
        let Some(name) = self.authenticated(headers).await else {
            let mut refused = own(StatusCode::UNAUTHORIZED);
            *refused.body_mut() = Bytes::from_static(b"401 Unauthorized\n");
            refused.headers_mut().insert(WWW_AUTHENTICATE, self.challenge.clone());
            return Err(refused);
        };
        if let (Some(field), Ok(name)) = (&self.header_field, HeaderValue::from_str(&name)) {
            headers.insert(field, name);
        }
        if self.remove_header {
            headers.remove(AUTHORIZATION);
        }
        Ok(())
    }

    /// The name of the user that a request comes from.
    async fn authenticated(&self, headers: &HeaderMap) -> Option<String> {
        let (name, password) = credentials(headers.get(AUTHORIZATION)?)?;
        // The last entry of a name counts, as in a map.
        let user = self.users.iter().rev().find(|user| user.name == name);
        // A name that there is not takes as long as one that there is.
        let checked = user.or_else(|| self.users.first())?.clone();
        let key = self.right.lock().unwrap_or_else(PoisonError::into_inner).key;
        let digest = digest(&key, &checked, &password);
        let right = self.is_known(&digest) || is_right(checked, password).await;
        if !right || user.is_none() {
            return None;
        }
        self.learn(digest);
        Some(name)
    }

    fn is_known(&self, digest: &[u8; 32]) -> bool {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).known.contains(digest)
    }

    fn learn(&self, digest: [u8; 32]) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if !right.remembers {
            return;
        }
        if right.known.len() >= MOST_KNOWN {
            right.known.clear();
        }
        right.known.insert(digest);
    }
}

fn digest(key: &[u8; 32], user: &User, password: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&(user.name.len() as u64).to_le_bytes());
    hasher.update(user.name.as_bytes());
    hasher.update(password);
    *hasher.finalize().as_bytes()
}

async fn is_right(user: Arc<User>, password: Vec<u8>) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let _turn = CHECKS.acquire().await;
    let checked = tokio::task::spawn_blocking(move || matches(&user.secret, &password));
    checked.await.unwrap_or(false)
}

fn matches(secret: &Secret, password: &[u8]) -> bool {
    let same = |computed: &str, hash: &str| bool::from(computed.as_bytes().ct_eq(hash.as_bytes()));
    match secret {
        Secret::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        Secret::Md5 { magic, salt, hash } => same(&md5_crypt::hash(password, magic, salt), hash),
        Secret::Sha1(hash) => same(&STANDARD.encode(Sha1::digest(password)), hash),
    }
}

/// RFC 7617, section 2.
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded).ok()?;
    let colon = decoded.iter().position(|&b| b == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(users: &[&str]) -> Auth {
        let users = users.iter().map(|&user| user.to_owned()).collect();
        let wanted =
            BasicAuth { users, header_field: "X-User".into(), remove_header: true, ..Default::default() };
        Auth::new(&wanted).unwrap()
    }

    async fn check(auth: &Auth, credentials: Option<&str>, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Some(credentials) = credentials {
            let value = format!("Basic {}", STANDARD.encode(credentials));
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        match (auth.admit(&mut headers).await, expected) {
            (Ok(()), Some(name)) => {
                assert_eq!(headers["x-user"], name);
                assert!(!headers.contains_key(AUTHORIZATION));
            }
            (Err(own), None) => {
                assert_eq!(own.status(), StatusCode::UNAUTHORIZED);
                assert_eq!(own.headers()[WWW_AUTHENTICATE], "Basic realm=\"traefik\"");
            }
            (_, expected) => panic!("{credentials:?}: expected {expected:?}"),
        }
    }

    #[tokio::test]
    async fn each_kind_of_hash_is_checked() {
        let bcrypt = format!("b:{}", bcrypt::hash("bees", 4).unwrap());
        let auth = auth(&[
            &bcrypt,
            "m:$apr1$saltsalt$NBMPZFGR7yazCdGvlWJji1",
            "s:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        ]);
        for (credentials, name) in [("b:bees", "b"), ("m:test", "m"), ("s:password", "s"), ("b:bees", "b")] {
            check(&auth, Some(credentials), Some(name)).await;
        }
        for wrong in ["b:beez", "b:", "m:tes", "s:passwor", "x:bees", "nobody", ":"] {
            check(&auth, Some(wrong), None).await;
        }
        check(&auth, None, None).await;
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_does_not_come_through_with_the_password_of_another() {
        let auth = auth(&["a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="]);
        check(&auth, Some("a:password"), Some("a")).await;
        check(&auth, Some("b:password"), None).await;
        check(&auth, Some("b:password"), None).await;
    }
}
