//! The agent's inbox: commands from the queue and wake-ups from inside, one reconcile a workspace at a time,
//! several workspaces at once.
//!
//! A command stays in flight until its reconcile is done, and is kept so by a heartbeat: an agent that dies gives
//! it back. What arrives for a workspace that is being reconciled is remembered as one more look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_core::backoff;
use cloudyknight_core::command::{Cause, Command};
use cloudyknight_core::origin::{Moment, Origin};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::queue::{Message, Queue, QueueError, Receipt};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use crate::deploy::with_causes;
use crate::journal::Journal;
use crate::reconcile::{Ask, Next, Reconciler};

pub struct Inbox {
    commands: Arc<dyn Queue>,
    reconciler: Arc<Reconciler>,
    journal: Arc<Journal>,
    desks: Mutex<HashMap<WorkspaceName, Desk>>,
    /// Why commands cannot be received at the moment.
    trouble: Mutex<Option<Arc<QueueError>>>,
    /// Whether it is known what runs, and which archives may have been taken in part: before that, nothing is done.
    is_open: watch::Sender<bool>,
}

/// What the agent was asked to look at and is not done with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Held {
    pub workspace: WorkspaceName,
    /// Why: of several reasons the last.
    pub cause: Cause,
    /// When the first of them came.
    pub since: Moment,
    /// Commands that stay in flight on the queue until it is done.
    pub commands: usize,
    pub now: Doing,
    /// Something came while it was looked at: one more look follows.
    pub again: bool,
}

/// What becomes of a workspace at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// The agent begins, and does not know yet what runs.
    #[default]
    Waiting,
    /// It is looked at, and deployed where that is needed.
    Working,
    /// Something that is needed did not answer: another try follows.
    Pausing,
}

/// What waits for one workspace. There is one while, and only while, a task works on it.
struct Desk {
    /// Something came in that is worth more than a look some time.
    came: Arc<Notify>,
    /// Why to look again; `None` when the running reconcile is the last one asked for.
    again: Option<Ask>,
    receipts: Vec<Receipt>,
    /// The last reason to look.
    cause: Cause,
    since: Moment,
    doing: Doing,
}

impl Desk {
    fn new(cause: Cause) -> Self {
        Self {
            came: Arc::default(),
            again: None,
            receipts: Vec::new(),
            cause,
            since: Moment::of(OffsetDateTime::now_utc()),
            doing: Doing::default(),
        }
    }
}

const BATCH: usize = 10;
const POLL: Duration = Duration::from_secs(20);
/// How long a command stays away from everybody when its agent dies, or when a poll is answered that nobody awaits any more.
const VISIBILITY: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon a command that is not understood comes again.
const PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Inbox {
    pub fn new(commands: Arc<dyn Queue>, reconciler: Arc<Reconciler>) -> Arc<Self> {
        let (desks, trouble, is_open) = (Mutex::default(), Mutex::default(), watch::Sender::new(false));
        let journal = reconciler.journal.clone();
        Arc::new(Self { commands, reconciler, journal, desks, trouble, is_open })
    }

    /// From now on what comes in is worked on, and what came in before.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Receives commands until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            match self.commands.receive(BATCH, POLL, VISIBILITY).await {
                Ok(messages) => {
                    if failures > 0 {
                        tracing::info!("commands can be received again");
                        self.note(None);
                    }
                    failures = 0;
                    for message in messages {
                        self.take(message).await;
                    }
                }
                Err(error) => {
                    if failures == 0 {
                        let hint = cloudyknight_store::hint::of(&error);
                        tracing::warn!(
                            error = with_causes(&error),
                            hint,
                            "no commands can be received; trying on"
                        );
                    }
                    self.note(Some(error));
                    let random = getrandom::u32().unwrap_or(u32::MAX);
                    let pause = backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE, random);
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn note(&self, trouble: Option<QueueError>) {
        *self.trouble.lock().expect("nothing panics while it holds this") = trouble.map(Arc::new);
    }

    /// Why commands cannot be received at the moment; `None` when they can.
    pub fn trouble(&self) -> Option<Arc<QueueError>> {
        self.trouble.lock().expect("nothing panics while it holds this").clone()
    }

    async fn take(self: &Arc<Self>, message: Message) {
        match Command::from_json(&message.body) {
            Ok(command) => self.received(command, Some(message.receipt)),
            Err(error) => {
                // It stays on the queue until it has come too often, and then is a dead letter that people see.
                let error = with_causes(&error);
                tracing::warn!(message = message.id, error, "a command is not understood");
                if let Err(error) = self.commands.extend(&message.receipt, PAUSE).await {
                    tracing::warn!(error = with_causes(&error), "it comes back later than it could");
                }
            }
        }
    }

    /// Carries out a command that was given up on. It comes from no queue, and so nothing holds it but this process.
    pub fn take_up(self: &Arc<Self>, command: Command) {
        self.received(command, None);
    }

    fn received(self: &Arc<Self>, command: Command, receipt: Option<Receipt>) {
        self.journal.received(&command);
        let received_at = Some(Moment::of(OffsetDateTime::now_utc()));
        let Command { workspace, cause, traceparent, origin, .. } = command;
        let origin = Some(Origin { received_at, ..origin.unwrap_or_default() });
        self.put(workspace, Ask { cause, traceparent, by: None, origin }, receipt);
    }

    /// Has a look taken at a workspace, now or right after the running one.
    pub fn wake(self: &Arc<Self>, workspace: WorkspaceName, cause: Cause) {
        self.put(workspace, Ask { cause, traceparent: None, by: None, origin: None }, None);
    }

    /// The same, because somebody asked for it through the API.
    pub fn wake_for(self: &Arc<Self>, workspace: WorkspaceName, cause: Cause, by: &str) {
        self.put(workspace, Ask { cause, traceparent: None, by: Some(by.to_owned()), origin: None }, None);
    }

    /// All that it was asked for and is not done with, the oldest first.
    pub fn held(&self) -> Vec<Held> {
        let held = |(workspace, desk): (&WorkspaceName, &Desk)| Held {
            workspace: workspace.clone(),
            cause: desk.cause.clone(),
            since: desk.since,
            commands: desk.receipts.len(),
            now: desk.doing,
            again: desk.doing == Doing::Working && desk.again.is_some(),
        };
        let mut all: Vec<Held> = self.lock().iter().map(held).collect();
        all.sort_by(|one, two| (one.since, &one.workspace).cmp(&(two.since, &two.workspace)));
        all
    }

    pub fn is_busy(&self, workspace: &WorkspaceName) -> bool {
        self.lock().contains_key(workspace)
    }

    fn put(self: &Arc<Self>, workspace: WorkspaceName, ask: Ask, receipt: Option<Receipt>) {
        if matches!(ask.cause, Cause::Archive { .. }) {
            // Of several reasons to look, the last is told; this one must not get lost.
            self.reconciler.expect_archive(&workspace);
        }
        let mut desks = self.lock();
        let is_new = !desks.contains_key(&workspace);
        let desk = desks.entry(workspace.clone()).or_insert_with(|| Desk::new(ask.cause.clone()));
        if is_new {
            tokio::spawn(self.clone().work(workspace.clone()));
        } else if ask.cause != Cause::Sweep {
            // A sweep repeats itself, and would wear out every pause.
            desk.came.notify_one();
        }
        desk.cause = ask.cause.clone();
        desk.again = Some(ask);
        desk.receipts.extend(receipt);
        drop(desks);
        if !is_new {
            self.reconciler.hint(&workspace);
        }
    }

    /// Reconciles one workspace for as long as there is a reason to.
    async fn work(self: Arc<Self>, workspace: WorkspaceName) {
        let heartbeat = self.clone().keep_in_flight(workspace.clone());
        let _heartbeat = AbortOnDrop(tokio::spawn(heartbeat));
        let _cleared = ClearOnDrop { inbox: self.clone(), workspace: workspace.clone() };
        self.is_open.subscribe().wait_for(|is_open| *is_open).await.expect("we hold the sender");
        loop {
            let (ask, covered, came) = {
                let mut desks = self.lock();
                let Some(desk) = desks.get_mut(&workspace) else { return };
                let Some(ask) = desk.again.take() else {
                    desks.remove(&workspace);
                    return;
                };
                desk.doing = Doing::Working;
                (ask, desk.receipts.clone(), desk.came.clone())
            };
            match self.reconciler.reconcile(&workspace, &ask).await {
                Next::Done => self.finish(&workspace, covered).await,
                Next::RetryAfter(pause) => {
                    if let Some(desk) = self.lock().get_mut(&workspace) {
                        desk.doing = Doing::Pausing;
                    }
                    // What comes in meanwhile, such as a push that mends it, is worth a try at once.
                    let mended = async {
                        tokio::select! {
                            () = came.notified() => {}
                            () = self.reconciler.pushed(&workspace) => {}
                        }
                    };
                    let _ = tokio::time::timeout(pause, mended).await;
                    if let Some(desk) = self.lock().get_mut(&workspace) {
                        desk.again.get_or_insert(ask);
                    }
                }
            }
        }
    }

    /// Takes the commands that the last reconcile answered off the queue.
    async fn finish(&self, workspace: &WorkspaceName, covered: Vec<Receipt>) {
        if covered.is_empty() {
            return;
        }
        if let Some(desk) = self.lock().get_mut(workspace) {
            desk.receipts.retain(|receipt| !covered.contains(receipt));
        }
        if let Err(error) = self.commands.delete(covered).await {
            // They come again, and find nothing to do.
            tracing::warn!(%workspace, error = with_causes(&error), "commands could not be deleted");
        }
    }

    async fn keep_in_flight(self: Arc<Self>, workspace: WorkspaceName) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let receipts = self.lock().get(&workspace).map(|desk| desk.receipts.clone()).unwrap_or_default();
            if receipts.is_empty() {
                continue;
            }
            match self.commands.extend_all(&receipts, VISIBILITY).await {
                Ok(()) => {}
                Err(QueueError::Refused { .. }) => self.let_go(&workspace, &receipts).await,
                Err(error) => {
                    tracing::warn!(%workspace, error = with_causes(&error), "a heartbeat failed");
                }
            }
        }
    }

    /// Forgets the receipts that ran out, as they do after 12 hours on SQS: those commands come again.
    async fn let_go(&self, workspace: &WorkspaceName, receipts: &[Receipt]) {
        for receipt in receipts {
            if let Err(QueueError::Refused { .. }) = self.commands.extend(receipt, VISIBILITY).await
                && let Some(desk) = self.lock().get_mut(workspace)
            {
                desk.receipts.retain(|held| held != receipt);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceName, Desk>> {
        self.desks.lock().expect("no thread panics while it holds the desks")
    }
}

/// Takes the desk away when the work ends, also by a panic: the next look would otherwise wait for ever for somebody
/// who is gone.
struct ClearOnDrop {
    inbox: Arc<Inbox>,
    workspace: WorkspaceName,
}

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.inbox.lock().remove(&self.workspace);
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
