//! What is measured of workspaces while somebody asks: what they use, what they carry, and what they hold where. Nothing
//! of it decides anything, and none of it is asked for while nobody looks.

pub mod busy;

mod cgroup;

pub mod held;

mod newest;

pub mod stats;

pub mod storage;

use std::sync::Arc;

use crate::deploy::Tools;

/// What was measured last.
#[derive(Clone, Default)]
pub struct Facts {
    stats: Arc<stats::Sampler>,
    storage: Arc<storage::Surveyor>,
}

impl Facts {
    pub async fn stats(&self, tools: &Tools) -> Result<Arc<stats::Measured>, crate::engine::EngineError> {
        self.stats.measure(tools).await
    }

    pub async fn storage(
        &self,
        agent: &crate::Agent,
    ) -> Result<Arc<storage::Survey>, crate::engine::EngineError> {
        storage::Surveyor::survey(&self.storage, agent).await
    }
}
