//! What people asked of each workspace beyond its files: read back at the start, kept in memory for whoever decides, and
//! written to the platform bucket before anybody is told that it was taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudyknight_core::desired::Desired;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};

pub struct Desires {
    platform: Arc<dyn Bucket>,
    known: Mutex<BTreeMap<WorkspaceName, Desired>>,
    /// Held while a document is written, so that no older one overtakes a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Desires {
    /// Reads back what was asked. A document that cannot be read is left out and said so.
    pub async fn load(platform: Arc<dyn Bucket>) -> Result<Self, BucketError> {
        let mut known = BTreeMap::new();
        for object in platform.list("desired/").await? {
            let name = object.key.strip_prefix("desired/").and_then(|name| name.strip_suffix(".json"));
            let Some(Ok(name)) = name.map(str::parse) else { continue };
            let text = platform.get(&object.key, None).await?.bytes().await?;
            match serde_json::from_slice::<Desired>(&text) {
                Ok(desired) => drop(known.insert(name, desired)),
                Err(error) => tracing::warn!(key = object.key, %error, "what was asked is not readable"),
            }
        }
        Ok(Self { platform, known: Mutex::new(known), writing: tokio::sync::Mutex::default() })
    }

    pub fn get(&self, workspace: &WorkspaceName) -> Desired {
        self.lock().get(workspace).cloned().unwrap_or_default()
    }

    /// Changes what is asked of a workspace. When it returns, that outlives this host.
    pub async fn change(
        &self,
        workspace: &WorkspaceName,
        change: impl FnOnce(&mut Desired),
    ) -> Result<Desired, BucketError> {
        let _turn = self.writing.lock().await;
        let mut desired = self.get(workspace);
        change(&mut desired);
        let text = Bytes::from(serde_json::to_vec(&desired).expect("what is desired is plain data"));
        self.platform.put(&Desired::key(workspace), text).await?;
        self.lock().insert(workspace.clone(), desired.clone());
        Ok(desired)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkspaceName, Desired>> {
        self.known.lock().expect("nothing panics while it holds this")
    }
}
