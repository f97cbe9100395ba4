//! Dead letters, tried again: a command that was given up on is carried out, and any other message goes back onto the queue
//! that it came from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloudyknight_core::command::Command;
use cloudyknight_core::dead_letter::{DeadLetter, Kind};
use cloudyknight_store::queue::{Outgoing, Queue, QueueError};

pub struct Replay {
    events: Option<Arc<dyn Queue>>,
    commands: Arc<dyn Queue>,
    /// Has a command carried out in this process.
    take_up: Box<dyn Fn(Command) + Send + Sync>,
    /// Which queue a dead-letter queue lies behind, by its name.
    known: Mutex<BTreeMap<String, CameFrom>>,
}

/// The queue that a message was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameFrom {
    Events,
    Commands,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(
        "of this dead letter only the first {kept} of {whole} bytes were kept, so it cannot be sent again"
    )]
    Truncated { kept: usize, whole: usize },
    #[error("it is not known which queue message `{0}` came from")]
    Unknown(String),
    #[error(
        "the message came from the events queue, and this platform's functions, which read that, run elsewhere"
    )]
    EventsElsewhere,
    #[error("the message could not be sent again")]
    Send(#[source] QueueError),
}

impl Replay {
    pub fn new(
        events: Option<Arc<dyn Queue>>,
        commands: Arc<dyn Queue>,
        take_up: impl Fn(Command) + Send + Sync + 'static,
    ) -> Self {
        Self { events, commands, take_up: Box::new(take_up), known: Mutex::default() }
    }

    /// What lies on the dead-letter queue of this name came from there.
    pub fn learn(&self, dead_letter_queue: &str, origin: CameFrom) {
        self.lock().insert(dead_letter_queue.to_owned(), origin);
    }

    /// Has the message of a dead letter tried again, so that it is lost no more. `unique` tells this attempt from others: the
    /// same message, sent twice, is to arrive twice.
    ///
    /// A command does not take the way by its queue, to which this identity need not have the right to send: it asks for a
    /// look, and an agent that ends before it has looked begins by looking at everything. One that this agent does not
    /// understand is for another, and is sent.
    pub async fn again(&self, letter: &DeadLetter, unique: &str) -> Result<(), ReplayError> {
        if !letter.is_whole() {
            return Err(ReplayError::Truncated { kept: letter.body.len(), whole: letter.body_bytes });
        }
        let known = self.lock().get(&letter.queue).copied();
        let (queue, group) = match known.or_else(|| by_kind(letter.kind)) {
            None => return Err(ReplayError::Unknown(letter.id.clone())),
            Some(CameFrom::Events) => (self.events.as_ref().ok_or(ReplayError::EventsElsewhere)?, None),
            Some(CameFrom::Commands) => {
                if let Ok(command) = Command::from_json(&letter.body) {
                    (self.take_up)(command);
                    return Ok(());
                }
                // Whatever no workspace can be read of has a group of its own.
                let workspace = letter.workspaces.first().map(ToString::to_string);
                (&self.commands, Some(workspace.unwrap_or_else(|| format!("dead-letter-{unique}"))))
            }
        };
        let dedup = group.is_some().then(|| {
            let text = format!("replay {} {unique}", letter.id);
            blake3::hash(text.as_bytes()).to_hex().to_string()
        });
        let message = Outgoing { body: letter.body.clone(), group, dedup };
        queue.send(vec![message]).await.map_err(ReplayError::Send)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, CameFrom>> {
        self.known.lock().expect("no thread panics while it holds the names")
    }
}

fn by_kind(kind: Kind) -> Option<CameFrom> {
    match kind {
        Kind::Command => Some(CameFrom::Commands),
        Kind::Notification => Some(CameFrom::Events),
        Kind::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloudyknight_store::memory::MemoryQueue;

    use super::*;

    struct World {
        events: Arc<MemoryQueue>,
        commands: Arc<MemoryQueue>,
        taken_up: Arc<Mutex<Vec<Command>>>,
        replay: Replay,
    }

    impl World {
        fn new() -> Self {
            let events = Arc::new(MemoryQueue::standard("events"));
            let commands = Arc::new(MemoryQueue::fifo("commands.fifo"));
            let taken_up = Arc::<Mutex<Vec<Command>>>::default();
            let replay = Replay::new(Some(events.clone()), commands.clone(), {
                let taken_up = taken_up.clone();
                move |command| taken_up.lock().unwrap().push(command)
            });
            Self { events, commands, taken_up, replay }
        }
    }

    const COMMAND: &str = r#"{"version":1,"workspace":"app","action":"reconcile","cause":{"kind":"sweep"}}"#;

    fn letter(queue: &str, body: &str) -> DeadLetter {
        DeadLetter::of("m-1", queue, body, "workspaces", "2026-01-02T03:04:05Z".into())
    }

    async fn bodies(queue: &MemoryQueue) -> Vec<(String, Option<String>)> {
        let messages = queue.receive(10, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
        messages.into_iter().map(|message| (message.body, message.group)).collect()
    }

    #[tokio::test]
    async fn a_command_is_carried_out_here_and_sent_to_nobody() {
        let world = World::new();
        world.replay.again(&letter("somewhere-dead", COMMAND), "1").await.unwrap();
        assert_eq!(*world.taken_up.lock().unwrap(), [Command::from_json(COMMAND).unwrap()]);
        assert_eq!(bodies(&world.commands).await, []);
    }

    #[tokio::test]
    async fn a_command_that_is_not_understood_goes_back_in_its_group_and_arrives_each_time() {
        const NEWER: &str =
            r#"{"version":9,"workspace":"app","action":"reconcile","cause":{"kind":"sweep"}}"#;
        let world = World::new();
        let letter = letter("somewhere-dead", NEWER);
        for unique in ["1", "2"] {
            world.replay.again(&letter, unique).await.unwrap();
        }
        assert_eq!(*world.taken_up.lock().unwrap(), []);
        let expected = (NEWER.to_owned(), Some("app".to_owned()));
        assert_eq!(bodies(&world.commands).await, [expected.clone(), expected]);
    }

    #[tokio::test]
    async fn what_nobody_understands_goes_back_where_its_dead_letter_queue_says() {
        let world = World::new();
        let letter = letter("events-dead", "hello");
        assert!(
            matches!(world.replay.again(&letter, "1").await, Err(ReplayError::Unknown(id)) if id == "m-1")
        );
        world.replay.learn("events-dead", CameFrom::Events);
        world.replay.again(&letter, "1").await.unwrap();
        assert_eq!(bodies(&world.events).await, [("hello".to_owned(), None)]);
        assert_eq!(bodies(&world.commands).await, []);
    }

    #[tokio::test]
    async fn a_message_of_which_a_part_is_lost_is_not_sent() {
        let world = World::new();
        let cut = DeadLetter { body_bytes: 1_000_000, ..letter("commands-dead", COMMAND) };
        assert!(matches!(world.replay.again(&cut, "1").await, Err(ReplayError::Truncated { .. })));
        assert_eq!(bodies(&world.commands).await, []);
    }

    #[tokio::test]
    async fn a_notification_cannot_go_back_where_others_read_them() {
        let World { commands, .. } = World::new();
        let replay = Replay::new(None, commands, |_| ());
        replay.learn("events-dead", CameFrom::Events);
        let sent = replay.again(&letter("events-dead", "hello"), "1").await;
        assert!(matches!(sent, Err(ReplayError::EventsElsewhere)), "{sent:?}");
    }
}
