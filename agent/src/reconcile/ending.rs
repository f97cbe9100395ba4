//! How a deployment ends, and what follows: live, failed, cancelled, or superseded. Whichever it is, it is told.

use std::sync::Arc;

use cloudyknight_core::manifest::Manifest;
use cloudyknight_core::status::{Failure, Outcome, State, Step};
use cloudyknight_core::workspace::WorkspaceName;

use super::memory::Memories;
use super::{Next, Reconciler, finish};
use crate::board::{Progress, now};
use crate::deploy::{self, DeployError, Deployed, Kind, Tools, with_causes};
use crate::plan::Running;

impl Reconciler {
    /// Records that a release serves, and clears away the one before in the background.
    pub(super) async fn live(
        &self,
        workspace: &WorkspaceName,
        manifest: Manifest,
        (deployed, backends_before): (Deployed, Vec<String>),
        progress: &Progress,
    ) -> Result<(), DeployError> {
        let release = manifest.digest();
        tracing::info!(%workspace, release = release.short(), "live");
        self.say_deployed(workspace, format!("release {} is live", release.short()));
        for warning in &deployed.warnings {
            tracing::warn!(%workspace, warning);
        }
        self.watch_over(workspace, deployed.started);
        self.board.update(workspace, |status| {
            status.state = State::Live;
            status.release = Some(release);
            status.urls = deployed.urls;
            status.services = deployed.services;
            status.warnings = deployed.warnings;
            status.default_compose = deployed.default_compose;
            status.about = Some(deployed.about);
            finish(status, Outcome::Live);
            if let Some(last) = &mut status.deployment {
                last.live_at = Some(now());
            }
        });
        // Against what served before, which is forgotten now.
        self.note_with(workspace, Some(&manifest), deployed.images).await;
        let grounds = self.remember(workspace, |memory| {
            memory.manifest = manifest;
            memory.source = Some(deployed.source);
            memory.needs = Some(deployed.needs);
            memory.live = Some(Arc::new(deployed.live));
            memory.is_mixed = false;
            memory.failures_in_a_row = 0;
            memory.try_again = false;
            memory.is_unkept = !deployed.is_kept;
            memory.grounds.clone()
        });
        let (tools, memory, name) = (self.tools.clone(), self.memory.clone(), workspace.clone());
        let (retirement, progress) = (deployed.retirement, progress.clone());
        let retiring = tokio::spawn(async move {
            if retirement.drain(&tools, backends_before, &progress).await {
                add_drain_to_record(&tools, &memory, &name, &progress).await;
            }
            retirement.end(&tools).await;
            let _grounds = grounds.lock().await;
            // Of the release that is live by now.
            let Some((needs, live)) = memory
                .of(&name, |memory| memory.needs.clone().map(|needs| (needs, memory.manifest.digest())))
            else {
                return;
            };
            deploy::clear_away(&tools, &name, &needs).await;
            if let Err(error) = tools.releases.collect(&name, &[live]).await {
                let error = with_causes(&error);
                tracing::warn!(workspace = %name, error, "old releases are collected another time");
            }
        });
        self.remember(workspace, |memory| {
            memory.retiring.retain(|task| !task.is_finished());
            memory.retiring.push(retiring);
        });
        self.tell(workspace).await
    }

    /// What follows from what ended a deployment. `None`: look again at once.
    pub(super) async fn ended(
        &self,
        workspace: &WorkspaceName,
        error: &DeployError,
        manifest: Option<&Manifest>,
    ) -> Result<Option<Next>, DeployError> {
        match error.kind() {
            Kind::ListAgain => self.superseded(workspace, manifest).await,
            Kind::Cancelled => self.cancelled(workspace, manifest).await,
            Kind::Retry | Kind::Human => {
                let next = self.failed_with(workspace, error, manifest).await?;
                Ok(next)
            }
        }
    }

    pub(super) async fn superseded(
        &self,
        workspace: &WorkspaceName,
        manifest: Option<&Manifest>,
    ) -> Result<Option<Next>, DeployError> {
        tracing::info!(%workspace, "the bucket moved on, or what was asked: looking again");
        self.say_deployed(workspace, "ended before it was live: something newer is to run".to_owned());
        self.board.update(workspace, |status| finish(status, Outcome::Superseded));
        // It is told with how the next one ends.
        self.note(workspace, manifest).await;
        Ok(None)
    }

    /// Somebody wanted it no longer: what served, serves on.
    pub(super) async fn cancelled(
        &self,
        workspace: &WorkspaceName,
        manifest: Option<&Manifest>,
    ) -> Result<Option<Next>, DeployError> {
        tracing::info!(%workspace, "the deployment was cancelled");
        self.say_deployed(workspace, "cancelled: what served, serves on".to_owned());
        self.board.update(workspace, |status| {
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
            finish(status, Outcome::Cancelled);
        });
        self.remember(workspace, |memory| {
            memory.try_again = false;
            memory.failures_in_a_row = 0;
        });
        self.note(workspace, manifest).await;
        self.tell(workspace).await?;
        Ok(Some(Next::Done))
    }

    pub(super) async fn failed(
        &self,
        workspace: &WorkspaceName,
        error: &DeployError,
    ) -> Result<Option<Next>, DeployError> {
        self.failed_with(workspace, error, None).await
    }

    async fn failed_with(
        &self,
        workspace: &WorkspaceName,
        error: &DeployError,
        manifest: Option<&Manifest>,
    ) -> Result<Option<Next>, DeployError> {
        let failure = error.failure();
        let hint = failure.hint.as_deref().unwrap_or_default();
        tracing::warn!(%workspace, error = failure.message, hint, "the deployment failed");
        self.say_deployed(workspace, format!("failed: {}", failure.message));
        let seen = self.tools.engine.containers(Some(workspace)).await;
        // While Docker does not answer, what served is taken to serve on.
        let serves = seen.map_or(true, |seen| Running::recover(seen).serves_something());
        // What is of two releases is nothing to leave serving, unless it is about to be replaced.
        let is_mixed = self.remember(workspace, |memory| memory.is_mixed);
        let serves = serves && !(is_mixed && error.kind() == Kind::Human);
        let falls_back = error.kind() == Kind::Human && !serves && self.before(workspace).await.is_some();
        self.fail(workspace, failure, serves, falls_back);
        let try_again = error.kind() != Kind::Human;
        let was_trying =
            self.remember(workspace, |memory| std::mem::replace(&mut memory.try_again, try_again));
        if !was_trying {
            // Of one failure that is tried over and over, the first is told.
            self.note(workspace, manifest).await;
        }
        self.tell(workspace).await?;
        if let Err(error) = deploy::refresh(&self.tools, workspace).await {
            tracing::warn!(%workspace, error = with_causes(&error), "routes could not be refreshed");
        }
        if try_again {
            return Ok(Some(self.pause(workspace)));
        }
        self.remember(workspace, |memory| memory.failures_in_a_row = 0);
        // On a host where what served before does not run, it is brought back.
        Ok(if falls_back { None } else { Some(Next::Done) })
    }

    /// `falls_back`: what served before is brought back.
    fn fail(&self, workspace: &WorkspaceName, failure: Failure, serves: bool, falls_back: bool) {
        self.board.update(workspace, |status| {
            if let (Some(last), true) = (&mut status.deployment, falls_back) {
                last.instead = last.previous.clone();
            }
            if !serves {
                status.release = None;
                status.urls.clear();
                status.services.clear();
            }
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
            finish(status, Outcome::Failed(failure));
        });
    }
}

/// Has the history tell of the drain as well, as soon as it is written for another reason: it is worth no request.
async fn add_drain_to_record(
    tools: &Tools,
    memory: &Memories,
    workspace: &WorkspaceName,
    progress: &Progress,
) {
    let Some(drain) = progress.last(Step::DRAIN) else { return };
    let is_pending = memory.of(workspace, |memory| {
        let record = memory.records.iter_mut().find(|record| record.id == progress.deployment());
        record.map(|record| record.add_step(drain.clone())).is_some()
    });
    if !is_pending {
        tools.releases.add_step(workspace, progress.deployment(), drain).await;
    }
}
