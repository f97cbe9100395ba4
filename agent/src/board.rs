//! The status of every workspace: kept in memory for whoever asks, and in the platform bucket so that it outlives
//! the host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudyknight_core::command::Cause;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::status::{Deployment, Outcome, State, Step, WorkspaceStatus};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::identity::DeploymentId;

pub struct Board {
    statuses: Mutex<BTreeMap<WorkspaceName, WorkspaceStatus>>,
    /// Counts changes; whoever waits for one watches this.
    changes: watch::Sender<u64>,
    platform: Arc<dyn Bucket>,
    /// The version of each document that we read or wrote last.
    saved: Mutex<BTreeMap<WorkspaceName, String>>,
    /// When somebody else was last seen to write these documents.
    rival_at: Mutex<Option<String>>,
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
        let (mut statuses, mut saved) = (BTreeMap::new(), BTreeMap::new());
        for object in platform.list("status/").await? {
            let content = platform.get(&object.key, None).await?;
            let etag = content.object.etag.clone();
            match serde_json::from_slice::<WorkspaceStatus>(&content.bytes().await?) {
                Ok(status) => {
                    saved.insert(status.workspace.clone(), etag);
                    statuses.insert(status.workspace.clone(), status);
                }
                Err(error) => tracing::warn!(key = object.key, %error, "a status document is not readable"),
            }
        }
        Ok(Self {
            statuses: Mutex::new(statuses),
            changes: watch::Sender::new(0),
            platform,
            saved: Mutex::new(saved),
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
        let mut statuses = self.lock();
        let status = statuses
            .entry(workspace.clone())
            .or_insert_with(|| WorkspaceStatus::new(workspace.clone(), now()));
        change(status);
        status.updated_at = now();
        drop(statuses);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Writes the status to the platform bucket.
    ///
    /// One agent writes there: a document that is not the one we wrote last means that another agent follows the same
    /// buckets. What runs here is still told, and the other one is, too.
    pub async fn save(&self, workspace: &WorkspaceName) -> Result<(), BucketError> {
        let Some(status) = self.get(workspace) else { return Ok(()) };
        let text = Bytes::from(serde_json::to_vec(&status).expect("a status is plain data"));
        let key = key(workspace);
        let last = lock(&self.saved).get(workspace).cloned();
        let condition = last.map_or(Condition::Absent, Condition::Unchanged);
        let etag = match self.platform.put_if(&key, text.clone(), &condition).await {
            Err(BucketError::Changed { .. }) => self.overwrite(workspace, text).await?,
            written => written?,
        };
        lock(&self.saved).insert(workspace.clone(), etag);
        Ok(())
    }

    async fn overwrite(&self, workspace: &WorkspaceName, text: Bytes) -> Result<String, BucketError> {
        let key = key(workspace);
        if let Ok(there) = self.platform.get(&key, None).await {
            let etag = there.object.etag.clone();
            if there.bytes().await? == text {
                // We wrote it ourselves, and the answer was lost.
                return Ok(etag);
            }
            tracing::warn!(%workspace, "another agent writes to the platform bucket; only one may follow these buckets");
            *lock(&self.rival_at) = Some(now());
        }
        self.platform.put(&key, text).await
    }

    /// When another agent was last seen to write to the platform bucket, since this one started.
    pub fn rival_at(&self) -> Option<String> {
        lock(&self.rival_at).clone()
    }

    /// What was given up on: messages that no handler could deal with.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, BucketError> {
        let mut letters = Vec::new();
        for object in self.platform.list("dead-letters/").await?.into_iter().take(DEAD_LETTERS) {
            let text = self.platform.get(&object.key, None).await?.bytes().await?;
            letters.extend(serde_json::from_slice::<DeadLetter>(&text).ok());
        }
        Ok(letters)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkspaceName, WorkspaceStatus>> {
        lock(&self.statuses)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds the board")
}

/// The steps of one deployment, told to the board as they happen.
pub struct Progress {
    board: Arc<Board>,
    workspace: WorkspaceName,
    started: std::time::Instant,
}

impl Progress {
    pub fn start(
        board: Arc<Board>,
        workspace: WorkspaceName,
        id: &DeploymentId,
        cause: Cause,
        traceparent: Option<TraceParent>,
    ) -> Self {
        board.update(&workspace, |status| {
            status.state = if status.release.is_some() { State::Updating } else { State::Deploying };
            status.deployment = Some(Deployment {
                id: id.to_string(),
                release: None,
                cause,
                traceparent,
                started_at: now(),
                finished_at: None,
                outcome: Outcome::Running,
                steps: Vec::new(),
            });
        });
        Self { board, workspace, started: std::time::Instant::now() }
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

    /// The steps of the running deployment; a later one has its own.
    fn steps(&self, change: impl FnOnce(&mut Vec<Step>)) {
        self.board.update(&self.workspace, |status| {
            if let Some(deployment) = &mut status.deployment {
                change(&mut deployment.steps);
            }
        });
    }
}
