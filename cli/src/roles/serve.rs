//! The process that holds everything but the traffic: the S3 server and the queues, the functions, the agent and its
//! API. With the embedded store they share one file, and a change goes from one to the next without a network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_agent::edge_link::EdgeLink;
use cloudyknight_agent::engine::Engine;
use cloudyknight_agent::{Agent, Ports, api};
use cloudyknight_functions::pump;
use cloudyknight_store::embedded::{DeadLetter, EmbeddedStore, Options, QueueSettings, s3};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::lock::RoleLock;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::{Endpoints, Home};
use crate::s3::WORKSPACES;

const PLATFORM: &str = "cloudyknight";
const EVENTS: &str = "events";
const EVENTS_DEAD: &str = "events-dead";
const COMMANDS: &str = "commands";
const COMMANDS_DEAD: &str = "commands-dead";
/// How often a message may be received before it is given up on.
const MAX_RECEIVES: u32 = 5;

pub async fn run(home: Home, config: Config) -> anyhow::Result<()> {
    home.make()?;
    super::raise_file_limit();
    let _lock = RoleLock::take(&home, "serve").await?;
    let secrets = home.secrets()?;
    let s3_listener = listen("S3 server", config.s3_address()?, "CLOUDYKNIGHT_S3_LISTEN").await?;
    let api_listener = listen("API", config.api_address()?, "CLOUDYKNIGHT_API_LISTEN").await?;
    let store =
        EmbeddedStore::open(&home.store(), Options::default()).context("the embedded store did not open")?;
    furnish(&store).await?;

    let settings = config.agent(&home)?;
    prepare_source_dir(&settings.source_dir)?;
    let engine = Engine::new(config.docker_host.clone(), settings.platform.clone());
    let ports = Ports {
        workspaces: store.bucket(WORKSPACES),
        platform: store.bucket(PLATFORM),
        commands: store.queue(COMMANDS),
        engine,
        edge: EdgeLink::new(home.run("edge.sock")),
    };
    let agent = Agent::new(settings, ports).await.context("the platform bucket could not be read")?;
    let router = api::router(agent.clone(), secrets.api_token.clone());

    home.write_endpoints(&Endpoints {
        s3: url(s3_listener.local_addr()?),
        edge: config.edge_url()?,
        api: url(api_listener.local_addr()?),
    })?;
    tracing::info!(s3 = %s3_listener.local_addr()?, api = %api_listener.local_addr()?, "the platform is up");

    let shutdown = CancellationToken::new();
    let wait = || shutdown.clone().cancelled_owned();
    let credentials = s3::Credentials { access_key: secrets.access_key, secret_key: secrets.secret_key };
    let sweep = Duration::from_secs(config.sweep_interval_s);
    let (workspaces, platform) = (store.bucket(WORKSPACES), store.bucket(PLATFORM));
    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(part("S3", s3::serve(s3_listener, store.clone(), credentials, wait())));
    parts.spawn(part("API", axum::serve(api_listener, router).with_graceful_shutdown(wait()).into_future()));
    let (events, commands) = (store.queue(EVENTS), store.queue(COMMANDS));
    parts.spawn(whole(
        "object_changed",
        pump::object_changed(events, commands, WORKSPACES.to_owned(), shutdown.clone()),
    ));
    for queue in [EVENTS_DEAD, COMMANDS_DEAD] {
        let (dead, bucket) = (store.queue(queue), WORKSPACES.to_owned());
        let letters = pump::dead_letter(dead, queue.to_owned(), bucket, platform.clone(), shutdown.clone());
        parts.spawn(whole("dead_letter", letters));
    }
    parts.spawn(whole(
        "sweep",
        pump::sweep(sweep, workspaces, platform, store.queue(COMMANDS), shutdown.clone()),
    ));
    let mut working = tokio::spawn(async move { agent.run().await });

    let ended = tokio::select! {
        result = super::asked_to_stop() => result,
        // Without it S3 would take pushes that nobody deploys.
        ended = &mut working => Err(anyhow::anyhow!("the agent ended by itself: {ended:?}")),
        part = parts.join_next() => {
            let part = part.context("there are parts")?.context("a part of the platform panicked")?;
            part.and_then(|name| Err(anyhow::anyhow!("the part `{name}` ended by itself")))
        }
    };
    working.abort();
    shutdown.cancel();
    let finish = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("connections were still open and are cut off");
    }
    ended
}

/// For requests under way when the platform is stopped.
const GRACE: Duration = Duration::from_secs(10);

async fn part<E: std::error::Error + Send + Sync + 'static>(
    name: &'static str,
    work: impl Future<Output = Result<(), E>>,
) -> anyhow::Result<&'static str> {
    work.await.with_context(|| format!("the part `{name}` failed"))?;
    Ok(name)
}

async fn whole(name: &'static str, work: impl Future<Output = ()>) -> anyhow::Result<&'static str> {
    work.await;
    Ok(name)
}

/// Buckets, queues and the wiring between them; what is there already stays.
async fn furnish(store: &Arc<EmbeddedStore>) -> anyhow::Result<()> {
    for bucket in [WORKSPACES, PLATFORM] {
        store.create_bucket(bucket).await?;
    }
    for (queue, dead, fifo) in [(EVENTS, EVENTS_DEAD, false), (COMMANDS, COMMANDS_DEAD, true)] {
        store.create_queue(dead, QueueSettings { fifo, dead_letter: None }).await?;
        let dead_letter = DeadLetter { queue: dead.to_owned(), max_receives: MAX_RECEIVES };
        store.create_queue(queue, QueueSettings { fifo, dead_letter: Some(dead_letter) }).await?;
    }
    store.notify(WORKSPACES, EVENTS).await?;
    Ok(())
}

/// The folder for sources must lie in memory: what a workspace holds is not to rest on the disk.
fn prepare_source_dir(dir: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711))?;
    let kind = rustix::fs::statfs(dir).with_context(|| format!("could not look at {}", dir.display()))?;
    if kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC {
        let message = format!("{} does not lie in memory (tmpfs)", dir.display());
        return Err(hinted(message, "set `source_dir` to a folder on a tmpfs"));
    }
    Ok(())
}

/// `statfs(2)`.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
const RAMFS_MAGIC: rustix::fs::FsWord = 0x8584_58f6;

pub async fn listen(what: &str, address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("the {what} could not listen at {address}: {error}");
        hinted(message, format!("another program may use it; {setting} chooses another address"))
    })
}

/// How to reach what listens at this address, from this machine.
fn url(address: SocketAddr) -> String {
    let ip = if address.ip().is_unspecified() { std::net::Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
