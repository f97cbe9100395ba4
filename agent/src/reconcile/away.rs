//! Takes what runs away: of a workspace that is gone from the bucket, or that somebody stopped.

use std::collections::BTreeMap;

use cloudyknight_core::command::Cause;
use cloudyknight_core::history::{Changed, Record};
use cloudyknight_core::manifest::Manifest;
use cloudyknight_core::status::{Outcome, State};
use cloudyknight_core::workspace::WorkspaceName;

use super::memory::Memory;
use super::{Ask, Next, Reconciler, finish, new_deployment};
use crate::board::now;
use crate::deploy::{self, DeployError, Needs, Retirement};
use crate::edge_link::Routing;

impl Reconciler {
    /// Takes everything of the workspace away but its volumes.
    pub(super) async fn remove(&self, workspace: &WorkspaceName) -> Result<Next, DeployError> {
        if !self.clear(workspace, &Needs::default()).await? {
            return Ok(self.pause(workspace));
        }
        tracing::info!(%workspace, "removed");
        self.say_deployed(workspace, "removed: the bucket holds nothing of it".to_owned());
        self.tools.builds.forget(workspace);
        if self.tools.desires.get(workspace).stopped {
            // What is pushed under this name some day is another workspace.
            let forgotten = self.tools.desires.change(workspace, |desired| desired.stopped = false).await;
            forgotten.map_err(DeployError::Report)?;
        }
        self.board.update(workspace, |status| {
            status.state = State::Removed;
            status.release = None;
            status.held_back = None;
            // What is pushed under this name some day owes nothing to what was committed before.
            (status.committed, status.uncommitted) = (None, None);
            status.urls.clear();
            status.services.clear();
            status.warnings.clear();
            status.default_compose = None;
            status.about = None;
            finish(status, Outcome::Live);
        });
        self.note(workspace, Some(&Manifest::default())).await;
        self.remember(workspace, |memory| {
            let records = std::mem::take(&mut memory.records);
            *memory = Memory { records, current: memory.current.take(), ..Memory::default() };
        });
        self.tell(workspace).await?;
        Ok(Next::Done)
    }

    /// Takes everything that runs away. Volumes stay, and images, so that it starts again as quickly as it is deployed.
    pub(super) async fn stop(
        &self,
        workspace: &WorkspaceName,
        ask: &Ask,
    ) -> Result<Option<Next>, DeployError> {
        let begun = now();
        let needs = Needs { keep_images: usize::MAX, ..Needs::default() };
        if !self.clear(workspace, &needs).await? {
            return Ok(Some(self.pause(workspace)));
        }
        tracing::info!(%workspace, "stopped");
        self.say_deployed(workspace, "stopped: nothing of it runs".to_owned());
        let previous = self.board.get(workspace).and_then(|status| status.release);
        self.board.update(workspace, |status| {
            status.state = State::Stopped;
            status.release = None;
            status.urls.clear();
            status.services.clear();
        });
        self.remember(workspace, |memory| {
            (memory.manifest, memory.source, memory.needs) = (Manifest::default(), None, None);
            (memory.live, memory.is_mixed) = (None, false);
            (memory.try_again, memory.is_unkept, memory.probation) = (false, false, None);
        });
        let record = Record {
            id: new_deployment(&self.tools.settings.platform, workspace).to_string(),
            release: None,
            previous,
            cause: Cause::Stopped,
            by: ask.by.clone(),
            origin: None,
            started_at: begun,
            finished_at: now(),
            outcome: Outcome::Live,
            steps: Vec::new(),
            changed: Changed::default(),
            images: BTreeMap::new(),
        };
        self.put_on_record(workspace, record);
        self.tell(workspace).await?;
        Ok(None)
    }

    pub(super) async fn ignore(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        self.say_left_alone(workspace);
        self.board.update(workspace, |status| {
            status.state = State::Ignored;
            status.deployment = None;
        });
        self.tell(workspace).await
    }

    /// Ends all containers of a workspace once they have finished what they carry, and whatever it does not need then.
    /// Answers whether none is left.
    async fn clear(&self, workspace: &WorkspaceName, needs: &Needs) -> Result<bool, DeployError> {
        let before = self.tools.edge.backends(workspace).await;
        self.tools.edge.switch(workspace, Routing::default()).await?;
        let (retiring, grounds) =
            self.remember(workspace, |memory| (std::mem::take(&mut memory.retiring), memory.grounds.clone()));
        self.tools.retiring.hurry(workspace);
        for task in retiring {
            // A panic in it was reported; its containers are leftovers now.
            drop(task.await);
        }
        let _grounds = grounds.lock().await;
        let containers = self.tools.engine.containers(Some(workspace)).await?;
        Retirement::of(&self.tools, workspace, containers).run(&self.tools, before).await;
        deploy::clear_away(&self.tools, workspace, needs).await;
        let left = self.tools.engine.containers(Some(workspace)).await?;
        if !left.is_empty() {
            tracing::warn!(%workspace, left = left.len(), "something of it still runs; will look again");
        }
        Ok(left.is_empty())
    }
}
