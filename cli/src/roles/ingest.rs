//! The webhook by itself: for a host that is no platform, beside an S3 server that can post and not queue. It puts what
//! comes onto an SQS queue, from which the functions take it, wherever they run.

use std::sync::Arc;

use anyhow::Context;
use cloudyknight_functions::ingest::{self, Ingest};
use cloudyknight_store::aws::connect;
use tokio_util::sync::CancellationToken;

use super::lock::RoleLock;
use super::serve::listen;
use crate::backends::Events;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;

const DEFAULT: &str = "127.0.0.1:9200";

pub async fn run(home: Home, mut config: Config) -> anyhow::Result<()> {
    let Events::Sqs(queue) = config.events.clone() else {
        let message = "the webhook by itself needs a queue that others read, and `events` names none";
        return Err(hinted(
            message,
            "set `events` to the URL of an SQS queue; `run` serves the webhook beside an embedded queue",
        ));
    };
    home.make()?;
    let _lock = RoleLock::take(&home, "ingest").await?;
    config.ingest_listen.get_or_insert_with(|| DEFAULT.to_owned());
    let address = config.ingest_address()?.context("it was just set")?;
    let listener = listen("ingest webhook", address, "CLOUDYKNIGHT_INGEST_LISTEN").await?;
    let events = connect(config.connect_queue(&queue)).await?.queue(&queue.url);
    let token = match config.ingest_token {
        Some(token) => token,
        None => home.secrets()?.ingest_token,
    };
    let ingest = Arc::new(Ingest::new(token, Arc::new(events), config.workspaces_bucket));
    tracing::info!(address = %listener.local_addr()?, queue = queue.url, "the webhook takes events");
    let shutdown = CancellationToken::new();
    let served = ingest::serve(listener, ingest, shutdown.clone().cancelled_owned());
    let stop = async {
        let asked = super::asked_to_stop().await;
        shutdown.cancel();
        asked
    };
    let (asked, served) = tokio::join!(stop, served);
    served.context("the webhook failed")?;
    asked
}
