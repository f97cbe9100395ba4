//! What is pushed to a workspace that is pinned or stopped: not deployed, but kept as a release and written down, so that
//! one can go forward to it.

use std::collections::BTreeMap;

use cloudyknight_core::command::Cause;
use cloudyknight_core::history::Record;
use cloudyknight_core::manifest::Manifest;
use cloudyknight_core::status::Outcome;
use cloudyknight_core::workspace::WorkspaceName;
use tokio::time::Instant;

use super::{Next, Reconciler, new_deployment};
use crate::board::now;
use crate::deploy::{DeployError, with_causes};
use crate::settle::{self, Settling};
use crate::source::{Place, Source};

impl Reconciler {
    /// Keeps what the bucket holds once it is complete. `None`: look again at once.
    pub(super) async fn hold_back(
        &self,
        workspace: &WorkspaceName,
        first: Manifest,
    ) -> Result<Option<Next>, DeployError> {
        let manifest = self.quiet(workspace, first).await?;
        let release = manifest.digest();
        if manifest.is_empty() {
            return Ok(None);
        }
        let held = self.board.get(workspace).and_then(|status| status.held_back);
        if held.as_ref() == Some(&release) {
            return Ok(None);
        }
        if !self.tools.releases.list(workspace).await?.contains(&release) {
            let begun = now();
            match self.shelve(workspace, &manifest).await {
                Ok(()) => {}
                Err(error) if error.kind() == crate::deploy::Kind::ListAgain => return Ok(None),
                // It is no release that could be deployed; there is nothing to go forward to, and no reason to try again.
                Err(error) if error.kind() == crate::deploy::Kind::Human => {
                    tracing::warn!(%workspace, error = with_causes(&error), "what was pushed is not kept");
                }
                Err(error) => return Err(error),
            }
            let serves = self.board.get(workspace).and_then(|status| status.release);
            let changed = self.changed(workspace, serves.as_ref(), &manifest).await;
            let record = Record {
                id: new_deployment(&self.tools.settings.platform, workspace).to_string(),
                release: Some(release.clone()),
                previous: serves,
                cause: Cause::Sweep,
                by: None,
                origin: None,
                started_at: begun,
                finished_at: now(),
                outcome: Outcome::HeldBack,
                steps: Vec::new(),
                changed,
                images: BTreeMap::new(),
            };
            self.put_on_record(workspace, record);
        }
        tracing::info!(%workspace, release = release.short(), "held back");
        let held = format!("release {} is held back: the workspace is pinned or stopped", release.short());
        self.say_deployed(workspace, held);
        self.board.update(workspace, |status| status.held_back = Some(release));
        self.tell(workspace).await?;
        Ok(None)
    }

    async fn quiet(&self, workspace: &WorkspaceName, first: Manifest) -> Result<Manifest, DeployError> {
        let settings = &self.tools.settings;
        let live = self.remember(workspace, |memory| memory.manifest.clone());
        if self.remember(workspace, |memory| memory.is_complete) {
            return Ok(first);
        }
        let began = Instant::now();
        let mut settling =
            Settling::new(settings.quiet, settings.burst_quiet, settings.settle_cap, &live, first);
        while let settle::Next::Wait(time) = settling.next(began.elapsed()) {
            tokio::time::sleep(time).await;
            settling.observe(self.list(workspace).await?, began.elapsed());
        }
        Ok(settling.into_manifest())
    }

    /// Keeps what the bucket holds without deploying it.
    pub(super) async fn shelve(
        &self,
        workspace: &WorkspaceName,
        manifest: &Manifest,
    ) -> Result<(), DeployError> {
        let (previous, grounds) =
            self.remember(workspace, |memory| (memory.source.clone(), memory.grounds.clone()));
        // Nobody clears its folder away under it.
        let _grounds = grounds.lock().await;
        let place = Place {
            source_dir: &self.tools.settings.source_dir,
            workspace,
            deployment: &new_deployment(&self.tools.settings.platform, workspace),
            limit: self.tools.settings.max_source_bytes,
            previous: previous.as_ref(),
        };
        let source = Source::fetch(self.tools.workspaces.as_ref(), &place, manifest).await?;
        let kept = self.tools.releases.keep(workspace, manifest, &source).await;
        source.discard().await;
        Ok(kept?)
    }
}
