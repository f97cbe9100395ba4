//! Makes what runs equal to what the bucket holds, for one workspace.
//!
//! Guarantee: when it answers [`Next::Done`], the bucket's listing is live, has visibly failed, or is empty and
//! nothing of the workspace runs. Assumption: two of it never run at once for the same workspace. Whatever woke it
//! decides nothing: it looks at the bucket and at Docker, and acts on what they hold.

use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::backoff;
use cloudyknight_core::command::Cause;
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::status::{Failure, Outcome, State, WorkspaceStatus};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use crate::board::{Board, Progress, now};
use crate::deploy::{self, Cut, DeployError, Deployed, Job, Kind, Needs, Retirement, Tools, with_causes};
use crate::edge_link::Routing;
use crate::identity::DeploymentId;
use crate::plan::Running;
use crate::settle::{self, Settling};
use crate::todo::{IGNORE, Todo, todo};

mod lookout;
mod memory;

use lookout::Patience;
use memory::{Memories, Memory};

/// Why to look at a workspace. Neither decides what is deployed.
#[derive(Clone, Debug)]
pub struct Ask {
    pub cause: Cause,
    pub traceparent: Option<TraceParent>,
}

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// Something that we need does not answer: come back after this time.
    RetryAfter(Duration),
}

pub struct Reconciler {
    pub tools: Tools,
    pub board: Arc<Board>,
    /// As many deployments at the same time as the settings allow.
    pub turns: Semaphore,
    memory: Memories,
}

/// Between two tries of what failed for no fault of the release.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// How often the bucket may move on during one deployment before it is deployed as it was.
const SUPERSEDED_LIMIT: u32 = 5;
/// How often its objects may change under our hands before that is a failure for people to see.
const GIVE_UP_AFTER: u32 = 2 * SUPERSEDED_LIMIT;

impl Reconciler {
    pub fn new(tools: Tools, board: Arc<Board>) -> Self {
        let turns = Semaphore::new(tools.settings.concurrency.max(1));
        Self { tools, board, turns, memory: Memories::default() }
    }

    pub async fn reconcile(&self, workspace: &WorkspaceName, ask: &Ask) -> Next {
        let work = async {
            match self.attempt(workspace, ask).await {
                Ok(next) => next,
                Err(error) => {
                    let hint = error.hint();
                    tracing::warn!(%workspace, error = with_causes(&error), hint, "could not look; will look again");
                    self.pause(workspace)
                }
            }
        };
        match &ask.traceparent {
            Some(parent) => {
                work.instrument(tracing::info_span!("reconcile", trace_id = parent.trace_id())).await
            }
            None => work.await,
        }
    }

    /// A pause that grows with every failure in a row.
    fn pause(&self, workspace: &WorkspaceName) -> Next {
        let failures = self.remember(workspace, |memory| {
            memory.failures_in_a_row = memory.failures_in_a_row.saturating_add(1);
            memory.failures_in_a_row
        });
        let random = getrandom::u32().unwrap_or(u32::MAX);
        Next::RetryAfter(backoff::pause(failures - 1, FIRST_PAUSE, LONGEST_PAUSE, random))
    }

    async fn attempt(&self, workspace: &WorkspaceName, ask: &Ask) -> Result<Next, DeployError> {
        for superseded in 0.. {
            let first = self.list(workspace).await?;
            let seen = self.tools.engine.containers(Some(workspace)).await?;
            let running = Running::recover(seen);
            let retrying = self.remember(workspace, |memory| memory.try_again);
            // What was done and not told yet is not to be done again for the reason that it was done.
            let cause = if self.board.is_behind(workspace) { &Cause::Sweep } else { &ask.cause };
            match todo(&first, self.board.get(workspace).as_ref(), &running, cause, retrying) {
                Todo::Nothing => {
                    // A container that came back elsewhere while we were busy has nobody else to find it.
                    deploy::refresh(&self.tools, workspace).await?;
                    self.board.confirm(workspace);
                    if self.board.is_behind(workspace) {
                        // What was done could not be told when it was done.
                        self.save(workspace).await?;
                    }
                    self.remember(workspace, |memory| memory.failures_in_a_row = 0);
                    return Ok(Next::Done);
                }
                Todo::Ignore => {
                    self.ignore(workspace).await?;
                    return Ok(Next::Done);
                }
                Todo::Deploy => {}
            }
            let deployment = new_deployment(&self.tools.settings.platform, workspace);
            let cut = Cut::default();
            let _current = self.memory.enter(workspace, cut.clone());
            let (progress, manifest) = match self.settle(workspace, first, &deployment, ask, &cut).await {
                Err(DeployError::Cancelled) => return self.cancelled(workspace).await,
                settled => settled?,
            };
            if manifest.is_empty() {
                return self.remove(workspace).await;
            }
            if manifest.entries.contains_key(IGNORE) {
                self.ignore(workspace).await?;
                return Ok(Next::Done);
            }
            let release = manifest.digest();
            self.board.update(workspace, |status| note_release(status, release.clone()));
            let patience = if superseded < SUPERSEDED_LIMIT { Patience::Left } else { Patience::Over };
            match self.deploy(workspace, &deployment, &manifest, &progress, patience, &cut).await {
                Ok(deployed) => {
                    self.live(workspace, release, manifest, deployed).await?;
                    return Ok(Next::Done);
                }
                Err(error) if error.kind() == Kind::ListAgain && superseded < GIVE_UP_AFTER => {
                    tracing::info!(%workspace, release = release.short(), "the bucket moved on: listing again");
                }
                Err(error) if error.kind() == Kind::Cancelled => return self.cancelled(workspace).await,
                Err(error) => return self.failed(workspace, &error).await,
            }
        }
        unreachable!("the loop ends by returning")
    }

    async fn list(&self, workspace: &WorkspaceName) -> Result<Manifest, DeployError> {
        Ok(listing::manifest(self.tools.workspaces.as_ref(), workspace).await?)
    }

    /// Waits until the push is complete.
    async fn settle(
        &self,
        workspace: &WorkspaceName,
        first: Manifest,
        deployment: &DeploymentId,
        ask: &Ask,
        cut: &Cut,
    ) -> Result<(Progress, Manifest), DeployError> {
        let Ask { cause, traceparent } = ask.clone();
        let progress = Progress::start(self.board.clone(), workspace.clone(), deployment, cause, traceparent);
        let settings = &self.tools.settings;
        let live = self.remember(workspace, |memory| memory.manifest.clone());
        let began = Instant::now();
        let mut settling =
            Settling::new(settings.quiet, settings.burst_quiet, settings.settle_cap, &live, first);
        let settled = progress.step("settle", async {
            while let settle::Next::Wait(time) = settling.next(began.elapsed()) {
                if let Err(error) = cut.sleep(time).await {
                    let seen = settling.into_manifest().digest();
                    self.board.update(workspace, |status| note_release(status, seen));
                    return Err(error);
                }
                settling.observe(self.list(workspace).await?, began.elapsed());
            }
            Ok::<Manifest, DeployError>(settling.into_manifest())
        });
        let manifest = settled.await?;
        Ok((progress, manifest))
    }

    /// Deploys, and keeps a lookout for what would make that deployment pointless.
    async fn deploy(
        &self,
        workspace: &WorkspaceName,
        deployment: &DeploymentId,
        manifest: &Manifest,
        progress: &Progress,
        patience: Patience,
        cut: &Cut,
    ) -> Result<(Deployed, Vec<String>), DeployError> {
        let (previous, grounds) =
            self.remember(workspace, |memory| (memory.source.clone(), memory.grounds.clone()));
        let release = manifest.digest();
        let deploying = async {
            // While it is held, nothing is cleared away that this deployment may be about to use.
            let _grounds = cut.or(async { Ok(grounds.lock().await) }).await?;
            let turn = async { Ok(self.turns.acquire().await.expect("the semaphore is never closed")) };
            let _turn = cut.or(turn).await?;
            let before = self.tools.edge.backends(workspace).await;
            let confirm = patience == Patience::Left;
            let job = Job { workspace, deployment, manifest, previous: previous.as_ref(), confirm, cut };
            Ok((deploy::deploy(&self.tools, &job, progress).await?, before))
        };
        tokio::select! {
            deployed = deploying => deployed,
            never = self.lookout(workspace, &release, patience, cut) => match never {},
        }
    }

    /// Records that a release serves, and clears away the one before in the background.
    async fn live(
        &self,
        workspace: &WorkspaceName,
        release: ReleaseDigest,
        manifest: Manifest,
        (deployed, backends_before): (Deployed, Vec<String>),
    ) -> Result<(), DeployError> {
        tracing::info!(%workspace, release = release.short(), "live");
        for warning in &deployed.warnings {
            tracing::warn!(%workspace, warning);
        }
        self.board.update(workspace, |status| {
            status.state = State::Live;
            status.release = Some(release);
            status.urls = deployed.urls;
            status.services = deployed.services;
            status.warnings = deployed.warnings;
            status.default_compose = deployed.default_compose;
            finish(status, Outcome::Live);
        });
        let grounds = self.remember(workspace, |memory| {
            memory.manifest = manifest;
            memory.source = Some(deployed.source);
            memory.needs = Some(deployed.needs);
            memory.failures_in_a_row = 0;
            memory.try_again = false;
            memory.grounds.clone()
        });
        let (tools, memory, name) = (self.tools.clone(), self.memory.clone(), workspace.clone());
        let retirement = deployed.retirement;
        let retiring = tokio::spawn(async move {
            retirement.run(&tools, backends_before).await;
            let _grounds = grounds.lock().await;
            // Of the release that is live by now.
            if let Some(needs) = memory.of(&name, |memory| memory.needs.clone()) {
                deploy::clear_away(&tools, &name, &needs).await;
            }
        });
        self.remember(workspace, |memory| {
            memory.retiring.retain(|task| !task.is_finished());
            memory.retiring.push(retiring);
        });
        self.save(workspace).await
    }

    async fn save(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        self.board.save(workspace).await.map_err(DeployError::Report)
    }

    async fn failed(&self, workspace: &WorkspaceName, error: &DeployError) -> Result<Next, DeployError> {
        let failure = error.failure();
        let hint = failure.hint.as_deref().unwrap_or_default();
        tracing::warn!(%workspace, error = failure.message, hint, "the deployment failed");
        let seen = self.tools.engine.containers(Some(workspace)).await;
        // While Docker does not answer, what served is taken to serve on.
        let serves = seen.map_or(true, |seen| Running::recover(seen).serves_something());
        self.fail(workspace, failure, serves);
        let try_again = error.kind() != Kind::Human;
        self.remember(workspace, |memory| memory.try_again = try_again);
        self.save(workspace).await?;
        if let Err(error) = deploy::refresh(&self.tools, workspace).await {
            tracing::warn!(%workspace, error = with_causes(&error), "routes could not be refreshed");
        }
        if try_again {
            return Ok(self.pause(workspace));
        }
        self.remember(workspace, |memory| memory.failures_in_a_row = 0);
        Ok(Next::Done)
    }

    /// Somebody wanted it no longer: what served, serves on.
    async fn cancelled(&self, workspace: &WorkspaceName) -> Result<Next, DeployError> {
        tracing::info!(%workspace, "the deployment was cancelled");
        self.board.update(workspace, |status| {
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
            finish(status, Outcome::Cancelled);
        });
        self.remember(workspace, |memory| {
            memory.try_again = false;
            memory.failures_in_a_row = 0;
        });
        self.save(workspace).await?;
        Ok(Next::Done)
    }

    fn fail(&self, workspace: &WorkspaceName, failure: Failure, serves: bool) {
        self.board.update(workspace, |status| {
            if !serves {
                status.release = None;
                status.urls.clear();
                status.services.clear();
            }
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
            finish(status, Outcome::Failed(failure));
        });
    }

    /// Takes everything of the workspace away but its volumes.
    async fn remove(&self, workspace: &WorkspaceName) -> Result<Next, DeployError> {
        let (retiring, grounds) =
            self.remember(workspace, |memory| (std::mem::take(&mut memory.retiring), memory.grounds.clone()));
        for task in retiring {
            // A panic in it was reported; its containers are leftovers now.
            drop(task.await);
        }
        let _grounds = grounds.lock().await;
        let before = self.tools.edge.backends(workspace).await;
        self.tools.edge.switch(workspace, Routing::default()).await?;
        let containers = self.tools.engine.containers(Some(workspace)).await?;
        let retirement = Retirement::of(&self.tools, workspace, containers);
        retirement.run(&self.tools, before).await;
        deploy::clear_away(&self.tools, workspace, &Needs::default()).await;
        if !self.tools.engine.containers(Some(workspace)).await?.is_empty() {
            tracing::warn!(%workspace, "something of it still runs; will look again");
            return Ok(self.pause(workspace));
        }
        self.remember(workspace, |memory| *memory = Memory::default());
        tracing::info!(%workspace, "removed");
        self.board.update(workspace, |status| {
            status.state = State::Removed;
            status.release = None;
            status.urls.clear();
            status.services.clear();
            status.warnings.clear();
            status.default_compose = None;
            finish(status, Outcome::Live);
        });
        self.save(workspace).await?;
        Ok(Next::Done)
    }

    async fn ignore(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        self.board.update(workspace, |status| {
            status.state = State::Ignored;
            status.deployment = None;
        });
        self.save(workspace).await
    }

    fn remember<T>(&self, workspace: &WorkspaceName, change: impl FnOnce(&mut Memory) -> T) -> T {
        self.memory.of(workspace, change)
    }
}

fn note_release(status: &mut WorkspaceStatus, release: ReleaseDigest) {
    if let Some(deployment) = &mut status.deployment {
        deployment.release = Some(release);
    }
}

fn finish(status: &mut WorkspaceStatus, outcome: Outcome) {
    if let Some(deployment) = &mut status.deployment {
        deployment.outcome = outcome;
        deployment.finished_at = Some(now());
        for step in deployment.steps.iter_mut().filter(|step| step.took_ms.is_none()) {
            // It ended with the deployment.
            step.took_ms = Some(0);
        }
    }
}

/// Ids sort by time; no two of one workspace are made within the same millisecond, as its reconciles follow each
/// other and each lists the bucket first. What follows the time tells workspaces and platforms apart: ids are part of
/// the names of containers, which all of them share.
fn new_deployment(platform: &str, workspace: &WorkspaceName) -> DeploymentId {
    let format =
        time::macros::format_description!("[year][month][day]t[hour][minute][second][subsecond digits:3]");
    let time = OffsetDateTime::now_utc().format(&format);
    let time = time.expect("the time of a running system has a year of four digits");
    let whose = blake3::hash(format!("{platform}/{workspace}").as_bytes());
    DeploymentId(format!("{time}-{}", hex::encode(&whose.as_bytes()[..3])))
}
