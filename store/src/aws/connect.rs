//! The clients, made once, in a main, and shared by everything that talks to AWS.

use std::fmt;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, StalledStreamProtectionConfig};
use http::Uri;

use super::{S3Bucket, SqsQueue};

/// How long one attempt of a call may take: longer than the longest poll of a queue (20 s), and than a small object
/// takes on a slow line. The bodies of large ones are watched for standing still instead.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How long a body may stand still. A server that writes to a busy disk is slow before it answers, and not gone.
const STALLED: Duration = Duration::from_secs(30);

/// Where the servers are and who we are. What is left out is found as every AWS tool finds it: in the environment,
/// in the user's profile, or from the machine we run on.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Of a server that is not AWS itself, such as `http://127.0.0.1:9000`; for S3 and SQS both.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub credentials: Option<StaticCredentials>,
    /// The bucket stands in the path and not in the host name: what most servers besides AWS want.
    pub path_style: bool,
    pub checksums: Checksums,
}

#[derive(Clone)]
pub struct StaticCredentials {
    pub access_key: String,
    pub secret_key: String,
}

/// Whether uploads carry a checksum that S3 does not insist on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    #[default]
    WhenSupported,
    /// For servers from before 2025, which do not know the trailers that carry them.
    WhenRequired,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{0}` is no endpoint: it takes the form http://host:port or https://host")]
    Endpoint(String),
}

/// Clients are cheap to clone and keep their connections; buckets and queues made from one share them.
#[derive(Clone, Debug)]
pub struct Clients {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

/// Makes the clients. Nothing is sent yet, so wrong credentials are told by the first call that needs them.
pub async fn connect(settings: ConnectSettings) -> Result<Clients, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALLED).build())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    if let Some(endpoint) = settings.endpoint {
        loader = loader.endpoint_url(checked(endpoint)?);
    }
    if let Some(region) = settings.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(StaticCredentials { access_key, secret_key }) = settings.credentials {
        loader =
            loader.credentials_provider(Credentials::new(access_key, secret_key, None, None, "settings"));
    }
    if settings.checksums == Checksums::WhenRequired {
        loader = loader.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    Ok(Clients::new(&loader.load().await, settings.path_style))
}

impl Clients {
    fn new(config: &SdkConfig, path_style: bool) -> Self {
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        Self { s3: aws_sdk_s3::Client::from_conf(s3), sqs: aws_sdk_sqs::Client::new(config) }
    }

    pub fn bucket(&self, name: impl Into<String>) -> S3Bucket {
        S3Bucket::new(self.s3.clone(), name.into())
    }

    /// `url` as SQS gives it; one that ends in `.fifo` is a FIFO queue.
    pub fn queue(&self, url: impl Into<String>) -> SqsQueue {
        SqsQueue::new(self.sqs.clone(), url.into())
    }
}

fn checked(endpoint: String) -> Result<String, ConnectError> {
    let valid = endpoint.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if valid { Ok(endpoint) } else { Err(ConnectError::Endpoint(endpoint)) }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_needs_a_scheme_and_a_host() {
        let check =
            |endpoint: &str, valid: bool| assert_eq!(checked(endpoint.into()).is_ok(), valid, "{endpoint}");
        check("http://127.0.0.1:9000", true);
        check("https://s3.example", true);
        check("127.0.0.1:9000", false);
        check("ftp://host", false);
        check("http://", false);
        check("", false);
    }

    #[test]
    fn settings_do_not_print_the_secret() {
        let credentials = StaticCredentials { access_key: "AK".into(), secret_key: "hush".into() };
        let settings = ConnectSettings { credentials: Some(credentials), ..ConnectSettings::default() };
        let printed = format!("{settings:?}");
        assert!(printed.contains("AK") && !printed.contains("hush"), "{printed}");
    }
}
