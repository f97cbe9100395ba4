//! The Traefik that carries the traffic, where the settings say so: the operator's to start, and ours to look at.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cloudyknight_agent::deploy::with_causes;
use cloudyknight_agent::edge_link::EdgeKind;
use cloudyknight_agent::traefik::Api;

use url::Url;

use super::{Findings, fine, wrong};
use crate::config::Config;
use crate::home::Home;
use crate::traefik;

const SOON: Duration = Duration::from_secs(5);

pub async fn look(home: &Home, config: &Config, findings: &mut Findings) {
    if config.edge != EdgeKind::Traefik {
        return;
    }
    let start =
        format!("start Traefik with `{}`; docs/traefik.md has all of it", traefik::arguments(config, home));
    findings.push(match &config.traefik_api {
        None => wrong(
            "traefik",
            "`traefik_api` is not set: whether Traefik has the routes cannot be seen",
            "give Traefik an API on the loopback, and set `traefik_api` to its URL",
        ),
        Some(url) => match Api::new(url).version().await {
            Ok(version) if version.starts_with("3.") => {
                fine("traefik", format!("Traefik {version} answers at {url}"))
            }
            Ok(version) => wrong(
                "traefik",
                format!("Traefik {version} answers at {url}"),
                "the platform needs Traefik 3",
            ),
            Err(error) => wrong("traefik", with_causes(&error), &*start),
        },
    });
    let Ok(mut address) = config.edge_address() else { return };
    // The running platform may have been told another port by a flag.
    if let Some(port) = home.endpoints().ok().flatten().and_then(|told| told.edge.parse::<Url>().ok()?.port())
    {
        address.set_port(port);
    }
    if address.ip().is_unspecified() {
        address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port());
    }
    let connected = tokio::time::timeout(SOON, tokio::net::TcpStream::connect(address)).await;
    findings.push(match connected {
        Ok(Ok(_)) => fine("entry point", format!("something listens at {address}")),
        Ok(Err(_)) | Err(_) => wrong(
            "entry point",
            format!("nothing listens at {address}, where `edge_listen` says that apps answer"),
            "set `edge_listen` to the address of Traefik's entry point",
        ),
    });
}
