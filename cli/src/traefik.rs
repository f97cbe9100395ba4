//! The settings that say which edge carries the traffic, and what the platform needs to know of a Traefik.

use std::path::PathBuf;
use std::sync::Arc;

use cloudyknight_agent::edge_link::{EdgeKind, EdgeLink};
use cloudyknight_agent::engine::Engine;
use cloudyknight_agent::policy::PolicyFile;
use cloudyknight_agent::traefik::TraefikSettings;
use url::Url;

use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;

/// As `edge`, `CLOUDYKNIGHT_EDGE` and `--edge` say it.
pub fn kind(text: &str) -> anyhow::Result<EdgeKind> {
    match text {
        "embedded" => Ok(EdgeKind::Embedded),
        "traefik" => Ok(EdgeKind::Traefik),
        other => Err(hinted(format!("the edge `{other}` is not known"), "say \"embedded\" or \"traefik\"")),
    }
}

/// Where Traefik's API is; the API of a Traefik is asked without encryption and without credentials.
pub fn check_api(text: &str) -> anyhow::Result<()> {
    let hint = "say where Traefik's API answers on this machine, such as http://127.0.0.1:8081";
    let url = text.parse::<Url>().ok().filter(|url| url.scheme() == "http" && url.host_str().is_some());
    let Some(url) = url else {
        return Err(hinted("`traefik_api` is no URL that begins with http://", hint));
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(hinted("`traefik_api` holds credentials or a query", hint));
    }
    Ok(())
}

/// The folder that Traefik reads.
pub fn dir(config: &Config, home: &Home) -> PathBuf {
    config.traefik_dir.clone().unwrap_or_else(|| home.path().join("traefik"))
}

/// What Traefik must be started with, for whoever does it.
pub fn arguments(config: &Config, home: &Home) -> String {
    format!("--providers.file.directory={} --providers.file.watch=true", dir(config, home).display())
}

/// The line to the edge that the settings name.
pub fn edge_link(config: &Config, home: &Home, engine: &Engine, policy: &Arc<PolicyFile>) -> EdgeLink {
    match config.edge {
        EdgeKind::Embedded => EdgeLink::embedded(home.run("edge.sock")),
        EdgeKind::Traefik => {
            let settings = TraefikSettings {
                dir: dir(config, home),
                api: config.traefik_api.clone(),
                policy: policy.clone(),
                platform: home.platform(),
            };
            EdgeLink::traefik(settings, engine.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_a_plain_url_without_credentials() {
        for right in ["http://127.0.0.1:8081", "http://traefik.local/prefix/"] {
            assert!(check_api(right).is_ok(), "{right}");
        }
        for wrong in ["", "127.0.0.1:8081", "https://h:1", "http://u:p@h:1", "http://h/?x"] {
            assert!(check_api(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_edge_is_one_of_two() {
        assert_eq!(kind("embedded").unwrap(), EdgeKind::Embedded);
        assert_eq!(kind("traefik").unwrap(), EdgeKind::Traefik);
        assert!(kind("Traefik").is_err() && kind("nginx").is_err());
    }
}
