//! Looks after what runs while nothing is deployed: containers that ended, or that Docker started again at another
//! address, and an edge that was restarted.

use std::time::Duration;

use cloudyknight_core::command::Cause;
use futures::StreamExt;

use crate::agent::Agent;
use crate::deploy::{self, with_causes};
use crate::engine::What;

const EDGE_INTERVAL: Duration = Duration::from_secs(2);
const DOCKER_PAUSE: Duration = Duration::from_secs(1);

impl Agent {
    /// Follows Docker's events. When they end, Docker was restarted: every workspace is looked at again, and the
    /// containers that it brings back by itself get their routes at the addresses they now have.
    ///
    /// `since` is when they were last known, in seconds of the Unix epoch.
    pub(crate) async fn watch_docker(&self, mut since: i64) {
        let engine = &self.reconciler.tools.engine;
        loop {
            if let Ok(happenings) = engine.happenings(since) {
                let mut happenings = std::pin::pin!(happenings);
                while let Some(Ok(happened)) = happenings.next().await {
                    if happened.what == What::Started {
                        self.refresh(&happened.workspace).await;
                    }
                    let ended = happened.what == What::Ended;
                    if ended {
                        // Docker tells it before its own listing does, and answers this only then.
                        let _ = engine.outcome(&happened.container).await;
                    }
                    // Whether it ended by itself is to be found out while Docker still remembers it.
                    if self.reconciler.happened(&happened) || ended {
                        self.inbox.wake(happened.workspace, Cause::Sweep);
                    }
                }
            }
            since = time::OffsetDateTime::now_utc().unix_timestamp();
            while engine.ready().await.is_err() {
                tokio::time::sleep(DOCKER_PAUSE).await;
            }
            tracing::info!("Docker was away: looking at every workspace");
            for workspace in self.board.all().into_iter().map(|status| status.workspace) {
                self.refresh(&workspace).await;
            }
            self.wake_all(Cause::AgentStarted).await;
        }
    }

    /// A workspace in deployment gets its routes from its own switch.
    async fn refresh(&self, workspace: &cloudyknight_core::workspace::WorkspaceName) {
        if self.inbox.is_busy(workspace) {
            return;
        }
        if let Err(error) = deploy::refresh(&self.reconciler.tools, workspace).await {
            tracing::warn!(%workspace, error = with_causes(&error), "routes could not be refreshed");
        }
    }

    pub(crate) async fn watch_edge(&self) {
        let mut reported = false;
        loop {
            match self.reconciler.tools.edge.repair().await {
                Ok(()) => reported = false,
                Err(error) => {
                    if !reported {
                        tracing::warn!(error = with_causes(&error), "the edge cannot be reached");
                    }
                    reported = true;
                }
            }
            tokio::time::sleep(EDGE_INTERVAL).await;
        }
    }
}
