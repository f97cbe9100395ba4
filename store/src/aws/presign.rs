//! URLs that let whoever has one put one object, without credentials of their own.

use std::time::Duration;

use aws_sdk_s3::config::{Config, RequestChecksumCalculation};
use aws_sdk_s3::presigning::PresigningConfig;

use super::S3Bucket;
use crate::bucket::BucketError;

impl S3Bucket {
    /// A URL to which this object can be put with `PUT` until `valid` is over, at most seven days. Nothing is asked of the
    /// server; credentials that run out before end it sooner.
    pub async fn presigned_put(&self, key: &str, valid: Duration) -> Result<String, BucketError> {
        let valid =
            PresigningConfig::expires_in(valid).map_err(|error| self.unavailable("sign", key, error))?;
        let request = self.client.put_object().bucket(&self.name).key(key);
        // Whoever puts it has no checksum to send, and one of the body that is not there yet would be wrong.
        let config = Config::builder().request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        let signed = request.customize().config_override(config).presigned(valid).await;
        Ok(signed.map_err(|error| self.error("sign", key, error))?.uri().to_owned())
    }

    /// Where requests go, such as `http://127.0.0.1:9000`; `None` for AWS itself.
    pub fn endpoint(&self) -> Option<&str> {
        self.site.endpoint.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{ConnectSettings, StaticCredentials, connect};

    #[tokio::test]
    async fn the_url_names_the_object_and_its_end_and_wants_no_header_that_curl_does_not_send() {
        let settings = ConnectSettings {
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("us-east-1".into()),
            credentials: Some(StaticCredentials::new("AK", "hush")),
            path_style: true,
            ..ConnectSettings::default()
        };
        let bucket = connect(settings).await.unwrap().bucket("workspaces");
        let url = bucket.presigned_put("shop.tar.gz", Duration::from_secs(900)).await.unwrap();
        assert!(url.starts_with("http://127.0.0.1:9000/workspaces/shop.tar.gz?"), "{url}");
        assert!(url.contains("X-Amz-Expires=900") && url.contains("X-Amz-SignedHeaders=host&"), "{url}");
        assert!(!url.contains("hush") && !url.to_lowercase().contains("checksum"), "{url}");
        assert!(
            bucket.presigned_put("a", Duration::from_secs(8 * 86_400)).await.is_err(),
            "no longer than a week"
        );
    }
}
