//! The clients, made once, in a main, and shared by everything that talks to AWS.

use std::fmt;
use std::sync::Arc;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, RequestChecksumCalculation};
use http::Uri;

use super::meter::Meter;
use super::patience::Patience;
use super::profile::Profile;
use super::site::Site;
use super::{S3Bucket, SqsQueue};

/// Where the servers are and who we are. What is left out is found as every AWS tool finds it: in the environment,
/// in the user's profile, or from the machine we run on.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Of a server that is not AWS itself, such as `http://127.0.0.1:9000`; for S3 and SQS both.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub credentials: Option<StaticCredentials>,
    /// Of `~/.aws`, for region and credentials that are not given here. Then no other credentials are looked for: those of
    /// the environment do not count. Its keys are read again every 15 minutes; it may name a role, or a program that tells
    /// the keys. Profiles that sign in (SSO) are not understood.
    pub profile: Option<String>,
    /// The bucket stands in the path and not in the host name: what most servers besides AWS want.
    pub path_style: bool,
    pub checksums: Checksums,
    pub patience: Patience,
}

#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    pub access_key: String,
    pub secret_key: String,
    /// Of credentials that run out.
    pub session_token: Option<String>,
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
    #[error("no credentials were found")]
    Credentials(#[source] CredentialsError),
    #[error("`{0}` is no endpoint: it takes the form http://host:port or https://host")]
    Endpoint(String),
}

/// Clients are cheap to clone and keep their connections; buckets and queues made from one share them.
#[derive(Clone, Debug)]
pub struct Clients {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    config: SdkConfig,
    meter: Meter,
    site: Arc<Site>,
}

/// Makes the clients. Nothing is sent yet, so wrong credentials are told by the first call that needs them.
pub async fn connect(settings: ConnectSettings) -> Result<Clients, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .stalled_stream_protection(settings.patience.stalls())
        .retry_config(settings.patience.retries())
        .timeout_config(settings.patience.timeouts());
    if let Some(endpoint) = settings.endpoint {
        loader = loader.endpoint_url(checked(endpoint)?);
    }
    let mut region = settings.region.map(Region::new);
    if let Some(profile) = settings.profile {
        if region.is_none() {
            region = DefaultRegionChain::builder().profile_name(&profile).build().region().await;
        }
        loader =
            loader.profile_name(profile.clone()).credentials_provider(Profile::new(profile, region.clone()));
    }
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if let Some(StaticCredentials { access_key, secret_key, session_token }) = settings.credentials {
        let credentials = Credentials::new(access_key, secret_key, session_token, None, "settings");
        loader = loader.credentials_provider(credentials);
    }
    if settings.checksums == Checksums::WhenRequired {
        loader = loader.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    Ok(Clients::new(loader.load().await, settings.path_style, settings.patience))
}

impl Clients {
    fn new(config: SdkConfig, path_style: bool, patience: Patience) -> Self {
        let meter = Meter::default();
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(path_style)
            .interceptor(meter.of("s3"));
        let sqs = aws_sdk_sqs::config::Builder::from(&config).interceptor(meter.of("sqs"));
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            site: Arc::new(Site::new(config.endpoint_url().map(str::to_owned), patience)),
            config,
            meter,
        }
    }

    pub fn bucket(&self, name: impl Into<String>) -> S3Bucket {
        S3Bucket::new(self.s3.clone(), name.into(), Arc::clone(&self.site))
    }

    /// `url` as SQS gives it; one that ends in `.fifo` is a FIFO queue.
    pub fn queue(&self, url: impl Into<String>) -> SqsQueue {
        SqsQueue::new(self.sqs.clone(), url.into(), Arc::clone(&self.site))
    }

    /// Counts what these clients ask for.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The credentials that requests are signed with now, from wherever they come. Those of a role run out.
    pub async fn credentials(&self) -> Result<StaticCredentials, ConnectError> {
        let nowhere = || ConnectError::Credentials(CredentialsError::not_loaded_no_source());
        let provider = self.config.credentials_provider().ok_or_else(nowhere)?;
        let found = provider.provide_credentials().await.map_err(ConnectError::Credentials)?;
        Ok(StaticCredentials {
            access_key: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            session_token: found.session_token().map(str::to_owned),
        })
    }

    /// The region that requests are signed for; from the settings, or from where credentials come from.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }
}

impl StaticCredentials {
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { access_key: access_key.into(), secret_key: secret_key.into(), session_token: None }
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
        let credentials =
            StaticCredentials { session_token: Some("hush".into()), ..StaticCredentials::new("AK", "hush") };
        let settings = ConnectSettings { credentials: Some(credentials), ..ConnectSettings::default() };
        let printed = format!("{settings:?}");
        assert!(printed.contains("AK") && !printed.contains("hush"), "{printed}");
    }
}
