//! Latest wins: while a release is being deployed, whatever comes in for its workspace is a reason to look whether that
//! deployment is still wanted. One that is not is ended, as long as it has not switched.

use std::convert::Infallible;
use std::time::Duration;

use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::Outcome;
use cloudyknight_core::workspace::WorkspaceName;

use super::{Reconciler, Try, finish};
use crate::deploy::{DeployError, Why, with_causes};

/// With a bucket that moves on and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Left,
    /// It has done so too often, or does not count: what was chosen is deployed.
    Over,
}

/// How often the bucket is listed while a deployment is under way, or one is waited with.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Reconciler {
    /// Waits until something else was pushed than what was tried last. What waits for its commit is nothing yet.
    pub async fn pushed(&self, workspace: &WorkspaceName) {
        let tried = self.board.get(workspace).and_then(|status| status.last()?.release.clone());
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if matches!(self.is_pushed_over(workspace, tried.as_ref()).await, Ok(true)) {
                return;
            }
        }
    }

    /// There is a reason to look at a workspace that may be being deployed.
    pub fn hint(&self, workspace: &WorkspaceName) {
        self.remember(workspace, |memory| memory.hint.clone()).notify_one();
    }

    /// Ends the deployment under way, or the tries that would follow a failed one; answers whether there was one that
    /// had not switched yet. What serves, serves on, and the release is not tried again until somebody asks for it.
    pub fn cancel(&self, workspace: &WorkspaceName) -> bool {
        let (cut, forgotten) = self.remember(workspace, |memory| match &memory.current {
            Some(current) => (current.cut(Why::Cancelled), false),
            None => (false, std::mem::take(&mut memory.try_again)),
        });
        if forgotten {
            self.board.update(workspace, |status| finish(status, Outcome::Cancelled));
            // The look that was to be the next try tells it.
            self.remember(workspace, |memory| memory.is_untold = true);
            self.hint(workspace);
        }
        cut || forgotten
    }

    /// Does this, and looks meanwhile whenever there is a reason, to end it once something else is to run: something
    /// else than `release`, where that is the bucket's, or than what people asked for when it began.
    pub(super) async fn watched<T>(
        &self,
        workspace: &WorkspaceName,
        try_: &Try,
        release: Option<&ReleaseDigest>,
        work: impl Future<Output = Result<T, DeployError>>,
    ) -> Result<T, DeployError> {
        tokio::select! {
            done = work => done,
            never = self.lookout(workspace, try_, release) => match never {},
        }
    }

    async fn lookout(
        &self,
        workspace: &WorkspaceName,
        try_: &Try,
        release: Option<&ReleaseDigest>,
    ) -> Infallible {
        let hint = self.remember(workspace, |memory| memory.hint.clone());
        loop {
            // Commands of a workspace come one after the other: a newer one waits in its queue for the end of this.
            let _ = tokio::time::timeout(LOOK_AGAIN, hint.notified()).await;
            let asked = self.tools.desires.get(workspace) != try_.desired;
            let newer = asked || self.moved_on(workspace, release).await;
            if newer && try_.cut.cut(Why::Superseded) {
                tracing::info!(%workspace, deployment = %try_.id, "ended: something newer is to run");
            }
        }
    }

    async fn moved_on(&self, workspace: &WorkspaceName, release: Option<&ReleaseDigest>) -> bool {
        let Some(release) = release else { return false };
        let moved_on = async {
            Ok::<_, DeployError>(
                self.is_pushed_over(workspace, Some(release)).await?
                    || self.is_archive_there(workspace).await?,
            )
        };
        match moved_on.await {
            Ok(moved_on) => moved_on,
            Err(error) => {
                // There is one more look before the switch.
                tracing::debug!(%workspace, error = with_causes(&error), "could not look");
                false
            }
        }
    }
}
