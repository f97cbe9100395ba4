//! Who may speak: requests signed with exactly the one key pair, in the signature scheme that is still sound.

use http::{HeaderMap, Method, Uri, header};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};
use subtle::ConstantTimeEq;

use super::Credentials;
use super::error::refuse;

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if bool::from(access_key.as_bytes().ct_eq(self.access_key.as_bytes())) {
            return Ok(SecretKey::from(self.secret_key.as_str()));
        }
        Err(S3ErrorCode::InvalidAccessKeyId.into())
    }
}

/// What the protocol layer would take and we do not: signatures of version 2 (SHA-1, body unsigned), and form
/// uploads, which it gathers in memory before it knows who sends them.
pub(super) fn refused(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<S3Error> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let query = uri.query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "Signature");
    if text(header::AUTHORIZATION).starts_with("AWS ") || in_query {
        return Some(refuse(
            S3ErrorCode::InvalidRequest,
            "use signature version 4 (AWS4-HMAC-SHA256)",
        ));
    }
    let content_type = text(header::CONTENT_TYPE).trim_start().to_ascii_lowercase();
    if method == Method::POST && content_type.starts_with("multipart/form-data") {
        return Some(refuse(
            S3ErrorCode::NotImplemented,
            "this server takes no form uploads; use PUT",
        ));
    }
    None
}
