//! `cloudyknight env`: what S3 clients and scripts need to know, as shell exports.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::Listen;
use crate::config::Config;
use crate::home::Home;
use crate::output::Output;
use crate::s3::{Place, running};

/// What `env --json` prints: the value of each variable. There may be more of them.
#[derive(Serialize, ToSchema)]
pub struct Variables(BTreeMap<String, String>);

pub async fn run(home: &Home, output: Output) -> anyhow::Result<ExitCode> {
    home.must_be_here("only its own machine knows the credentials of its store")?;
    let (endpoints, secrets) = running(home)?;
    let place = Place::of(home).await?;
    let credentials = place.clients.credentials().await;
    let credentials =
        credentials.with_context(|| format!("there are no credentials for {}", place.endpoint))?;
    let config = Config::load(home, &Listen::default())?;
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", place.endpoint),
        ("AWS_ACCESS_KEY_ID", credentials.access_key),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key),
        ("AWS_REGION", place.region.clone()),
        ("AWS_DEFAULT_REGION", place.region),
        ("CLOUDYKNIGHT_BUCKET", place.workspaces),
        ("CLOUDYKNIGHT_HOME", home.path().display().to_string()),
        // For `docker ps --filter label=cloudyknight.platform=…`.
        ("CLOUDYKNIGHT_PLATFORM", home.platform()),
        ("CLOUDYKNIGHT_URL", endpoints.edge),
        ("CLOUDYKNIGHT_API", endpoints.api),
        ("CLOUDYKNIGHT_TOKEN", secrets.api_token),
    ];
    variables.extend(credentials.session_token.map(|token| ("AWS_SESSION_TOKEN", token)));
    if let Some(url) = endpoints.ingest {
        let token = config.ingest_token.unwrap_or(secrets.ingest_token);
        variables.extend([("CLOUDYKNIGHT_INGEST_URL", url), ("CLOUDYKNIGHT_INGEST_TOKEN", token)]);
    }
    if output.is_json() {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        anstream::println!("{}", serde_json::to_string(&Variables(variables.collect()))?);
    } else {
        for (name, value) in variables {
            anstream::println!("export {name}={}", quoted(&value));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As a word for a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
