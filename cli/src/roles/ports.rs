//! Opens the buckets and queues that the settings name: embedded ones, which are made when they are missing, or
//! somebody's S3 and SQS, which must be there.

use std::sync::Arc;

use anyhow::Context;
use cloudyknight_store::aws::{Meter, SqsQueue, connect};
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::embedded::{DeadLetter, EmbeddedStore, Options, QueueSettings};
use cloudyknight_store::queue::Queue;

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
    /// The dead-letter queues that this process reads, by name.
    pub dead: Vec<(String, Arc<dyn Queue>)>,
    /// Where anything of it is used.
    pub embedded: Option<Arc<EmbeddedStore>>,
    /// What is asked of S3 and SQS, counted.
    pub meters: Vec<Meter>,
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
        let mut dead: Vec<(String, Arc<dyn Queue>)> = Vec::new();
        let events: Option<Arc<dyn Queue>> = match &config.events {
            Events::Embedded => {
                dead.push((EVENTS_DEAD.to_owned(), of_embedded().queue(EVENTS_DEAD)));
                Some(of_embedded().queue(EVENTS))
            }
            Events::Sqs(url) => {
                let queue = sqs(config, url, &mut meters).await?;
                dead.extend(dead_letters(EVENTS, &queue).await);
                Some(Arc::new(queue))
            }
            Events::None => None,
        };
        let commands: Arc<dyn Queue> = match &config.commands {
            Commands::Embedded => {
                dead.push((COMMANDS_DEAD.to_owned(), of_embedded().queue(COMMANDS_DEAD)));
                of_embedded().queue(COMMANDS)
            }
            Commands::Sqs(url) => {
                let queue = sqs(config, url, &mut meters).await?;
                // Where the functions run elsewhere, so does the one for dead letters.
                if config.events != Events::None {
                    dead.extend(dead_letters(COMMANDS, &queue).await);
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

/// The queue behind another. One without is worth a warning and no more: messages then come again until they expire.
async fn dead_letters(which: &str, queue: &SqsQueue) -> Option<(String, Arc<dyn Queue>)> {
    match queue.dead_letter_queue().await {
        Ok(Some(dead)) => Some((dead.name().to_owned(), Arc::new(dead))),
        Ok(None) => {
            tracing::warn!(
                queue = which,
                "the queue has no dead-letter queue: a message that cannot be handled comes again and again"
            );
            None
        }
        Err(error) => {
            let hint = cloudyknight_store::hint::of(&error);
            let error = cloudyknight_agent::deploy::with_causes(&error);
            tracing::warn!(
                queue = which,
                error,
                hint,
                "its dead-letter queue could not be found, and is not read"
            );
            None
        }
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
