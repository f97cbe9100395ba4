//! The bucket of workspaces, as the CLI reaches it: through S3, like any other client.

use cloudyknight_store::aws::{ConnectSettings, S3Bucket, StaticCredentials, connect};

use crate::errors::hinted;
use crate::home::{Endpoints, Home, Secrets};

pub const WORKSPACES: &str = "workspaces";
pub const REGION: &str = "us-east-1";

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

/// The platform of this home; or, when `CLOUDYKNIGHT_API` names a remote one, what the usual `AWS_…` variables say.
pub async fn workspaces(home: &Home) -> anyhow::Result<S3Bucket> {
    let settings = if home.remote().is_some() {
        ConnectSettings { path_style: true, ..Default::default() }
    } else {
        let (endpoints, secrets) = running(home)?;
        ConnectSettings {
            endpoint: Some(endpoints.s3),
            region: Some(REGION.to_owned()),
            credentials: Some(StaticCredentials::new(secrets.access_key, secrets.secret_key)),
            path_style: true,
            ..Default::default()
        }
    };
    Ok(connect(settings).await?.bucket(WORKSPACES))
}
