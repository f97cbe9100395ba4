//! What a hundred releases cost, on the embedded store.

use std::sync::Arc;

use bytes::Bytes;
use cloudyknight_core::status::Outcome;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::embedded::{EmbeddedStore, Options};
use cloudyknight_store::failing::FailingBucket;
use cloudyknight_store::listing;

use super::World;

const FILES: usize = 200;
const FILE: usize = 26_215;
const RELEASES: usize = 100;

/// Bytes that look like nothing in particular.
fn noise(seed: usize, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into()
}

#[tokio::test]
async fn a_hundred_releases_with_small_changes_cost_about_one_workspace_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), Options::default()).unwrap();
    store.create_bucket("cloudyknight").await.unwrap();
    let platform = Arc::new(FailingBucket::new(store.bucket("cloudyknight")));
    let world = World::on(platform, RELEASES).await;
    let path = |n: usize| format!("app/src/part-{:02}/component-{n:03}.js", n % 20);
    for n in 0..FILES {
        world.workspaces.put(&path(n), noise(n, FILE)).await.unwrap();
    }
    let mut previous = None;
    for n in 0..RELEASES {
        // A line or two of one file: 4 KiB, as source files are.
        world.workspaces.put("app/index.js", noise(1_000 + n, 4096)).await.unwrap();
        let manifest = listing::manifest(world.workspaces.as_ref(), &world.app).await.unwrap();
        let source = world.source(&manifest, previous.as_ref()).await;
        world.releases.keep(&world.app, &manifest, &source).await.unwrap();
        world.record(&manifest.digest(), Outcome::Live).await;
        world.releases.collect(&world.app, &[]).await.unwrap();
        previous = Some(source);
    }
    assert_eq!(world.releases.list(&world.app).await.unwrap().len(), RELEASES);
    let total = async |bucket: &dyn Bucket, prefix: &str| -> u64 {
        bucket.list(prefix).await.unwrap().iter().map(|object| object.size).sum()
    };
    let workspace = total(world.workspaces.as_ref(), "").await;
    let platform = world.platform.as_ref();
    let (content, documents) = (total(platform, "content/").await, total(platform, "releases/").await);
    let history = total(platform, "history/").await;
    let all = total(platform, "").await;
    println!(
        "workspace {workspace} bytes; {RELEASES} releases {all}: content {content}, documents {documents}, \
         history {history}"
    );
    assert!(all < 2 * workspace, "{all} bytes for a workspace of {workspace}");
}
