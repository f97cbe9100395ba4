//! A collection takes what nobody needs, and nothing else, whatever happens meanwhile.

use cloudyknight_core::desired::Pin;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::Outcome;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::failing::{BucketOperation, Fault};

use super::{World, owned};

/// Keeps and records `count` releases that share one file.
async fn releases(world: &World, count: usize) -> Vec<ReleaseDigest> {
    let mut all = Vec::new();
    for n in 0..count {
        let release = world.keep(&[("shared", "s"), ("own", &n.to_string())]).await;
        world.record(&release, Outcome::Live).await;
        all.push(release);
    }
    all
}

async fn kept(world: &World) -> Vec<ReleaseDigest> {
    world.releases.list(&world.app).await.unwrap()
}

#[tokio::test]
async fn the_releases_used_longest_ago_go_with_what_only_they_named() {
    let world = World::new(3).await;
    let all = releases(&world, 6).await;
    world.releases.collect(&world.app, &[]).await.unwrap();
    let mut expected = all[3..].to_vec();
    expected.sort();
    assert_eq!(kept(&world).await, expected);
    assert_eq!(world.keys("content/").await.len(), 4);
    for (n, release) in all.iter().enumerate().skip(3) {
        assert_eq!(world.files(release).await, owned(&[("shared", "s"), ("own", &n.to_string())]));
    }
    assert_eq!(world.releases.get(&world.app, &all[0]).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_needed_pinned_live_before_it_held_or_just_kept_stays() {
    let world = World::new(0).await;
    let all = releases(&world, 8).await;
    let pin = Pin { release: all[1].clone(), at: "2026-01-01T00:00:00Z".into() };
    world.releases.pin(&world.app, pin, |_| {}).await.unwrap();
    let hold = world.releases.hold(&world.app, &all[2]).await;
    let latest = world.keep(&[("shared", "s"), ("own", "just now")]).await;
    world.releases.collect(&world.app, &[all[4].clone()]).await.unwrap();
    let mut expected = vec![all[1].clone(), all[2].clone(), all[4].clone()];
    expected.extend([all[6].clone(), all[7].clone(), latest]);
    expected.sort();
    assert_eq!(kept(&world).await, expected);
    drop(hold);
    world.releases.collect(&world.app, &[]).await.unwrap();
    assert!(!kept(&world).await.contains(&all[2]));
}

#[tokio::test]
async fn other_workspaces_and_what_is_not_ours_are_left_alone() {
    let world = World::new(0).await;
    let other: super::WorkspaceName = "app-2".parse().unwrap();
    let manifest = world.push(&[("f", "x")]).await;
    let source = world.source(&manifest, None).await;
    world.releases.keep(&other, &manifest, &source).await.unwrap();
    for key in ["releases/app/notes.txt", "content/app/notes.txt", "content/app/sub/x"] {
        world.platform.put(key, "x".into()).await.unwrap();
    }
    let before = world.keys("").await;
    world.releases.collect(&world.app, &[]).await.unwrap();
    assert_eq!(world.keys("").await, before);
}

#[tokio::test]
async fn a_crash_at_any_request_of_a_collection_leaves_only_garbage_that_the_next_one_removes() {
    for fault in [Fault::Unavailable, Fault::AnswerLost] {
        // Four documents and four contents go.
        for nth in 0..8 {
            let world = World::new(2).await;
            let all = releases(&world, 6).await;
            let mut deletions = 0;
            world.platform.fail_when(move |operation, _| {
                deletions += usize::from(operation == BucketOperation::Delete);
                (operation == BucketOperation::Delete && deletions > nth).then_some(fault)
            });
            world.releases.collect(&world.app, &[]).await.unwrap_err();
            world.platform.heal();
            // Whatever still has a document is whole.
            for release in kept(&world).await {
                world.files(&release).await;
            }
            // Another host, as after a crash.
            let host = World::on(world.platform.clone(), 2).await;
            host.releases.collect(&host.app, &[]).await.unwrap();
            assert_eq!(kept(&host).await.len(), 2, "{fault:?} at {nth}");
            assert_eq!(host.keys("content/").await.len(), 3, "{fault:?} at {nth}");
            host.files(&all[5]).await;
        }
    }
}

#[tokio::test]
async fn what_an_interrupted_keep_left_is_garbage_for_the_next_collection() {
    let world = World::new(5).await;
    releases(&world, 1).await;
    let manifest = world.push(&[("lost", "lost")]).await;
    let source = world.source(&manifest, None).await;
    world.platform.fail_when(|operation, key| {
        (operation == BucketOperation::Put && key.starts_with("releases/")).then_some(Fault::Unavailable)
    });
    world.releases.keep(&world.app, &manifest, &source).await.unwrap_err();
    world.platform.heal();
    assert_eq!(world.keys("content/").await.len(), 3);
    world.releases.collect(&world.app, &[]).await.unwrap();
    assert_eq!(world.keys("content/").await.len(), 2);
}

#[tokio::test]
async fn a_damaged_release_goes_first_and_until_then_nothing_is_taken_that_it_may_name() {
    let world = World::new(3).await;
    let all = releases(&world, 3).await;
    world.platform.put(&world.document_key(&all[2]), "{".into()).await.unwrap();
    let host = World::on(world.platform.clone(), 3).await;
    host.releases.collect(&host.app, &[]).await.unwrap();
    assert_eq!(host.keys("content/").await.len(), 4);
    // The next two push it out.
    for text in ["x", "y"] {
        let next = host.keep(&[("own", text)]).await;
        host.record(&next, Outcome::Live).await;
        host.releases.collect(&host.app, &[]).await.unwrap();
    }
    let left = kept(&host).await;
    assert!(!left.contains(&all[2]) && left.len() == 3, "{left:?}");
    assert!(!host.keys("content/").await.contains(&host.content_key("2")));
}

#[tokio::test]
async fn what_may_have_been_pinned_stays() {
    let world = World::new(0).await;
    let all = releases(&world, 4).await;
    world.platform.fail_next(BucketOperation::Put, 1, Fault::AnswerLost);
    let pin = Pin { release: all[0].clone(), at: "2026-01-01T00:00:00Z".into() };
    world.releases.pin(&world.app, pin, |_| {}).await.unwrap_err();
    world.releases.collect(&world.app, &[]).await.unwrap();
    let host = World::on(world.platform.clone(), 0).await;
    let pinned = host.desires.get(&host.app).pinned.unwrap().release;
    host.files(&pinned).await;
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_a_new_workspace_of_that_name_begins_anew() {
    let world = World::new(5).await;
    let all = releases(&world, 3).await;
    world.platform.fail_next(BucketOperation::Delete, 1, Fault::AnswerLost);
    world.releases.forget(&world.app).await.unwrap_err();
    let hold = world.releases.hold(&world.app, &all[1]).await;
    assert!(world.releases.forget(&world.app).await.unwrap_err().is_passing());
    drop(hold);
    world.releases.forget(&world.app).await.unwrap();
    assert_eq!(world.keys("").await, [""; 0]);
    assert_eq!(world.releases.history(&world.app).await.unwrap().deployments, []);
    let again = releases(&world, 1).await;
    assert_eq!(again[0], all[0]);
    assert_eq!(world.files(&all[0]).await, owned(&[("shared", "s"), ("own", "0")]));
}
