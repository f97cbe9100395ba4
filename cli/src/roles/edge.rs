//! The edge process: carries the traffic by the table it was told last, whether or not the agent runs.

use anyhow::Context;
use cloudyknight_agent::edge_link::EdgeKind;
use cloudyknight_edge::{Edge, Options, control};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::lock::RoleLock;
use super::serve::listen;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;

pub async fn run(home: Home, config: Config) -> anyhow::Result<()> {
    if config.edge == EdgeKind::Traefik {
        let message = "`edge` is \"traefik\": there is no edge of ours to run";
        return Err(hinted(
            message,
            "docs/traefik.md says how Traefik is started; or set `edge` to \"embedded\"",
        ));
    }
    home.make()?;
    super::raise_file_limit();
    let _lock = RoleLock::take(&home, "edge").await?;
    let listener: TcpListener = listen("edge", config.edge_address()?, "CLOUDYKNIGHT_EDGE_LISTEN").await?;
    let control =
        control::bind(&home.run("edge.sock")).await.context("the edge could not listen for orders")?;
    let edge = Edge::new(Options {
        saved_table: Some(home.run("routes.json")),
        trusted_proxies: config.proxies()?,
        ..Options::default()
    });
    tracing::info!(address = %listener.local_addr()?, "the edge carries traffic");
    let shutdown = CancellationToken::new();
    let signal = async {
        let result = super::asked_to_stop().await;
        shutdown.cancel();
        result
    };
    let traffic = cloudyknight_edge::serve(edge.clone(), listener, shutdown.clone().cancelled_owned());
    let orders = control::serve(edge.clone(), control, shutdown.clone().cancelled_owned());
    let (result, _, _) = tokio::join!(signal, traffic, orders);
    result
}
