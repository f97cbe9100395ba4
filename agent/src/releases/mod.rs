//! The releases of every workspace, kept whole in the platform bucket: what was listed, what each file held, and what
//! became of each deployment. A rollback reads from here, and needs nothing of the workspaces bucket.
//!
//! Content goes before the document that names it, and a document goes before the content that only it names: whatever
//! interrupts either leaves content that nothing names, which the next collection removes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloudyknight_core::desired::{Desired, Pin};
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::release::Release;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};

use crate::desires::Desires;
use crate::source::{Place, Source};

mod chronicle;
mod collect;
mod desk;
mod differ;
mod error;
mod keep;
mod name;
mod shelf;
#[cfg(test)]
mod tests;

pub use collect::Collected;
pub use desk::Hold;
pub use error::ReleaseError;
pub use name::{NoSuchRelease, named};

use desk::Desk;

/// Assumption: nobody else writes below `releases/`, `content/` and `history/` of the platform bucket.
pub struct Releases {
    platform: Arc<dyn Bucket>,
    desires: Arc<Desires>,
    retention: Retention,
    desks: Mutex<BTreeMap<WorkspaceName, Arc<Desk>>>,
}

/// What a collection leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many releases a workspace, those that were used last; and whatever is needed beyond them.
    pub releases: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { releases: 50 }
    }
}

impl Releases {
    pub fn new(platform: Arc<dyn Bucket>, desires: Arc<Desires>, retention: Retention) -> Self {
        Self { platform, desires, retention, desks: Mutex::default() }
    }

    /// Reads a release. One that is not what it should be is [`ReleaseError::Damaged`].
    pub async fn get(
        &self,
        workspace: &WorkspaceName,
        release: &ReleaseDigest,
    ) -> Result<Option<Release>, ReleaseError> {
        let failed = |source| ReleaseError::read(workspace, release, source);
        let text = match self.platform.get(&Release::key(workspace, release), None).await {
            Ok(content) => content.bytes().await.map_err(failed)?,
            Err(BucketError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match Release::from_json(&text, workspace, release) {
            Ok(release) => Ok(Some(release)),
            Err(damage) => {
                // Should the workspaces bucket hold it again, it is kept anew.
                self.desk(workspace).distrust(release);
                Err(ReleaseError::damaged(workspace, release, damage))
            }
        }
    }

    /// Makes the files of a release, each only if it is what the release says. Files that the `previous` one in the
    /// place already holds are linked, not fetched.
    pub async fn fetch(&self, place: &Place<'_>, release: &Release) -> Result<Source, ReleaseError> {
        let _hold = self.hold(place.workspace, &release.digest).await;
        keep::fetch(self.platform.as_ref(), &self.desk(place.workspace), place, release).await
    }

    /// Keeps what was deployed. When it returns, the release is whole in the platform bucket. What is there already is
    /// not sent again; a release that is there already costs nothing.
    pub async fn keep(
        &self,
        workspace: &WorkspaceName,
        manifest: &Manifest,
        source: &Source,
    ) -> Result<(), ReleaseError> {
        keep::keep(self.platform.as_ref(), &self.desk(workspace), workspace, manifest, source).await
    }

    /// The digests of what is kept of a workspace.
    pub async fn list(&self, workspace: &WorkspaceName) -> Result<Vec<ReleaseDigest>, ReleaseError> {
        let desk = self.desk(workspace);
        let shelf = desk.open(self.platform.as_ref(), workspace).await?;
        Ok(shelf.documents().cloned().collect())
    }

    /// Pins a workspace to a release that is kept. No collection comes in between. `change` is what else is asked of the
    /// workspace with it.
    pub async fn pin(
        &self,
        workspace: &WorkspaceName,
        pin: Pin,
        change: impl FnOnce(&mut Desired),
    ) -> Result<Desired, ReleaseError> {
        let desk = self.desk(workspace);
        let shelf = desk.open(self.platform.as_ref(), workspace).await?;
        if !shelf.holds(&pin.release) {
            return Err(ReleaseError::Unknown { workspace: workspace.clone(), release: pin.release });
        }
        let release = pin.release.clone();
        let pinned = self.desires.change(workspace, |desired| {
            desired.pinned = Some(pin);
            change(desired);
        });
        let pinned = pinned.await.map_err(|source| {
            desk.note_doubtful_pin(&release);
            ReleaseError::Pin { workspace: workspace.clone(), source }
        })?;
        desk.forget_doubtful_pins();
        Ok(pinned)
    }

    /// As long as the answer lives, no collection takes this release. Held first and read then, it is there as a whole
    /// or not at all.
    pub async fn hold(&self, workspace: &WorkspaceName, release: &ReleaseDigest) -> Hold {
        Hold::take(self.desk(workspace), release).await
    }

    fn desk(&self, workspace: &WorkspaceName) -> Arc<Desk> {
        let mut desks = self.desks.lock().expect("nothing panics while it holds the desks");
        desks.entry(workspace.clone()).or_default().clone()
    }
}
