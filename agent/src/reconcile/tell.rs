//! Tells the platform bucket what was done: the status, the history, and the release itself where it could not be kept
//! at once. What cannot be told is told later, and nothing is done again for that.

use std::collections::BTreeMap;

use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::Desired;
use cloudyknight_core::history::{Changed, RanImage, Record};
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::workspace::WorkspaceName;

use super::Reconciler;
use super::memory::Memory;
use crate::board::now;
use crate::deploy::{DeployError, with_causes};
use crate::journal::{EntryKind, Line};
use crate::plan::{Condition, Running};
use crate::todo::IGNORE;

/// How many paths of each kind a record names.
const PATHS: usize = 50;
/// So many records wait for a platform bucket that is away; of older ones only the log tells.
const RECORDS: usize = 100;

impl Reconciler {
    /// Shows what is asked of a workspace.
    pub(super) fn show(&self, workspace: &WorkspaceName, listed: &Manifest, desired: &Desired) {
        let Some(status) = self.board.get(workspace) else { return };
        let held = status.held_back.is_some() && desired.held_back(listed).is_none();
        if status.pinned == desired.pinned && !held {
            return;
        }
        self.board.update(workspace, |status| {
            status.pinned = desired.pinned.clone();
            if held {
                status.held_back = None;
            }
        });
        self.remember(workspace, |memory| memory.is_untold = true);
    }

    /// Shows which services have done their work.
    pub(super) fn show_completed(&self, workspace: &WorkspaceName, running: &Running) {
        let Some(status) = self.board.get(workspace) else { return };
        let completed = |container: &str| {
            let mut live = running.live.values();
            live.any(|one| one.name == container && one.condition == Condition::Completed)
        };
        if status.services.iter().all(|one| one.completed == completed(&one.container)) {
            return;
        }
        self.board.update(workspace, |status| {
            for one in &mut status.services {
                one.completed = completed(&one.container);
            }
        });
        self.remember(workspace, |memory| memory.is_untold = true);
    }

    /// Notes how the deployment in the status ended, for the history. `manifest` is what it was to deploy, if that is at
    /// hand.
    pub(super) async fn note(&self, workspace: &WorkspaceName, manifest: Option<&Manifest>) {
        self.note_with(workspace, manifest, BTreeMap::new()).await;
    }

    /// The same of one that went live, with what its services run.
    pub(super) async fn note_with(
        &self,
        workspace: &WorkspaceName,
        manifest: Option<&Manifest>,
        images: BTreeMap<String, RanImage>,
    ) {
        let Some(last) = self.board.get(workspace).and_then(|status| status.deployment) else { return };
        let changed = match manifest {
            Some(manifest) => self.changed(workspace, last.previous.as_ref(), manifest).await,
            None => Changed::default(),
        };
        self.put_on_record(
            workspace,
            Record {
                id: last.id,
                release: last.release,
                previous: last.previous,
                cause: last.cause,
                by: last.by,
                origin: last.origin,
                started_at: last.started_at,
                finished_at: last.finished_at.unwrap_or_else(now),
                outcome: last.outcome,
                steps: last.steps,
                changed,
                images,
            },
        );
    }

    /// Tells the journal how a deployment ended.
    pub(super) fn say_deployed(&self, workspace: &WorkspaceName, message: String) {
        let workspace = Some(workspace.clone());
        self.journal.write(Line { kind: EntryKind::Deployed, workspace, key: None, message });
    }

    /// Tells the journal that what was pushed changes nothing.
    pub(super) fn say_nothing_to_do(&self, workspace: &WorkspaceName, cause: &Cause) {
        if !matches!(cause, Cause::Put { .. } | Cause::Delete { .. } | Cause::Archive { .. }) {
            return;
        }
        let message = "the bucket holds what was deployed last: nothing is to be done".to_owned();
        let workspace = Some(workspace.clone());
        self.journal.write(Line { kind: EntryKind::Ignored, workspace, key: None, message });
    }

    /// Tells the journal that a workspace wants to be left alone.
    pub(super) fn say_left_alone(&self, workspace: &WorkspaceName) {
        let message = format!("`{IGNORE}` lies in the workspace: it is left alone");
        let workspace = Some(workspace.clone());
        self.journal.write(Line { kind: EntryKind::Ignored, workspace, key: None, message });
    }

    pub(super) fn put_on_record(&self, workspace: &WorkspaceName, record: Record) {
        self.remember(workspace, |memory| {
            memory.records.retain(|one| one.id != record.id);
            memory.records.push(record);
            let surplus = memory.records.len().saturating_sub(RECORDS);
            memory.records.drain(..surplus);
        });
    }

    /// What a manifest changes against what served before.
    pub(super) async fn changed(
        &self,
        workspace: &WorkspaceName,
        previous: Option<&ReleaseDigest>,
        manifest: &Manifest,
    ) -> Changed {
        let Some(previous) = previous else { return Changed::between(&Manifest::default(), manifest, PATHS) };
        let at_hand = self.remember(workspace, |memory| memory.manifest.clone());
        if at_hand.digest() == *previous {
            return Changed::between(&at_hand, manifest, PATHS);
        }
        match self.tools.releases.get(workspace, previous).await {
            Ok(Some(before)) => Changed::between(&before.manifest, manifest, PATHS),
            Ok(None) => Changed::default(),
            Err(error) => {
                tracing::debug!(%workspace, error = with_causes(&error), "what changed is not known");
                Changed::default()
            }
        }
    }

    /// Whether something was done that could not be told.
    pub(super) fn has_done(&self, workspace: &WorkspaceName) -> bool {
        let done = |memory: &mut Memory| memory.is_unkept || !memory.records.is_empty();
        self.board.is_behind(workspace) || self.remember(workspace, done)
    }

    /// Tells what could not be told when it was done, or only shows what is asked.
    pub(super) async fn catch_up(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        let untold = self.remember(workspace, |memory| memory.is_untold);
        if untold || self.has_done(workspace) { self.tell(workspace).await } else { Ok(()) }
    }

    /// Tells everything that is not told yet.
    pub(super) async fn tell(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        let told = self.tell_all(workspace).await;
        // Also where it did not get as far as the status: nobody waits longer for what cannot be told now.
        self.board.has_tried(workspace);
        told
    }

    async fn tell_all(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        let (unkept, source, manifest) = self
            .remember(workspace, |memory| (memory.is_unkept, memory.source.clone(), memory.manifest.clone()));
        if let (true, Some(source)) = (unkept, source) {
            self.tools.releases.keep(workspace, &manifest, &source).await?;
            self.remember(workspace, |memory| memory.is_unkept = false);
        }
        while let Some(record) = self.remember(workspace, |memory| memory.records.first().cloned()) {
            self.tools.releases.record(workspace, record.clone()).await?;
            self.remember(workspace, |memory| memory.records.retain(|one| *one != record));
        }
        self.board.save(workspace).await.map_err(DeployError::Report)?;
        self.remember(workspace, |memory| memory.is_untold = false);
        Ok(())
    }
}
