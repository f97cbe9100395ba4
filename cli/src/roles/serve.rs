//! The process that holds everything but the traffic: the agent and its API, and whatever of the S3 server, the queues
//! and the functions the settings do not name elsewhere. With the embedded store they share one file, and a change goes
//! from one to the next without a network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_agent::access::secret::Secret;
use cloudyknight_agent::engine::Engine;
use cloudyknight_agent::lines::Lines;
use cloudyknight_agent::trouble::{FunctionTroubles, Trouble};
use cloudyknight_agent::uploads::Reach;
use cloudyknight_agent::{Agent, api};
use cloudyknight_functions::ingest::{self, Ingest};
use cloudyknight_functions::pump;
use cloudyknight_store::aws::connect;
use cloudyknight_store::embedded::s3;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::journalist::Journalist;
use super::lock::RoleLock;
use super::ports::Ports;
use super::watched::Watched;
use crate::backends::Store;
use crate::config::Config;
use crate::errors::{self, hinted};
use crate::home::{Endpoints, Failure, Home, Secrets};
use crate::mount;
use crate::mount::witness::Keepers;

pub async fn run(home: Home, config: Config, log: Arc<Lines>) -> anyhow::Result<()> {
    home.make()?;
    super::raise_file_limit();
    let _lock = RoleLock::take(&home, "serve").await?;
    let secrets = home.secrets()?;
    let s3_listener = match config.store {
        Store::Embedded => Some(listen("S3 server", config.s3_address()?, "CLOUDYKNIGHT_S3_LISTEN").await?),
        Store::S3(_) => None,
    };
    let api_listener = listen("API", config.api_address()?, "CLOUDYKNIGHT_API_LISTEN").await?;
    let ingest_listener = match config.ingest_address()? {
        Some(address) => Some(listen("ingest webhook", address, "CLOUDYKNIGHT_INGEST_LISTEN").await?),
        None => None,
    };
    let ports = Ports::open(&home, &config).await?;

    let settings = config.agent(&home)?;
    prepare_source_dir(&settings.source_dir)?;
    let engine = Engine::new(config.docker_host.clone(), settings.platform.clone());
    let receives = ports.events.is_some();
    let sends = receives || config.sweep_interval_s > 0;
    let functions =
        FunctionTroubles { events: receives.then(Trouble::default), sending: sends.then(Trouble::default) };
    let s3 = match (&s3_listener, &config.store) {
        (Some(listener), _) => url(listener.local_addr()?),
        (None, store) => store.to_string(),
    };
    let plugged = cloudyknight_agent::Ports {
        reach: reach(&config, &s3, &secrets).await?,
        workspaces: ports.workspaces.clone(),
        platform: ports.platform.clone(),
        commands: ports.commands.clone(),
        events: ports.events.clone(),
        edge: crate::traefik::edge_link(&config, &home, &engine, &settings.policy),
        engine,
        meters: ports.meters.clone(),
        functions: functions.clone(),
        log,
    };
    let agent = Agent::new(settings, plugged).await;
    let agent = agent.with_context(|| format!("could not begin with the store ({})", config.store))?;
    let operator = Secret::given(&secrets.api_token).context("the API's token is empty or too long")?;
    let router = api::router(agent.clone(), &operator);
    agent.answer_containers(router.clone());
    let (journal, replay, streams) = (agent.journal().clone(), agent.replay().clone(), agent.clone());
    let observer = Arc::new(Journalist(journal.clone()));

    let webhook = ingest_listener.as_ref().map(|listener| listener.local_addr()).transpose()?.map(url);
    home.forget_failure()?;
    home.write_endpoints(&Endpoints {
        s3: s3.clone(),
        edge: config.edge_url()?,
        api: url(api_listener.local_addr()?),
        ingest: webhook,
    })?;
    tracing::info!(s3, api = %api_listener.local_addr()?, "the platform is up");

    let shutdown = CancellationToken::new();
    let wait = || shutdown.clone().cancelled_owned();
    let Ports { workspaces, platform, events, commands, dead, embedded, .. } = ports;
    let commands = match functions.sending {
        Some(trouble) => Watched::sending(commands, trouble),
        None => commands,
    };
    let mut parts = tokio::task::JoinSet::new();
    if let Some((listener, store)) = s3_listener.zip(embedded) {
        let keepers = Keepers::of(&config.workspaces_bucket);
        let changes = bind(&mount::Files(&home).changes())?;
        store.tell(keepers.clone());
        parts.spawn(part("changes", keepers.serve(changes, wait())));
        let Secrets { access_key, secret_key, .. } = secrets.clone();
        let credentials = s3::Credentials { access_key, secret_key };
        parts.spawn(part("S3", s3::serve(listener, store, credentials, wait())));
    }
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    parts.spawn(part("API", axum::serve(api_listener, service).with_graceful_shutdown(wait()).into_future()));
    let bucket = || config.workspaces_bucket.clone();
    if let Some(events) = events {
        if let Some(listener) = ingest_listener {
            let token = config.ingest_token.clone().unwrap_or(secrets.ingest_token);
            let ingest = Arc::new(Ingest::new(token, events.clone(), bucket()));
            parts.spawn(part("ingest", ingest::serve(listener, ingest, wait())));
        }
        journal.hears_notifications();
        let events = match functions.events {
            Some(trouble) => Watched::receiving(events, trouble),
            None => events,
        };
        let (commands, shutdown) = (commands.clone(), shutdown.clone());
        let changed = pump::object_changed(events, commands, bucket(), observer.clone(), shutdown);
        parts.spawn(whole("object_changed", changed));
    }
    for letters in dead {
        let (bucket, platform, shutdown) = (bucket(), platform.clone(), shutdown.clone());
        let (observer, replay, of) = (observer.clone(), replay.clone(), letters.of);
        // Not one of the parts: one that finds no queue to read is done.
        tokio::spawn(async move {
            if let Some((name, queue)) = letters.find(&shutdown).await {
                replay.learn(&name, of);
                pump::dead_letter(queue, name, bucket, platform, observer, shutdown).await;
            }
        });
    }
    if config.sweep_interval_s > 0 {
        let interval = Duration::from_secs(config.sweep_interval_s);
        let sweep = pump::sweep(interval, workspaces, platform, commands, observer, shutdown.clone());
        parts.spawn(whole("sweep", sweep));
    }
    let mut working = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run().await }
    });

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
    streams.end_streams();
    shutdown.cancel();
    let finish = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("connections were still open and are cut off");
    }
    agent.finish().await;
    ended
}

/// How clients reach the workspaces bucket, and whether what they put there is told.
async fn reach(config: &Config, endpoint: &str, secrets: &Secrets) -> anyhow::Result<Reach> {
    let settings = match &config.store {
        Store::Embedded => crate::s3::embedded(endpoint, secrets, config.region()),
        Store::S3(endpoint) => config.connect_store(endpoint),
    };
    let bucket = connect(settings).await?.bucket(&config.workspaces_bucket);
    Ok(Reach { bucket, is_told: config.is_told() })
}

/// Leaves word for `up`, which waits for us, when only somebody who acts can help.
pub fn tell_why(home: &Home, error: &anyhow::Error) {
    if !errors::needs_human(error) {
        return;
    }
    let hint = errors::hint(error).unwrap_or_else(|| "its log is in the `log` folder of the home".to_owned());
    if let Err(error) = home.write_failure(&Failure { message: errors::sentence(error), hint }) {
        tracing::warn!(error = format!("{error:#}"), "could not leave word of the failure");
    }
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

/// A socket in the home, in the place of one that a process before us left.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    UnixListener::bind(path).with_context(|| format!("could not listen at {}", path.display()))
}

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
