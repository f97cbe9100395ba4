//! Which listing is a push: an archive that was uploaded makes one, a commit marker makes one, and without them it is the
//! quiet window that tells.

use cloudyknight_core::command::Cause;
use cloudyknight_core::commit::{Committed, Gate, Uncommitted};
use cloudyknight_core::desired::{Desired, Pin};
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::status::{Deployment, Failure, Outcome, State, WorkspaceStatus};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing::{self, Listing};

use super::{Ask, Reconciler, finish, new_deployment};
use crate::archive::{ArchiveError, Intake, Taken};
use crate::board::now;
use crate::deploy::DeployError;
use crate::plan::Running;

/// What the bucket holds.
pub struct Pushed {
    pub manifest: Manifest,
    /// It is no push before it is committed.
    pub waits: Option<Waits>,
}

pub struct Waits {
    /// The release that counts until then: what was committed last, or what was live before anybody committed.
    pub until: Option<ReleaseDigest>,
}

impl Reconciler {
    /// There may be an archive of this workspace. It is looked for at the next look, however that comes about: the reasons
    /// of several looks become one.
    pub fn expect_archive(&self, workspace: &WorkspaceName) {
        self.remember(workspace, |memory| memory.archive_expected = true);
    }

    /// Whether an archive came, and was not refused yet. Nobody may have told: while one command of a workspace is worked
    /// on, the next waits in the queue.
    pub(super) async fn is_archive_there(&self, workspace: &WorkspaceName) -> Result<bool, DeployError> {
        let intake = Intake::of(&self.tools, &self.board);
        let there = intake.is_expected(workspace).await.map_err(ArchiveError::from)?;
        if there {
            self.expect_archive(workspace);
        }
        Ok(there)
    }

    /// Makes an archive that came the workspace's content. While that does not work, nothing else is done for the workspace.
    /// `first`: it was not looked for yet for what was asked.
    pub(super) async fn take_archive(
        &self,
        workspace: &WorkspaceName,
        ask: &Ask,
        first: bool,
    ) -> Result<(), DeployError> {
        let asked = first && ask.cause == Cause::Requested;
        let expected = asked || (first && matches!(ask.cause, Cause::Archive { .. }));
        let expected = self.remember(workspace, |memory| {
            memory.archive_expected |= expected;
            memory.archive_expected
        });
        if !expected {
            return Ok(());
        }
        // Unpacking takes memory and a processor, as a deployment does.
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let intake = Intake::of(&self.tools, &self.board);
        // What comes from here on is looked for once more.
        self.remember(workspace, |memory| memory.archive_expected = false);
        match intake.take(workspace, asked).await {
            Ok(Taken::None | Taken::Published) => {
                self.forget_refusal(workspace);
                Ok(())
            }
            Ok(Taken::Refused(failure)) => self.refused(workspace, ask, failure).await,
            Err(error) => {
                self.expect_archive(workspace);
                Err(error.into())
            }
        }
    }

    /// A push that failed before it changed anything: what was tried last is still what the bucket holds.
    async fn refused(
        &self,
        workspace: &WorkspaceName,
        ask: &Ask,
        failure: Failure,
    ) -> Result<(), DeployError> {
        self.say_deployed(workspace, format!("failed: {}", failure.message));
        let state = self.board.get(workspace).map(|status| status.state);
        if matches!(state, Some(State::Stopped | State::Ignored)) {
            return self.tell(workspace).await;
        }
        let id = new_deployment(&self.tools.settings.platform, workspace);
        let desired = self.tools.desires.get(workspace);
        self.board.update(workspace, |status| {
            let before = status.last().cloned();
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
            status.deployment = Some(Deployment {
                id: id.to_string(),
                release: before.as_ref().and_then(|before| before.release.clone()),
                cause: ask.cause.clone(),
                by: ask.by.clone(),
                traceparent: ask.traceparent.clone(),
                origin: ask.origin,
                started_at: now(),
                finished_at: None,
                outcome: Outcome::Running,
                steps: Vec::new(),
                restarts: before.as_ref().map_or(desired.restarts, |before| before.restarts),
                previous: status.release.clone(),
                live_at: None,
                instead: None,
                before: before.map(Box::new),
            });
            finish(status, Outcome::Failed(failure));
        });
        self.note(workspace, None).await;
        self.tell(workspace).await
    }

    /// The archive that was refused is not there any more: what came before it is what the status tells of again.
    fn forget_refusal(&self, workspace: &WorkspaceName) {
        let Some(status) = self.board.get(workspace) else { return };
        let is_there = status.archive.is_some_and(|archive| archive.refused().is_some());
        let Some(before) = status.deployment.and_then(|last| last.before).filter(|_| !is_there) else {
            return;
        };
        self.board.update(workspace, |status| {
            if before.outcome == Outcome::Live && status.release.is_some() {
                status.state = State::Live;
            }
            status.deployment = Some(*before);
        });
        self.remember(workspace, |memory| memory.is_untold = true);
    }

    /// What the bucket holds, and whether that is a push.
    pub(super) async fn take_push(&self, workspace: &WorkspaceName) -> Result<Pushed, DeployError> {
        let listing = self.look(workspace).await?;
        self.tell_of_news(workspace, &listing);
        let gate = self.gate(workspace, &listing);
        let complete = gate == Gate::Committed;
        self.remember(workspace, |memory| {
            memory.is_complete = complete;
            memory.is_committed = complete && listing.commit.is_some();
        });
        let waits = match gate {
            Gate::Open => {
                self.forget_commit(workspace);
                None
            }
            Gate::Committed => {
                self.take_commit(workspace, &listing);
                None
            }
            Gate::Closed => Some(self.wait_for_commit(workspace, &listing).await?),
        };
        if waits.is_none() && self.board.get(workspace).is_some_and(|status| status.uncommitted.is_some()) {
            self.board.update(workspace, |status| status.uncommitted = None);
            self.remember(workspace, |memory| memory.is_untold = true);
        }
        Ok(Pushed { manifest: listing.manifest, waits })
    }

    /// What is wanted of a workspace that waits for a commit: what counted before, as if it were pinned to that. `None`:
    /// nothing did, and nothing is to be done.
    pub(super) async fn until_committed(
        &self,
        workspace: &WorkspaceName,
        desired: Desired,
        waits: Option<&Waits>,
    ) -> Result<Option<Desired>, DeployError> {
        let Some(Waits { until }) = waits else { return Ok(Some(desired)) };
        if desired.pinned.is_some() || desired.stopped {
            return Ok(Some(desired));
        }
        let Some(until) = until else { return Ok(None) };
        let kept = self.tools.releases.list(workspace).await?;
        let pin = |release: &ReleaseDigest| Pin { release: release.clone(), at: String::new() };
        if kept.contains(until) {
            return Ok(Some(Desired { pinned: Some(pin(until)), ..desired }));
        }
        // It was committed, and its files were replaced before they were read. What served before is left alone, or brought
        // back.
        let status = self.board.get(workspace);
        let before = status.as_ref().and_then(|status| {
            let last = status.last();
            status.release.as_ref().or(last.and_then(|last| last.previous.as_ref()))
        });
        let Some(before) = before.filter(|before| kept.contains(before)) else { return Ok(None) };
        let last = status.as_ref().and_then(WorkspaceStatus::last);
        let restarts = last.is_some_and(|last| last.restarts != desired.restarts);
        let running = Running::recover(self.tools.engine.containers(Some(workspace)).await?);
        let is_well = running.serves() && !restarts;
        Ok((!is_well).then(|| Desired { pinned: Some(pin(before)), ..desired }))
    }

    /// Whether something else than `release` was pushed by now.
    pub(super) async fn is_pushed_over(
        &self,
        workspace: &WorkspaceName,
        release: Option<&ReleaseDigest>,
    ) -> Result<bool, DeployError> {
        let now = self.look(workspace).await?;
        Ok(Some(&now.manifest.digest()) != release && self.gate(workspace, &now) != Gate::Closed)
    }

    /// Where nobody tells which objects changed, a listing is what shows that some did.
    fn tell_of_news(&self, workspace: &WorkspaceName, listing: &Listing) {
        if self.journal.is_told_of_objects() {
            return;
        }
        let listed = Some(listing.manifest.digest());
        let before = self.remember(workspace, |memory| std::mem::replace(&mut memory.listed, listed.clone()));
        if before != listed {
            self.journal.listed_anew(workspace);
        }
    }

    pub(super) async fn look(&self, workspace: &WorkspaceName) -> Result<Listing, DeployError> {
        Ok(listing::listing(self.tools.workspaces.as_ref(), workspace).await?)
    }

    fn gate(&self, workspace: &WorkspaceName, listing: &Listing) -> Gate {
        match self.board.get(workspace) {
            Some(status) => listing.gate(&status),
            None => listing.gate(&WorkspaceStatus::new(workspace.clone(), String::new())),
        }
    }

    /// Takes note of a marker. The same release, committed once more, is tried once more if it failed.
    fn take_commit(&self, workspace: &WorkspaceName, listing: &Listing) {
        let known = self.board.get(workspace);
        // A marker in a workspace that never held anything is no workspace.
        if known.is_none() && listing.manifest.is_empty() {
            return;
        }
        if known.as_ref().is_some_and(|status| listing.is_taken(status)) {
            return;
        }
        let release = listing.manifest.digest();
        let last = known.and_then(|status| status.last().cloned());
        let failed = |last: &Deployment| {
            last.release.as_ref() == Some(&release) && matches!(last.outcome, Outcome::Failed(_))
        };
        let again = last.as_ref().is_some_and(failed);
        self.board.update(workspace, |status| {
            status.committed = Some(Committed { commit: listing.commit.clone(), release });
        });
        self.remember(workspace, |memory| {
            memory.try_again |= again;
            memory.is_untold = true;
        });
    }

    /// Nobody commits here any more: what was committed is no more than what was pushed after it.
    fn forget_commit(&self, workspace: &WorkspaceName) {
        if self.board.get(workspace).is_some_and(|status| status.committed.is_some()) {
            self.board.update(workspace, |status| status.committed = None);
            self.remember(workspace, |memory| memory.is_untold = true);
        }
    }

    async fn wait_for_commit(
        &self,
        workspace: &WorkspaceName,
        listing: &Listing,
    ) -> Result<Waits, DeployError> {
        let release = listing.manifest.digest();
        let known = self.board.get(workspace);
        let until = known.as_ref().and_then(counts).cloned();
        let told = known.as_ref().and_then(|status| status.uncommitted.as_ref());
        let interrupted =
            known.as_ref().is_some_and(|status| matches!(status.state, State::Updating | State::Deploying));
        if told.is_none_or(|told| told.release != release) || (interrupted && until.is_some()) {
            let files = self.uncommitted(workspace, listing, until.as_ref()).await;
            self.board.update(workspace, |status| {
                status.uncommitted = Some(Uncommitted { files, release });
                if status.state == State::Updating {
                    status.state = State::Live;
                }
            });
            self.remember(workspace, |memory| memory.is_untold = true);
        }
        Ok(Waits { until })
    }

    /// How many files differ from what counts until then, where that is still known.
    async fn uncommitted(
        &self,
        workspace: &WorkspaceName,
        listing: &Listing,
        until: Option<&ReleaseDigest>,
    ) -> Option<usize> {
        let Some(until) = until else { return Some(listing.manifest.entries.len()) };
        let live = self.remember(workspace, |memory| memory.manifest.clone());
        if live.digest() == *until {
            return Some(live.difference(&listing.manifest));
        }
        let kept = self.tools.releases.get(workspace, until).await.ok().flatten();
        kept.map(|kept| kept.manifest.difference(&listing.manifest))
    }
}

/// The release that counts while something waits for its commit.
fn counts(status: &WorkspaceStatus) -> Option<&ReleaseDigest> {
    let committed = status.committed.as_ref().map(|committed| &committed.release);
    let live = || status.last().filter(|last| last.live_at.is_some()).and_then(|last| last.release.as_ref());
    committed.or(status.release.as_ref()).or_else(live)
}
