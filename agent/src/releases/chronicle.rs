//! How deployments ended: one bounded document a workspace in the platform bucket, read once and kept in memory.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use cloudyknight_core::history::{History, Record};
use cloudyknight_core::status::Step;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::BucketError;

use super::{ReleaseError, Releases};
use crate::deploy::with_causes;

/// The most deployments that a history tells.
const LIMIT: usize = 100;

impl Releases {
    /// Writes down how a deployment ended. The same deployment again replaces what was said of it.
    pub async fn record(&self, workspace: &WorkspaceName, record: Record) -> Result<(), ReleaseError> {
        let desk = self.desk(workspace);
        let mut known = desk.history.lock().await;
        let history = match known.take() {
            Some(history) => Ok(history),
            None => self.read_history(workspace).await,
        };
        let mut history = match history {
            Ok(history) => history,
            Err(ReleaseError::HistoryDamaged { why, text, .. }) => {
                // It must not keep anybody from deploying, nor be lost for whoever wants to look.
                let key = format!("history/{workspace}.damaged.json");
                tracing::warn!(%workspace, why, key, "the history cannot be read: it is put aside, and begun anew");
                self.write_history(workspace, &key, text).await?;
                History::new(workspace.clone())
            }
            Err(error) => return Err(error),
        };
        history.add(record, LIMIT);
        let text = Bytes::from(serde_json::to_vec(&history).expect("a history is plain data"));
        self.write_history(workspace, &History::key(workspace), text).await?;
        desk.is_ahead.store(false, Ordering::Relaxed);
        *known = Some(history);
        Ok(())
    }

    /// Adds a step to what is told of a deployment. It is written with the next record, or when the agent ends.
    pub async fn add_step(&self, workspace: &WorkspaceName, deployment: &str, step: Step) {
        let desk = self.desk(workspace);
        let mut known = desk.history.lock().await;
        let deployments = known.iter_mut().flat_map(|history| &mut history.deployments);
        if let Some(record) = deployments.rev().find(|record| record.id == deployment) {
            record.add_step(step);
            desk.is_ahead.store(true, Ordering::Relaxed);
        }
    }

    /// Writes the histories that were not written yet as they are told.
    pub async fn finish(&self) {
        let desks = self.desks.lock().expect("nothing panics while it holds the desks").clone();
        for (workspace, desk) in desks {
            let known = desk.history.lock().await;
            let Some(history) = known.as_ref().filter(|_| desk.is_ahead.load(Ordering::Relaxed)) else {
                continue;
            };
            let text = Bytes::from(serde_json::to_vec(history).expect("a history is plain data"));
            match self.write_history(&workspace, &History::key(&workspace), text).await {
                Ok(()) => desk.is_ahead.store(false, Ordering::Relaxed),
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(%workspace, error, "the end of its history is not written");
                }
            }
        }
    }

    pub async fn history(&self, workspace: &WorkspaceName) -> Result<History, ReleaseError> {
        let desk = self.desk(workspace);
        let mut known = desk.history.lock().await;
        if known.is_none() {
            *known = Some(self.read_history(workspace).await?);
        }
        Ok(known.clone().expect("it was read"))
    }

    async fn write_history(
        &self,
        workspace: &WorkspaceName,
        key: &str,
        text: Bytes,
    ) -> Result<(), ReleaseError> {
        let written = self.platform.put(key, text).await.map(drop);
        written.map_err(|source| ReleaseError::History { workspace: workspace.clone(), source })
    }

    async fn read_history(&self, workspace: &WorkspaceName) -> Result<History, ReleaseError> {
        let failed = |source| ReleaseError::History { workspace: workspace.clone(), source };
        let text = match self.platform.get(&History::key(workspace), None).await {
            Ok(content) => content.bytes().await.map_err(failed)?,
            Err(BucketError::NotFound { .. }) => return Ok(History::new(workspace.clone())),
            Err(error) => return Err(failed(error)),
        };
        let damaged = |why: String| ReleaseError::HistoryDamaged {
            workspace: workspace.clone(),
            why,
            text: text.clone(),
        };
        let history: History = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if history.version != History::VERSION {
            return Err(damaged(format!("it has version {}", history.version)));
        }
        if history.workspace != *workspace {
            return Err(damaged(format!("it is that of workspace `{}`", history.workspace)));
        }
        Ok(history)
    }
}
