//! Makes what runs equal to what the bucket holds, and to what people asked for beyond that, for one workspace.
//!
//! Guarantee: when it answers [`Next::Done`], what is to run is live, has visibly failed, or is nothing, and nothing of
//! the workspace runs. Assumption: two of it never run at once for the same workspace. Whatever woke it decides nothing:
//! it looks at the bucket, at what was asked and at Docker, and acts on what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloudyknight_core::backoff;
use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::Desired;
use cloudyknight_core::history::RanImage;
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::origin::Origin;
use cloudyknight_core::release::Release;
use cloudyknight_core::status::{Outcome, WorkspaceStatus};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument;

use crate::board::{Began, Board, Progress, now};
use crate::deploy::{self, Cut, DeployError, Deployed, Job, Tools, with_causes};
use crate::edge_link::EdgeKind;
use crate::identity::DeploymentId;
use crate::journal::Journal;
use crate::plan::Running;
use crate::releases::ReleaseError;
use crate::settle::{self, Settling};
use crate::todo::{IGNORE, Look, Todo, todo};

mod away;
mod ending;
mod hold;
mod lookout;
mod memory;
mod probation;
mod pushes;
mod tell;

use lookout::Patience;
use memory::{Memories, Memory};
use pushes::Pushed;

/// Why to look at a workspace. Nothing of it decides what is deployed.
#[derive(Clone, Debug)]
pub struct Ask {
    pub cause: Cause,
    pub traceparent: Option<TraceParent>,
    /// Who asked through the API.
    pub by: Option<String>,
    pub origin: Option<Origin>,
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
    pub journal: Arc<Journal>,
    /// As many deployments at the same time as the settings allow.
    pub turns: Semaphore,
    memory: Memories,
}

/// A deployment under way.
struct Try {
    id: DeploymentId,
    /// As it was when it began.
    desired: Desired,
    progress: Progress,
    cut: Cut,
    _current: memory::Current,
}

/// What is to be deployed.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Listed(&'a Manifest),
    /// With what its services ran, as far as that is known.
    Kept(&'a Release, &'a BTreeMap<String, RanImage>),
}

/// Between two tries of what failed for no fault of the release.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// How often the bucket may move on during one deployment before it is deployed as it was.
const SUPERSEDED_LIMIT: u32 = 5;
/// How often its objects may change under our hands before that is a failure for people to see.
const GIVE_UP_AFTER: u32 = 2 * SUPERSEDED_LIMIT;

impl Reconciler {
    pub fn new(tools: Tools, board: Arc<Board>, journal: Arc<Journal>) -> Self {
        let turns = Semaphore::new(tools.settings.concurrency.max(1));
        Self { tools, board, journal, turns, memory: Memories::default() }
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
            // One that came meanwhile is what ended the deployment before.
            self.take_archive(workspace, ask, superseded == 0).await?;
            self.look_after_what_went_live(workspace).await?;
            let began = Began::now();
            let Pushed { manifest: first, waits } = self.take_push(workspace).await?;
            let desired = self.tools.desires.get(workspace);
            self.show(workspace, &first, &desired);
            let Some(desired) = self.until_committed(workspace, desired, waits.as_ref()).await? else {
                self.nothing(workspace).await?;
                return Ok(Next::Done);
            };
            let mut running = Running::recover(self.tools.engine.containers(Some(workspace)).await?);
            self.forget_what_another_edge_served(&mut running);
            let status = self.board.get(workspace);
            let restarted = ask.cause == Cause::AgentStarted && !desired.stopped;
            if restarted && deploy::wake(&self.tools, &running).await {
                running = Running::recover(self.tools.engine.containers(Some(workspace)).await?);
                self.forget_what_another_edge_served(&mut running);
            }
            self.show_completed(workspace, &running);
            let look = Look {
                manifest: &first,
                desired: &desired,
                status: status.as_ref(),
                running: &running,
                // What was done, and what was done and not told yet, is not to be done again for the reason that it was
                // done.
                cause: if superseded > 0 || self.has_done(workspace) { &Cause::Sweep } else { &ask.cause },
                retrying: self.remember(workspace, |memory| memory.try_again),
            };
            let next = match todo(&look) {
                Todo::Hold if waits.is_some() => {
                    // What is not committed is nothing to go forward to.
                    self.nothing(workspace).await?;
                    return Ok(Next::Done);
                }
                Todo::Nothing => {
                    if superseded == 0 {
                        self.say_nothing_to_do(workspace, &ask.cause);
                    }
                    self.nothing(workspace).await?;
                    return Ok(Next::Done);
                }
                Todo::Ignore => {
                    self.ignore(workspace).await?;
                    return Ok(Next::Done);
                }
                Todo::Stop => self.stop(workspace, ask).await?,
                Todo::Hold => self.hold_back(workspace, first).await?,
                Todo::Deploy => self.deploy_bucket(workspace, (first, began), ask, superseded).await?,
                Todo::GoBack(release) => {
                    let next = self.go_back(workspace, &release, ask).await?;
                    // Also where going back failed: nobody else looks before something happens.
                    if waits.is_none() && desired.held_back(&first).is_some() {
                        self.hold_back(workspace, first).await?;
                    }
                    next
                }
                Todo::FallBack(release) => self.fall_back(workspace, &release, ask).await?,
            };
            if let Some(next) = next {
                return Ok(next);
            }
            if superseded >= GIVE_UP_AFTER {
                return self
                    .failed(workspace, &DeployError::Superseded)
                    .await
                    .map(|next| next.unwrap_or(Next::Done));
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Whoever carries the traffic now knows nothing of containers that were made for another edge: they serve nobody.
    fn forget_what_another_edge_served(&self, running: &mut Running) {
        let for_traefik = self.tools.edge.kind() == EdgeKind::Traefik;
        running.live.retain(|_, one| one.identity.traefik.is_some() == for_traefik);
    }

    async fn nothing(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        // A container that came back elsewhere while we were busy has nobody else to find it.
        deploy::refresh(&self.tools, workspace).await?;
        self.board.confirm(workspace);
        self.catch_up(workspace).await?;
        self.remember(workspace, |memory| memory.failures_in_a_row = 0);
        Ok(())
    }

    /// Deploys what the bucket holds, once it is complete. `None`: look again at once.
    async fn deploy_bucket(
        &self,
        workspace: &WorkspaceName,
        (first, began): (Manifest, Began),
        ask: &Ask,
        superseded: u32,
    ) -> Result<Option<Next>, DeployError> {
        let try_ = self.begin(workspace, ask, Some(began));
        let manifest = match self.settle(workspace, first, &try_).await {
            Err(DeployError::Superseded) => return self.superseded(workspace, None).await,
            Err(DeployError::Cancelled) => return self.cancelled(workspace, None).await,
            settled => settled?,
        };
        if manifest.is_empty() {
            return self.remove(workspace).await.map(Some);
        }
        if manifest.entries.contains_key(IGNORE) {
            self.ignore(workspace).await?;
            return Ok(Some(Next::Done));
        }
        self.board.update(workspace, |status| note_release(status, manifest.digest()));
        let patience = if superseded < SUPERSEDED_LIMIT { Patience::Left } else { Patience::Over };
        match self.deploy(workspace, &try_, Wanted::Listed(&manifest), patience).await {
            Ok(deployed) => {
                self.live(workspace, manifest, deployed, &try_.progress).await?;
                Ok(Some(Next::Done))
            }
            Err(error) => self.ended(workspace, &error, Some(&manifest)).await,
        }
    }

    /// Deploys a release that was kept.
    async fn go_back(
        &self,
        workspace: &WorkspaceName,
        release: &ReleaseDigest,
        ask: &Ask,
    ) -> Result<Option<Next>, DeployError> {
        let try_ = self.begin(workspace, ask, None);
        self.board.update(workspace, |status| note_release(status, release.clone()));
        match self.deploy_kept(workspace, &try_, release).await {
            Ok((manifest, deployed)) => {
                self.live(workspace, manifest, deployed, &try_.progress).await?;
                Ok(Some(Next::Done))
            }
            Err(error) => self.ended(workspace, &error, None).await,
        }
    }

    async fn deploy_kept(
        &self,
        workspace: &WorkspaceName,
        try_: &Try,
        release: &ReleaseDigest,
    ) -> Result<(Manifest, (Deployed, Vec<String>)), DeployError> {
        // Held first and read then: no collection takes it away in between.
        let _hold = self.tools.releases.hold(workspace, release).await;
        let kept = self.tools.releases.get(workspace, release).await?;
        let unknown = || ReleaseError::Unknown { workspace: workspace.clone(), release: release.clone() };
        let kept = kept.ok_or_else(unknown)?;
        let ran = match self.tools.releases.history(workspace).await {
            Ok(history) => history.images_of(release).cloned().unwrap_or_default(),
            // A history that is damaged keeps nobody from going back.
            Err(ReleaseError::HistoryDamaged { .. }) => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        let deployed = self.deploy(workspace, try_, Wanted::Kept(&kept, &ran), Patience::Over).await?;
        Ok((kept.manifest, deployed))
    }

    /// `listed`: the bucket has been listed for it since then, which is its first step.
    fn begin(&self, workspace: &WorkspaceName, ask: &Ask, listed: Option<Began>) -> Try {
        let id = new_deployment(&self.tools.settings.platform, workspace);
        let desired = self.tools.desires.get(workspace);
        let cut = Cut::default();
        let current = self.memory.enter(workspace, cut.clone());
        let (board, name) = (self.board.clone(), workspace.clone());
        let began = listed.clone().unwrap_or_else(Began::now);
        let progress = Progress::start(board, name, &id, ask.clone(), desired.restarts, began);
        if listed.is_some() {
            progress.was("list");
        }
        Try { id, desired, progress, cut, _current: current }
    }

    async fn list(&self, workspace: &WorkspaceName) -> Result<Manifest, DeployError> {
        Ok(listing::manifest(self.tools.workspaces.as_ref(), workspace).await?)
    }

    /// Waits until the push is complete.
    async fn settle(
        &self,
        workspace: &WorkspaceName,
        first: Manifest,
        try_: &Try,
    ) -> Result<Manifest, DeployError> {
        let settings = &self.tools.settings;
        let live = self.remember(workspace, |memory| memory.manifest.clone());
        if live == first && !first.is_empty() {
            // Nothing was pushed: what serves is to be made anew.
            return Ok(first);
        }
        let began = Instant::now();
        let mut settling = if self.remember(workspace, |memory| memory.is_complete) {
            Settling::complete(first)
        } else {
            Settling::new(settings.quiet, settings.burst_quiet, settings.settle_cap, &live, first)
        };
        let settled = async {
            while let settle::Next::Wait(time) = settling.next(began.elapsed()) {
                if let Err(error) = try_.cut.sleep(time).await {
                    let seen = settling.into_manifest().digest();
                    self.board.update(workspace, |status| note_release(status, seen));
                    return Err(error);
                }
                let now = self.look(workspace).await?;
                if now.commit.is_some() {
                    // It is not for the window to say any more.
                    return Err(DeployError::Superseded);
                }
                settling.observe(now.manifest, began.elapsed());
            }
            Ok::<Manifest, DeployError>(settling.into_manifest())
        };
        let settled = try_.progress.step("settle", settled);
        self.watched(workspace, try_, None, settled).await
    }

    /// Deploys, and keeps a lookout for what would make that deployment pointless.
    async fn deploy(
        &self,
        workspace: &WorkspaceName,
        try_: &Try,
        wanted: Wanted<'_>,
        patience: Patience,
    ) -> Result<(Deployed, Vec<String>), DeployError> {
        let (previous, grounds) =
            self.remember(workspace, |memory| (memory.source.clone(), memory.grounds.clone()));
        let (manifest, kept, ran) = match wanted {
            Wanted::Listed(manifest) => (manifest, None, None),
            Wanted::Kept(release, ran) => (&release.manifest, Some(release), Some(ran)),
        };
        let cut = &try_.cut;
        let deploying = async {
            // While it is held, nothing is cleared away that this deployment may be about to use.
            let _grounds = cut.or(async { Ok(grounds.lock().await) }).await?;
            let turn = async { Ok(self.turns.acquire().await.expect("the semaphore is never closed")) };
            let _turn = cut.or(turn).await?;
            let before = self.tools.edge.backends(workspace).await;
            // What is put after a commit is none of it.
            let committed = self.remember(workspace, |memory| memory.is_committed);
            let live = self.remember(workspace, |memory| memory.live.clone());
            let touching = || {
                self.remember(workspace, |memory| {
                    (memory.live, memory.source, memory.probation) = (None, None, None);
                    memory.is_mixed = true;
                });
            };
            let job = Job {
                workspace,
                deployment: &try_.id,
                manifest,
                kept,
                ran,
                restarts: try_.desired.restarts,
                previous: previous.as_ref(),
                confirm: patience == Patience::Left && !committed,
                cut,
                live: live.as_deref(),
                touching: &touching,
            };
            Ok((deploy::deploy(&self.tools, &job, &try_.progress).await?, before))
        };
        let release = (patience == Patience::Left).then(|| manifest.digest());
        self.watched(workspace, try_, release.as_ref(), deploying).await
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
