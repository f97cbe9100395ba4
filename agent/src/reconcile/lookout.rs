//! Latest wins: while a release is being deployed, whatever comes in for its workspace is a reason to look whether that
//! deployment is still wanted. One that is not is ended, as long as it has not switched.

use std::convert::Infallible;

use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::Outcome;
use cloudyknight_core::workspace::WorkspaceName;

use super::Reconciler;
use crate::deploy::{Cut, Why, with_causes};

/// With a bucket that moves on and on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Left,
    /// It has done so too often: what was listed is deployed, so that something is.
    Over,
}

impl Reconciler {
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
            self.board.update(workspace, |status| super::finish(status, Outcome::Cancelled));
            let (board, workspace) = (self.board.clone(), workspace.clone());
            tokio::spawn(async move {
                if let Err(error) = board.save(&workspace).await {
                    tracing::warn!(%workspace, error = with_causes(&error), "told later that it was cancelled");
                }
            });
        }
        cut || forgotten
    }

    /// Looks whenever there is a reason, and ends the deployment of `release` once something newer is to run.
    pub(super) async fn lookout(
        &self,
        workspace: &WorkspaceName,
        release: &ReleaseDigest,
        patience: Patience,
        cut: &Cut,
    ) -> Infallible {
        let hint = self.remember(workspace, |memory| memory.hint.clone());
        loop {
            hint.notified().await;
            if patience == Patience::Over {
                continue;
            }
            match self.list(workspace).await {
                Ok(now) if now.digest() != *release => {
                    if cut.cut(Why::Superseded) {
                        tracing::info!(%workspace, release = release.short(), "superseded by a newer push");
                    }
                }
                Ok(_) => {}
                // There is one more look before the switch.
                Err(error) => tracing::debug!(%workspace, error = with_causes(&error), "could not look"),
            }
        }
    }
}
