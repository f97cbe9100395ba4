//! Opens the buckets and queues that the settings name: embedded ones, which are made when they are missing, or
//! somebody's S3 and SQS, which must be there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_agent::replay::CameFrom;
use cloudyknight_core::backoff;
use cloudyknight_store::aws::{Meter, SqsQueue, connect};
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::embedded::{DeadLetter, EmbeddedStore, Options, QueueSettings};
use cloudyknight_store::queue::Queue;
use tokio_util::sync::CancellationToken;

use crate::backends::{Commands, Events, QueueUrl, Store};
use crate::config::Config;
use crate::home::Home;

const EVENTS: &str = "events";
const EVENTS_DEAD: &str = "events-dead";
const COMMANDS: &str = "commands";
const COMMANDS_DEAD: &str = "commands-dead";
/// How often a message may be received before it is given up on.
const MAX_RECEIVES: u32 = 5;

pub struct Ports {
    pub workspaces: Arc<dyn Bucket>,
    pub platform: Arc<dyn Bucket>,
    /// `None` where somebody else reads the notifications, or there are none.
    pub events: Option<Arc<dyn Queue>>,
    pub commands: Arc<dyn Queue>,
    /// The dead-letter queues that this process reads.
    pub dead: Vec<DeadLetters>,
    /// Where anything of it is used.
    pub embedded: Option<Arc<EmbeddedStore>>,
    /// What is asked of S3 and SQS, counted.
    pub meters: Vec<Meter>,
}

/// Messages that were given up on.
pub struct DeadLetters {
    /// The queue that they were on before.
    pub of: CameFrom,
    at: Place,
}

/// Where they are.
enum Place {
    Queue(String, Arc<dyn Queue>),
    /// Behind this queue of SQS, which knows where.
    Behind(SqsQueue),
}

impl Ports {
    pub async fn open(home: &Home, config: &Config) -> anyhow::Result<Self> {
        let embedded = embedded(home, config).await?;
        let of_embedded = || embedded.clone().expect("it is opened where a setting asks for it");
        let mut meters = Vec::new();
        let (workspaces, platform): (Arc<dyn Bucket>, Arc<dyn Bucket>) = match &config.store {
            Store::Embedded => {
                let store = of_embedded();
                (store.bucket(&config.workspaces_bucket), store.bucket(&config.platform_bucket))
            }
            Store::S3(endpoint) => {
                let clients = connect(config.connect_store(endpoint)).await?;
                meters.push(clients.meter());
                let bucket = |name: &String| Arc::new(clients.bucket(name));
                (bucket(&config.workspaces_bucket), bucket(&config.platform_bucket))
            }
        };
        let mut dead = Vec::new();
        let events: Option<Arc<dyn Queue>> = match &config.events {
            Events::Embedded => {
                let at = Place::Queue(EVENTS_DEAD.to_owned(), of_embedded().queue(EVENTS_DEAD));
                dead.push(DeadLetters { of: CameFrom::Events, at });
                Some(of_embedded().queue(EVENTS))
            }
            Events::Sqs(url) => {
                let queue = sqs(config, url, &mut meters).await?;
                dead.push(DeadLetters { of: CameFrom::Events, at: Place::Behind(queue.clone()) });
                Some(Arc::new(queue))
            }
            Events::None => None,
        };
        let commands: Arc<dyn Queue> = match &config.commands {
            Commands::Embedded => {
                let at = Place::Queue(COMMANDS_DEAD.to_owned(), of_embedded().queue(COMMANDS_DEAD));
                dead.push(DeadLetters { of: CameFrom::Commands, at });
                of_embedded().queue(COMMANDS)
            }
            Commands::Sqs(url) => {
                let queue = sqs(config, url, &mut meters).await?;
                // Where the functions run elsewhere, so does the one for dead letters.
                if config.events != Events::None {
                    dead.push(DeadLetters { of: CameFrom::Commands, at: Place::Behind(queue.clone()) });
                }
                Arc::new(queue)
            }
        };
        Ok(Self { workspaces, platform, events, commands, dead, embedded, meters })
    }
}

async fn sqs(config: &Config, queue: &QueueUrl, meters: &mut Vec<Meter>) -> anyhow::Result<SqsQueue> {
    let clients = connect(config.connect_queue(queue)).await?;
    meters.push(clients.meter());
    Ok(clients.queue(&queue.url))
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl DeadLetters {
    /// The queue and its name, however long it takes to learn. `None` when there is none, or on shutdown. A queue without
    /// one is worth a warning and no more: what cannot be handled then comes again until it expires.
    pub async fn find(self, shutdown: &CancellationToken) -> Option<(String, Arc<dyn Queue>)> {
        let queue = match self.at {
            Place::Queue(name, queue) => return Some((name, queue)),
            Place::Behind(queue) => queue,
        };
        for failures in 0.. {
            match shutdown.run_until_cancelled(queue.dead_letter_queue()).await? {
                Ok(Some(dead)) => return Some((dead.name().to_owned(), Arc::new(dead))),
                Ok(None) => {
                    let name = queue.name();
                    tracing::warn!(
                        queue = name,
                        "the queue has no dead-letter queue: what cannot be handled comes again and again"
                    );
                    return None;
                }
                Err(error) if failures == 0 => {
                    let hint = cloudyknight_store::hint::of(&error);
                    let error = cloudyknight_agent::deploy::with_causes(&error);
                    tracing::warn!(
                        queue = queue.name(),
                        error,
                        hint,
                        "its dead-letter queue cannot be found; trying on"
                    );
                }
                Err(_) => {}
            }
            let random = getrandom::u32().unwrap_or(u32::MAX);
            let pause = backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE, random);
            shutdown.run_until_cancelled(tokio::time::sleep(pause)).await?;
        }
        None
    }
}

/// The embedded store with its buckets, its queues and the wiring between them; what is there already stays.
pub async fn embedded(home: &Home, config: &Config) -> anyhow::Result<Option<Arc<EmbeddedStore>>> {
    let (objects, events) = (config.store == Store::Embedded, config.events == Events::Embedded);
    let commands = config.commands == Commands::Embedded;
    if !(objects || events || commands) {
        return Ok(None);
    }
    let store =
        EmbeddedStore::open(&home.store(), Options::default()).context("the embedded store did not open")?;
    if objects {
        for bucket in [&config.workspaces_bucket, &config.platform_bucket] {
            store.create_bucket(bucket).await?;
        }
    }
    for (wanted, queue, dead, fifo) in
        [(events, EVENTS, EVENTS_DEAD, false), (commands, COMMANDS, COMMANDS_DEAD, true)]
    {
        if wanted {
            store.create_queue(dead, QueueSettings { fifo, dead_letter: None }).await?;
            let dead_letter = DeadLetter { queue: dead.to_owned(), max_receives: MAX_RECEIVES };
            store.create_queue(queue, QueueSettings { fifo, dead_letter: Some(dead_letter) }).await?;
        }
    }
    if objects {
        store.notify(&config.workspaces_bucket, EVENTS).await?;
    }
    Ok(Some(store))
}
