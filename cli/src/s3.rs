//! The bucket of workspaces, as the CLI reaches it: through S3, like any other client.

use cloudyknight_store::aws::{Checksums, Clients, ConnectSettings, S3Bucket, StaticCredentials, connect};

use crate::args::Listen;
use crate::backends::Store;
use crate::config::Config;
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::{Endpoints, Home, Secrets};

/// A store as an S3 client reaches it.
pub struct Place {
    pub clients: Clients,
    pub endpoint: String,
    pub region: String,
    pub workspaces: String,
    pub platform: String,
}

impl Place {
    /// The store that the settings of this home name. The embedded one is reached through the platform that runs.
    pub async fn of(home: &Home) -> anyhow::Result<Self> {
        Self::with(home, |settings| settings).await
    }

    /// The same, reached with other settings.
    pub async fn with(
        home: &Home,
        change: impl FnOnce(ConnectSettings) -> ConnectSettings,
    ) -> anyhow::Result<Self> {
        let config = Config::load(home, &Listen::default())?;
        let settings = match &config.store {
            Store::S3(endpoint) => config.connect_store(endpoint),
            Store::Embedded => {
                let (endpoints, secrets) = running(home)?;
                embedded(&endpoints.s3, &secrets, config.region())
            }
        };
        let settings = change(settings);
        Ok(Self {
            endpoint: settings.endpoint.clone().unwrap_or_default(),
            region: config.region().to_owned(),
            clients: connect(settings).await?,
            workspaces: config.workspaces_bucket,
            platform: config.platform_bucket,
        })
    }
}

/// How to reach an embedded S3 server.
pub fn embedded(endpoint: &str, secrets: &Secrets, region: &str) -> ConnectSettings {
    ConnectSettings {
        endpoint: Some(endpoint.to_owned()),
        region: Some(region.to_owned()),
        credentials: Some(StaticCredentials {
            access_key: secrets.access_key.clone(),
            secret_key: secrets.secret_key.clone(),
            session_token: None,
        }),
        path_style: true,
        checksums: Checksums::WhenSupported,
        ..ConnectSettings::default()
    }
}

/// The endpoints and secrets of the platform that runs in this home.
pub fn running(home: &Home) -> anyhow::Result<(Endpoints, Secrets)> {
    match (home.endpoints()?, home.known_secrets()?) {
        (Some(endpoints), Some(secrets)) => Ok((endpoints, secrets)),
        _ => Err(hinted(
            format!("no platform runs in {}", home.path().display()),
            "`cloudyknight up` starts one; --home or CLOUDYKNIGHT_HOME names another home",
        )),
    }
}

/// Whether the files of workspaces are reached through S3. A platform elsewhere is, where somebody says where its bucket is;
/// credentials alone may be those of quite another account.
pub fn is_reachable(home: &Home) -> bool {
    let told = ["CLOUDYKNIGHT_BUCKET", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
    home.remote().is_none() || told.iter().any(|name| variable(name).is_some())
}

/// The bucket of the platform of this home; or, when `CLOUDYKNIGHT_API` names a remote one, what the usual `AWS_…`
/// variables and `CLOUDYKNIGHT_BUCKET` say.
pub async fn workspaces(home: &Home) -> anyhow::Result<S3Bucket> {
    if home.remote().is_some() {
        let settings = ConnectSettings { path_style: true, ..Default::default() };
        let bucket = variable("CLOUDYKNIGHT_BUCKET").unwrap_or_else(|| "workspaces".to_owned());
        return Ok(connect(settings).await?.bucket(bucket));
    }
    let place = Place::of(home).await?;
    Ok(place.clients.bucket(place.workspaces))
}
