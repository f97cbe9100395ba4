//! Removes the releases that nobody needs any more: their documents first, then the content that no document names.

use std::collections::BTreeSet;

use cloudyknight_core::history::History;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::release::{ContentDigest, Release};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::BucketError;
use futures::{StreamExt, TryStreamExt};

use super::keep::PARALLEL;
use super::{ReleaseError, Releases};

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Collected {
    pub releases: usize,
    pub contents: usize,
}

impl Releases {
    /// Leaves as many releases as the retention says. Stays whatever is `needed`, pinned, live or what served before
    /// it, just being kept, or being read.
    pub async fn collect(
        &self,
        workspace: &WorkspaceName,
        needed: &[ReleaseDigest],
    ) -> Result<Collected, ReleaseError> {
        let desk = self.desk(workspace);
        let history = self.history(workspace).await?;
        let mut shelf = desk.open(self.platform.as_ref(), workspace).await?;
        for digest in shelf.unread() {
            let read = self.get(workspace, &digest).await;
            let mut writing = shelf.begin();
            match read {
                Ok(Some(release)) => writing.add(&release),
                // Somebody took it away.
                Ok(None) => writing.remove(&digest),
                Err(ReleaseError::Damaged { .. }) => writing.add_damaged(&digest),
                Err(error) => {
                    writing.done();
                    return Err(error);
                }
            }
            writing.done();
        }
        // Read while the shelf is held: nobody pins in between.
        let mut keep: BTreeSet<ReleaseDigest> = desk.in_use();
        keep.extend(needed.iter().cloned());
        keep.extend(self.desires.get(workspace).pinned.map(|pin| pin.release));
        if let Some(live) = history.last_live() {
            keep.extend([Some(live), history.served_before(live)].into_iter().flatten().cloned());
        }
        let surplus = shelf.surplus(self.retention.releases, &history.by_last_use(), &keep);
        let mut writing = shelf.begin();
        self.delete(surplus.iter().map(|digest| Release::key(workspace, digest)).collect())
            .await
            .map_err(|source| ReleaseError::Collect { workspace: workspace.clone(), source })?;
        surplus.iter().for_each(|digest| writing.remove(digest));
        if writing.has_damaged() {
            tracing::warn!(%workspace, "a release is damaged: what only it may name is not collected");
            writing.done();
            return Ok(Collected { releases: surplus.len(), contents: 0 });
        }
        let garbage: Vec<ContentDigest> =
            writing.unnamed().into_iter().filter(|digest| !desk.is_reserved(digest)).collect();
        self.delete(garbage.iter().map(|digest| digest.key(workspace)).collect())
            .await
            .map_err(|source| ReleaseError::Collect { workspace: workspace.clone(), source })?;
        garbage.iter().for_each(|digest| writing.remove_content(digest));
        writing.done();
        let collected = Collected { releases: surplus.len(), contents: garbage.len() };
        if collected != Collected::default() {
            tracing::debug!(%workspace, ?collected, "releases were collected");
        }
        Ok(collected)
    }

    /// Removes everything that is kept of a workspace: it cannot be gone back to or restored then.
    pub async fn forget(&self, workspace: &WorkspaceName) -> Result<Collected, ReleaseError> {
        let failed = |source| ReleaseError::Collect { workspace: workspace.clone(), source };
        let desk = self.desk(workspace);
        let mut history = desk.history.lock().await;
        let mut shelf = desk.open(self.platform.as_ref(), workspace).await?;
        if desk.is_held() {
            return Err(ReleaseError::InUse { workspace: workspace.clone() });
        }
        let mut writing = shelf.begin();
        let documents: Vec<ReleaseDigest> = writing.documents().cloned().collect();
        self.delete(documents.iter().map(|digest| Release::key(workspace, digest)).collect())
            .await
            .map_err(failed)?;
        documents.iter().for_each(|digest| writing.remove(digest));
        let contents = writing.unnamed();
        self.delete(contents.iter().map(|digest| digest.key(workspace)).collect()).await.map_err(failed)?;
        contents.iter().for_each(|digest| writing.remove_content(digest));
        *history = None;
        self.delete(vec![History::key(workspace)]).await.map_err(failed)?;
        writing.done();
        Ok(Collected { releases: documents.len(), contents: contents.len() })
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), BucketError> {
        let mut deletions = Vec::with_capacity(keys.len());
        for key in &keys {
            deletions.push(self.platform.delete(key));
        }
        futures::stream::iter(deletions).buffer_unordered(PARALLEL).try_collect().await
    }
}
