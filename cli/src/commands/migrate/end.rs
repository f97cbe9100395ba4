//! One end of a migration: two buckets, reached through S3. An embedded store whose platform does not run is served by
//! this process meanwhile, so that both ends are always S3.

use anyhow::Context;
use cloudyknight_store::aws::{Clients, S3Bucket, connect};
use cloudyknight_store::embedded::s3;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::probe;
use crate::args::Listen;
use crate::backends::Store;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;
use crate::roles::lock::{self, RoleLock};
use crate::roles::ports;
use crate::s3::embedded;

pub struct End {
    pub workspaces: S3Bucket,
    pub platform: S3Bucket,
    endpoint: String,
    clients: Clients,
    /// For an embedded store: whose it is.
    home: Option<Home>,
    _served: Option<Served>,
}

/// Ends the server, and only then lets somebody else have the store.
struct Served {
    _stop: DropGuard,
    _lock: RoleLock,
}

impl End {
    /// The store of the platform that this command speaks for.
    pub async fn of_platform(home: &Home) -> anyhow::Result<Self> {
        let config = Config::load(home, &Listen::default())?;
        if config.store == Store::Embedded && !home.store().exists() {
            let message = format!("there is no platform in {}", home.path().display());
            return Err(hinted(message, "--home or CLOUDYKNIGHT_HOME names another home"));
        }
        Self::of_settings(home, &config).await
    }

    /// The store to copy to. Nobody may follow it yet: what is half copied would be deployed.
    pub async fn of_target(home: &Home, config: &Config) -> anyhow::Result<Self> {
        if config.store == Store::Embedded && runs(home) {
            let message = format!(
                "the platform in {} runs, and would deploy what is half copied",
                home.path().display()
            );
            let hint = format!("stop it first: `cloudyknight --home {} down`", home.path().display());
            return Err(hinted(message, hint));
        }
        Self::of_settings(home, config).await
    }

    async fn of_settings(home: &Home, config: &Config) -> anyhow::Result<Self> {
        let (settings, served) = match &config.store {
            Store::S3(endpoint) => (config.connect_store(endpoint), None),
            Store::Embedded => {
                let secrets = || {
                    home.make()?;
                    home.secrets()
                };
                let secrets = secrets()?;
                let (endpoint, served) = match home.endpoints()?.filter(|_| runs(home)) {
                    Some(endpoints) => (endpoints.s3, None),
                    None => {
                        let (endpoint, served) = serve(home, config).await?;
                        (endpoint, Some(served))
                    }
                };
                (embedded(&endpoint, &secrets, config.region()), served)
            }
        };
        let endpoint = settings.endpoint.clone().unwrap_or_default();
        let clients = connect(settings).await?;
        Ok(Self {
            workspaces: clients.bucket(&config.workspaces_bucket),
            platform: clients.bucket(&config.platform_bucket),
            home: (config.store == Store::Embedded).then(|| home.clone()),
            endpoint,
            clients,
            _served: served,
        })
    }

    /// Whether both ends have a bucket in common. A store may have several addresses, so it is not only asked where it
    /// is. The probe goes to the platform's bucket, since writing to the other one notifies the platform over there.
    pub async fn is_same_as(&self, other: &Self) -> anyhow::Result<bool> {
        let shares_a_name = [&self.workspaces, &self.platform]
            .iter()
            .any(|one| [other.workspaces.name(), other.platform.name()].contains(&one.name()));
        if self.endpoint == other.endpoint {
            return Ok(shares_a_name);
        }
        let ours = [self.workspaces.clone(), self.platform.clone()];
        if probe::is_among(&other.platform, &ours).await? {
            return Ok(true);
        }
        // In one store under two addresses, the name tells.
        let namesake = [self.clients.bucket(other.platform.name())];
        Ok(shares_a_name && probe::is_among(&other.platform, &namesake).await?)
    }

    /// For people.
    pub fn name(&self) -> String {
        let store = match &self.home {
            Some(home) => format!("the embedded store in {}", home.path().display()),
            None => self.endpoint.clone(),
        };
        format!("s3://{} and s3://{} at {store}", self.workspaces.name(), self.platform.name())
    }
}

fn runs(home: &Home) -> bool {
    lock::holder(home, "serve").is_ok_and(|holder| holder.is_some())
}

/// Serves the embedded store of a home on the loopback. The lock keeps a platform from starting on it meanwhile.
async fn serve(home: &Home, config: &Config) -> anyhow::Result<(String, Served)> {
    let Some(lock) = RoleLock::try_take(home, "serve")? else {
        let message = format!("the platform in {} is just starting or stopping", home.path().display());
        return Err(hinted(message, "try again"));
    };
    let store = ports::embedded(home, config).await?.context("the store is embedded")?;
    let secrets = home.secrets()?;
    let credentials = s3::Credentials { access_key: secrets.access_key, secret_key: secrets.secret_key };
    let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen on the loopback")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    tokio::spawn(s3::serve(listener, store, credentials, stop.clone().cancelled_owned()));
    Ok((endpoint, Served { _stop: stop.drop_guard(), _lock: lock }))
}
