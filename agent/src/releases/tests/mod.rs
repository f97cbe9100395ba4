//! Releases on buckets in memory, which fail on demand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cloudyknight_core::command::Cause;
use cloudyknight_core::history::{Changed, Record};
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::release::{ContentDigest, Release};
use cloudyknight_core::status::Outcome;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::failing::FailingBucket;
use cloudyknight_store::listing;
use cloudyknight_store::memory::MemoryBucket;

use super::{Releases, Retention};
use crate::desires::Desires;
use crate::identity::DeploymentId;
use crate::source::{Place, Source};

mod collecting;
mod differing;
mod hundred;
mod keeping;
mod racing;
mod slow;

struct World {
    workspaces: Arc<MemoryBucket>,
    platform: Arc<FailingBucket>,
    desires: Arc<Desires>,
    releases: Releases,
    app: WorkspaceName,
    sources: tempfile::TempDir,
}

impl World {
    async fn new(keep: usize) -> Self {
        let platform = Arc::new(FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight"))));
        Self::on(platform, keep).await
    }

    /// Others have their turn before and after each request to the platform bucket.
    async fn slow(keep: usize) -> Self {
        let memory = Arc::new(MemoryBucket::new("cloudyknight"));
        Self::on(Arc::new(FailingBucket::new(Arc::new(slow::SlowBucket(memory)))), keep).await
    }

    /// A host that was just pointed at this platform bucket.
    async fn on(platform: Arc<FailingBucket>, keep: usize) -> Self {
        let desires = Arc::new(Desires::load(platform.clone()).await.unwrap());
        let retention = Retention { releases: keep };
        Self {
            workspaces: Arc::new(MemoryBucket::new("workspaces")),
            releases: Releases::new(platform.clone(), desires.clone(), retention),
            platform,
            desires,
            app: "app".parse().unwrap(),
            sources: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes the bucket hold these files, and no others.
    async fn push(&self, files: &[(&str, &str)]) -> Manifest {
        for object in self.workspaces.list("app/").await.unwrap() {
            self.workspaces.delete(&object.key).await.unwrap();
        }
        for (path, text) in files {
            self.workspaces.put(&format!("app/{path}"), Bytes::from((*text).to_owned())).await.unwrap();
        }
        listing::manifest(self.workspaces.as_ref(), &self.app).await.unwrap()
    }

    async fn source(&self, manifest: &Manifest, previous: Option<&Source>) -> Source {
        let deployment = self.deployment();
        let place = self.place(&deployment, previous);
        Source::fetch(self.workspaces.as_ref(), &place, manifest).await.unwrap()
    }

    fn place<'a>(&'a self, deployment: &'a DeploymentId, previous: Option<&'a Source>) -> Place<'a> {
        Place { source_dir: self.sources.path(), workspace: &self.app, deployment, limit: 1 << 30, previous }
    }

    /// Also on another host no id comes twice.
    fn deployment(&self) -> DeploymentId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        DeploymentId(format!("{:06}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Pushes, fetches and keeps; answers which release that is.
    async fn keep(&self, files: &[(&str, &str)]) -> ReleaseDigest {
        let manifest = self.push(files).await;
        let source = self.source(&manifest, None).await;
        self.releases.keep(&self.app, &manifest, &source).await.unwrap();
        manifest.digest()
    }

    async fn record(&self, release: &ReleaseDigest, outcome: Outcome) {
        self.try_record(release, outcome).await.unwrap();
    }

    async fn try_record(&self, release: &ReleaseDigest, outcome: Outcome) -> Result<(), super::ReleaseError> {
        let record = Record {
            id: self.deployment().0,
            release: Some(release.clone()),
            previous: None,
            cause: Cause::Sweep,
            by: None,
            origin: None,
            started_at: "2026-01-01T00:00:00Z".into(),
            finished_at: "2026-01-01T00:00:01Z".into(),
            outcome,
            steps: Vec::new(),
            changed: Changed::default(),
            images: BTreeMap::new(),
        };
        self.releases.record(&self.app, record).await
    }

    /// What a release gives back.
    async fn files(&self, release: &ReleaseDigest) -> BTreeMap<String, String> {
        let kept = self.releases.get(&self.app, release).await.unwrap().expect("it is kept");
        let deployment = self.deployment();
        let source = self.releases.fetch(&self.place(&deployment, None), &kept).await.unwrap();
        read(&source)
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        self.platform.list(prefix).await.unwrap().into_iter().map(|object| object.key).collect()
    }

    fn content_key(&self, text: &str) -> String {
        ContentDigest::of(text.as_bytes()).key(&self.app)
    }

    fn document_key(&self, release: &ReleaseDigest) -> String {
        Release::key(&self.app, release)
    }
}

fn read(source: &Source) -> BTreeMap<String, String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    source.layout.files.keys().map(|path| (path.clone(), read(&source.path.join(path)))).collect()
}

fn owned(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}
