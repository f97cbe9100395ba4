//! The status of every workspace: kept in memory for whoever asks, and in the platform bucket so that it outlives
//! the host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::status::{Deployment, Outcome, State, Step, WorkspaceStatus};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::identity::DeploymentId;
use crate::reconcile::Ask;

pub struct Board {
    statuses: Mutex<BTreeMap<WorkspaceName, WorkspaceStatus>>,
    /// Counts changes; whoever waits for one watches this.
    changes: watch::Sender<u64>,
    platform: Arc<dyn Bucket>,
    documents: Mutex<BTreeMap<WorkspaceName, Document>>,
    /// What was read back and not looked at since: it may have run on another host, or until this one stopped.
    hearsay: Mutex<BTreeSet<WorkspaceName>>,
    /// Whose status says that something is over, and nobody has tried to write that down yet.
    untold: Mutex<BTreeSet<WorkspaceName>>,
    /// When somebody else was last seen to write these documents.
    rival_at: Mutex<Option<String>>,
}

/// What is known of a status document in the platform bucket.
#[derive(Clone, Default)]
struct Document {
    /// The version that we read or wrote last; `None` when there was none.
    etag: Option<String>,
    /// The digest of what was sent last, and may have arrived although no answer came.
    sent: Option<blake3::Hash>,
    /// Something is to be written that has not been.
    is_behind: bool,
}

/// The most dead letters that are shown at once.
const DEAD_LETTERS: usize = 100;

/// Where the status of a workspace lies in the platform bucket.
pub fn key(workspace: &WorkspaceName) -> String {
    format!("status/{workspace}.json")
}

pub fn now() -> String {
    OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .expect("the time of a running system has a year of four digits")
}

impl Board {
    /// Reads back what was saved. A document that cannot be read is left out and said so: it is only a report, and
    /// the next deployment writes it anew.
    pub async fn load(platform: Arc<dyn Bucket>) -> Result<Self, BucketError> {
        let (mut statuses, mut documents) = (BTreeMap::new(), BTreeMap::new());
        for object in platform.list("status/").await? {
            let content = platform.get(&object.key, None).await?;
            let name = object.key.strip_prefix("status/").and_then(|name| name.strip_suffix(".json"));
            if let Some(Ok(name)) = name.map(str::parse) {
                // Also of a document that cannot be read: it is there, and will be replaced.
                documents.insert(
                    name,
                    Document { etag: Some(content.object.etag.clone()), ..Document::default() },
                );
            }
            match serde_json::from_slice::<WorkspaceStatus>(&content.bytes().await?) {
                Ok(mut status) => {
                    forget_unfinished(&mut status);
                    statuses.insert(status.workspace.clone(), status);
                }
                Err(error) => tracing::warn!(key = object.key, %error, "a status document is not readable"),
            }
        }
        Ok(Self {
            hearsay: Mutex::new(statuses.keys().cloned().collect()),
            statuses: Mutex::new(statuses),
            changes: watch::Sender::new(0),
            platform,
            documents: Mutex::new(documents),
            untold: Mutex::default(),
            rival_at: Mutex::default(),
        })
    }

    pub fn get(&self, workspace: &WorkspaceName) -> Option<WorkspaceStatus> {
        self.lock().get(workspace).cloned()
    }

    /// By name.
    pub fn all(&self) -> Vec<WorkspaceStatus> {
        self.lock().values().cloned().collect()
    }

    /// Marked as changed whenever any status changes.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn update(&self, workspace: &WorkspaceName, change: impl FnOnce(&mut WorkspaceStatus)) {
        lock(&self.hearsay).remove(workspace);
        let mut statuses = self.lock();
        let status = statuses
            .entry(workspace.clone())
            .or_insert_with(|| WorkspaceStatus::new(workspace.clone(), now()));
        let before = end(status);
        change(status);
        status.updated_at = now();
        let after = end(status);
        if after.is_some() && after != before {
            // Before anybody reads it.
            lock(&self.untold).insert(workspace.clone());
        }
        drop(statuses);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Whether a status is only what was read back at the start.
    pub fn is_hearsay(&self, workspace: &WorkspaceName) -> bool {
        lock(&self.hearsay).contains(workspace)
    }

    /// What the status says was found to be true.
    pub fn confirm(&self, workspace: &WorkspaceName) {
        if lock(&self.hearsay).remove(workspace) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Writes the status to the platform bucket. Until it has worked once, [`Board::is_behind`].
    ///
    /// One agent writes there: a document that is not the one we wrote last means that another agent follows the same
    /// buckets. What runs here is still told, and the other one is, too.
    pub async fn save(&self, workspace: &WorkspaceName) -> Result<(), BucketError> {
        let saved = self.write(workspace).await;
        self.has_tried(workspace);
        saved
    }

    async fn write(&self, workspace: &WorkspaceName) -> Result<(), BucketError> {
        let Some(status) = self.get(workspace) else { return Ok(()) };
        let text = Bytes::from(serde_json::to_vec(&status).expect("a status is plain data"));
        let before = {
            let mut documents = lock(&self.documents);
            let document = documents.entry(workspace.clone()).or_default();
            let before = document.clone();
            (document.is_behind, document.sent) = (true, Some(blake3::hash(&text)));
            before
        };
        let condition = before.etag.clone().map_or(Condition::Absent, Condition::Unchanged);
        let etag = match self.platform.put_if(&key(workspace), text.clone(), &condition).await {
            Err(BucketError::Changed { .. }) => self.overwrite(workspace, text, before.sent).await?,
            written => written?,
        };
        let written = Document { etag: Some(etag), sent: None, is_behind: false };
        lock(&self.documents).insert(workspace.clone(), written);
        Ok(())
    }

    /// Whether a status says that something is over which nobody has tried to write down yet: an agent that ended now
    /// would be followed by one that knows nothing of it.
    pub fn is_untold(&self, workspace: &WorkspaceName) -> bool {
        lock(&self.untold).contains(workspace)
    }

    /// Somebody has tried to write it down, or something that comes before it.
    pub fn has_tried(&self, workspace: &WorkspaceName) {
        if lock(&self.untold).remove(workspace) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Whether the platform bucket still tells something older of a workspace than we know.
    pub fn is_behind(&self, workspace: &WorkspaceName) -> bool {
        lock(&self.documents).get(workspace).is_some_and(|document| document.is_behind)
    }

    /// `sent` is what an earlier attempt may have written without our being told.
    async fn overwrite(
        &self,
        workspace: &WorkspaceName,
        text: Bytes,
        sent: Option<blake3::Hash>,
    ) -> Result<String, BucketError> {
        let key = key(workspace);
        match self.platform.get(&key, None).await {
            Ok(there) => {
                let there = blake3::hash(&there.bytes().await?);
                if there != blake3::hash(&text) && Some(there) != sent {
                    tracing::warn!(%workspace, "another agent writes to the platform bucket; only one may follow these buckets");
                    *lock(&self.rival_at) = Some(now());
                }
            }
            // Somebody deleted it, which takes nothing from us.
            Err(BucketError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        self.platform.put(&key, text).await
    }

    /// When another agent was last seen to write to the platform bucket, since this one started.
    pub fn rival_at(&self) -> Option<String> {
        lock(&self.rival_at).clone()
    }

    /// What was given up on: messages that no handler could deal with.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, BucketError> {
        Ok(self.dead_letters_after("", DEAD_LETTERS).await?.0)
    }

    /// At most `limit` of them, in the order of their keys, from behind the key `after` on; and the key to go on from, where
    /// there are more. Of a long message its beginning is shown.
    pub async fn dead_letters_after(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<String>), BucketError> {
        let mut objects = self.platform.list(DeadLetter::PREFIX).await?;
        objects.retain(|object| object.key.as_str() > after);
        let is_more = objects.len() > limit;
        objects.truncate(limit);
        let next = objects.last().filter(|_| is_more).map(|object| object.key.clone());
        let mut letters = Vec::new();
        for object in objects {
            let text = match self.platform.get(&object.key, None).await {
                Ok(content) => content.bytes().await?,
                // Somebody dealt with it meanwhile.
                Err(BucketError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            letters.extend(serde_json::from_slice::<DeadLetter>(&text).ok().map(DeadLetter::shortened));
        }
        Ok((letters, next))
    }

    /// One of them, whole.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BucketError> {
        match self.platform.get(&DeadLetter::key_of(id), None).await {
            Ok(content) => Ok(serde_json::from_slice(&content.bytes().await?).ok()),
            Err(BucketError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn forget_dead_letter(&self, id: &str) -> Result<(), BucketError> {
        self.platform.delete(&DeadLetter::key_of(id)).await
    }

    /// The statuses that are not those that were seen, by when they were updated.
    pub fn other_than(&self, seen: &BTreeMap<WorkspaceName, String>) -> Vec<WorkspaceStatus> {
        let statuses = self.lock();
        let is_new = |status: &&WorkspaceStatus| seen.get(&status.workspace) != Some(&status.updated_at);
        statuses.values().filter(is_new).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkspaceName, WorkspaceStatus>> {
        lock(&self.statuses)
    }
}

/// What is over: the state, and when the deployment ended. `None` while one is on its way.
fn end(status: &WorkspaceStatus) -> Option<(State, Option<String>)> {
    let finished = status.deployment.as_ref().and_then(|deployment| deployment.finished_at.clone());
    let is_over = !matches!(status.state, State::Deploying | State::Updating);
    is_over.then_some((status.state, finished))
}

/// Nobody drains any more what an agent before this one was draining when it ended.
fn forget_unfinished(status: &mut WorkspaceStatus) {
    if let Some(deployment) = &mut status.deployment
        && deployment.outcome != Outcome::Running
    {
        deployment.steps.retain(|step| step.took_ms.is_some());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds the board")
}

/// The steps of one deployment, told to the board as they happen.
#[derive(Clone)]
pub struct Progress {
    board: Arc<Board>,
    workspace: WorkspaceName,
    deployment: String,
    started: Instant,
}

/// When a deployment began, by both clocks.
#[derive(Clone, Debug)]
pub struct Began {
    at: String,
    instant: Instant,
}

impl Began {
    pub fn now() -> Self {
        Self { at: now(), instant: Instant::now() }
    }
}

impl Progress {
    pub fn start(
        board: Arc<Board>,
        workspace: WorkspaceName,
        id: &DeploymentId,
        Ask { cause, by, traceparent, origin }: Ask,
        restarts: u64,
        began: Began,
    ) -> Self {
        let Began { at, instant } = began;
        board.update(&workspace, |status| {
            let previous = status.release.clone();
            status.state = if status.release.is_some() { State::Updating } else { State::Deploying };
            status.deployment = Some(Deployment {
                id: id.to_string(),
                release: None,
                cause,
                by,
                traceparent,
                origin,
                started_at: at,
                finished_at: None,
                outcome: Outcome::Running,
                steps: Vec::new(),
                restarts,
                previous,
                live_at: None,
                instead: None,
                before: None,
            });
        });
        Self { board, workspace, deployment: id.to_string(), started: instant }
    }

    /// Runs one step of the deployment, and records when it began and how long it took, however it ends.
    pub async fn step<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let began = self.started.elapsed();
        self.steps(|steps| {
            steps.push(Step { name: name.to_owned(), at_ms: began.as_millis() as u64, took_ms: None });
        });
        let result = work.await;
        let took = (self.started.elapsed() - began).as_millis() as u64;
        self.steps(|steps| {
            if let Some(step) =
                steps.iter_mut().rev().find(|step| step.name == name && step.took_ms.is_none())
            {
                step.took_ms = Some(took);
            }
        });
        tracing::debug!(workspace = %self.workspace, step = name, took_ms = took, "step done");
        result
    }

    /// Records a step that began with the deployment and is over by now.
    pub fn was(&self, name: &str) {
        let took_ms = Some(self.started.elapsed().as_millis() as u64);
        self.steps(|steps| steps.push(Step { name: name.to_owned(), at_ms: 0, took_ms }));
    }

    /// The last step of this name, as it is recorded.
    pub fn last(&self, name: &str) -> Option<Step> {
        let status = self.board.get(&self.workspace)?;
        let deployment = self.deployment_in(status.deployment.as_ref()?)?;
        deployment.steps.iter().rev().find(|step| step.name == name).cloned()
    }

    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Has the platform bucket know how far it is.
    pub async fn tell(&self) -> Result<(), BucketError> {
        self.board.save(&self.workspace).await
    }

    /// The steps of this deployment, as long as the status tells of it; a later one has its own.
    fn steps(&self, change: impl FnOnce(&mut Vec<Step>)) {
        let is_told = |status: WorkspaceStatus| self.deployment_in(status.deployment.as_ref()?).map(drop);
        if self.board.get(&self.workspace).and_then(is_told).is_none() {
            return;
        }
        self.board.update(&self.workspace, |status| {
            let last = status.deployment.as_mut();
            let found = last.and_then(|last| match last.id == self.deployment {
                true => Some(last),
                false => last.before.as_deref_mut().filter(|before| before.id == self.deployment),
            });
            if let Some(deployment) = found {
                change(&mut deployment.steps);
            }
        });
    }

    fn deployment_in<'a>(&self, last: &'a Deployment) -> Option<&'a Deployment> {
        [Some(last), last.before.as_deref()].into_iter().flatten().find(|one| one.id == self.deployment)
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
    use cloudyknight_store::memory::MemoryBucket;

    use super::*;

    struct World {
        bucket: Arc<FailingBucket>,
        app: WorkspaceName,
    }

    impl World {
        fn new() -> Self {
            let bucket = Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight"))));
            Self { bucket, app: "app".parse().unwrap() }
        }

        async fn board(&self) -> Board {
            Board::load(self.bucket.clone()).await.unwrap()
        }

        fn tell(&self, board: &Board, state: State) {
            board.update(&self.app, |status| status.state = state);
        }

        async fn written(&self) -> WorkspaceStatus {
            let content = self.bucket.get("status/app.json", None).await.unwrap();
            serde_json::from_slice(&content.bytes().await.unwrap()).unwrap()
        }
    }

    #[tokio::test]
    async fn a_status_that_could_not_be_written_is_known_to_be_behind_until_it_is() {
        let world = World::new();
        let board = world.board().await;
        world.tell(&board, State::Live);
        world.bucket.fail_next(BucketOperation::Put, 1, Fault::Unavailable);
        assert!(board.save(&world.app).await.is_err() && board.is_behind(&world.app));
        board.save(&world.app).await.unwrap();
        assert!(!board.is_behind(&world.app));
        assert_eq!(world.written().await.state, State::Live);
    }

    #[tokio::test]
    async fn what_is_over_is_untold_until_somebody_has_tried_to_write_it_down() {
        let world = World::new();
        let board = world.board().await;
        world.tell(&board, State::Deploying);
        assert!(!board.is_untold(&world.app));
        let mut changes = board.watch();
        world.tell(&board, State::Live);
        assert!(board.is_untold(&world.app) && changes.borrow_and_update().eq(&2));
        world.bucket.fail_next(BucketOperation::Put, 1, Fault::Unavailable);
        assert!(board.save(&world.app).await.is_err());
        assert!(
            !board.is_untold(&world.app) && changes.has_changed().unwrap(),
            "nobody waits for a bucket that is away"
        );
        board.update(&world.app, |status| status.warnings.push("by the way".into()));
        assert!(!board.is_untold(&world.app));
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_is_no_rival() {
        let world = World::new();
        let board = world.board().await;
        world.tell(&board, State::Deploying);
        world.bucket.fail_next(BucketOperation::Put, 1, Fault::AnswerLost);
        assert!(board.save(&world.app).await.is_err());
        world.tell(&board, State::Live);
        board.save(&world.app).await.unwrap();
        assert_eq!((board.rival_at(), world.written().await.state), (None, State::Live));
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_read_is_replaced_and_is_no_rival() {
        let world = World::new();
        world.bucket.put("status/app.json", Bytes::from_static(b"{")).await.unwrap();
        let board = world.board().await;
        world.tell(&board, State::Live);
        board.save(&world.app).await.unwrap();
        assert_eq!((board.rival_at(), world.written().await.state), (None, State::Live));
    }

    #[tokio::test]
    async fn another_agent_on_the_same_bucket_is_noticed_and_what_runs_here_is_told() {
        let world = World::new();
        let (board, other) = (world.board().await, world.board().await);
        world.tell(&board, State::Deploying);
        board.save(&world.app).await.unwrap();
        world.tell(&other, State::Failed);
        other.save(&world.app).await.unwrap();
        assert!(other.rival_at().is_some());
        world.tell(&board, State::Live);
        board.save(&world.app).await.unwrap();
        assert!(board.rival_at().is_some());
        assert_eq!(world.written().await.state, State::Live);
    }
}
