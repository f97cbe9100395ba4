//! Who may speak: requests signed with exactly the one key pair.

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3ErrorCode, S3Result};
use subtle::ConstantTimeEq;

use super::Credentials;

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if bool::from(access_key.as_bytes().ct_eq(self.access_key.as_bytes())) {
            return Ok(SecretKey::from(self.secret_key.as_str()));
        }
        Err(S3ErrorCode::InvalidAccessKeyId.into())
    }
}
