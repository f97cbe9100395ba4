//! A release is kept in the platform bucket while its containers start, so that it costs no visible time.
//!
//! A platform bucket that does not answer keeps nobody from deploying: the release goes live, and is kept later.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::{DeployError, Job, Tools, with_causes};
use crate::board::Progress;
use crate::releases::ReleaseError;
use crate::source::Source;

pub struct Keeping {
    task: Option<JoinHandle<Result<(), ReleaseError>>>,
    is_done: bool,
}

/// How long a release that is ready otherwise waits for being kept.
const PATIENCE: Duration = Duration::from_secs(10);

impl Keeping {
    pub fn begin(tools: &Tools, job: &Job<'_>, source: &Source) -> Self {
        if job.kept.is_some() {
            return Self { task: None, is_done: true };
        }
        let (releases, workspace) = (tools.releases.clone(), job.workspace.clone());
        let (manifest, source) = (job.manifest.clone(), source.clone());
        let keep = async move { releases.keep(&workspace, &manifest, &source).await };
        Self { task: Some(tokio::spawn(keep)), is_done: false }
    }

    /// Waits until it is kept, or has turned out that it cannot be for now.
    pub async fn wait(&mut self, job: &Job<'_>, progress: &Progress) -> Result<(), DeployError> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let kept = if task.is_finished() {
            Ok(task.await)
        } else {
            let waiting = async { Ok(tokio::time::timeout(PATIENCE, task).await) };
            progress.step("keep", job.cut.or(waiting)).await?
        };
        let (workspace, release) = (job.workspace, job.manifest.digest());
        let answered = kept.is_ok();
        match kept {
            Ok(Ok(Ok(()))) => self.is_done = true,
            Ok(Ok(Err(error))) => {
                let (error, hint) = (with_causes(&error), error.hint());
                tracing::warn!(%workspace, release = release.short(), error, hint, "the release is kept later");
            }
            // A panic was reported.
            Ok(Err(_)) => {}
            Err(_) => {
                tracing::warn!(%workspace, release = release.short(), "keeping the release takes long: it goes on");
            }
        }
        if answered {
            self.task = None;
        }
        Ok(())
    }

    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Lets the release of a deployment that failed be kept, so that one can see what it was; not of one that nobody
    /// wants any more.
    pub async fn end(&mut self, job: &Job<'_>) {
        let Some(mut task) = self.task.take() else { return };
        if job.cut.check().is_err() || tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
            // What it wrote names nothing, and is collected.
            drop(task.await);
        }
    }
}
