//! The releases of every workspace, kept whole in the platform bucket: what was listed, what each file held, and what
//! became of each deployment. A rollback reads from here, and needs nothing of the workspaces bucket.

use std::sync::Arc;

use cloudyknight_store::bucket::Bucket;

pub struct Releases {
    #[expect(dead_code, reason = "filled in with the next change")]
    platform: Arc<dyn Bucket>,
}

impl Releases {
    pub fn new(platform: Arc<dyn Bucket>) -> Self {
        Self { platform }
    }
}
