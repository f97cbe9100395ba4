//! What is kept comes back as it was, or says that it cannot.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::Pin;
use cloudyknight_core::status::{Outcome, Step};
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::failing::{BucketOperation, Fault};

use super::super::ReleaseError;
use super::{World, owned};

const FIRST: &[(&str, &str)] =
    &[("index.html", "one"), ("lib/a.js", "a"), ("lib/copy.js", "a"), ("empty", "")];

#[tokio::test]
async fn a_release_comes_back_although_the_bucket_holds_nothing_of_it_any_more() {
    let world = World::new(10).await;
    let first = world.keep(FIRST).await;
    let second = world.keep(&[("index.html", "two")]).await;
    world.push(&[]).await;
    assert_eq!(world.files(&first).await, owned(FIRST));
    assert_eq!(world.files(&second).await, owned(&[("index.html", "two")]));
    let host = World::on(world.platform.clone(), 10).await;
    assert_eq!(host.files(&first).await, owned(FIRST), "on another host");
    assert_eq!(host.releases.get(&"other".parse().unwrap(), &first).await.unwrap(), None);
}

#[tokio::test]
async fn equal_content_is_kept_once_and_what_is_there_is_not_sent_again() {
    let world = World::new(10).await;
    world.keep(FIRST).await;
    assert_eq!(world.keys("content/app/").await.len(), 3);
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = written.clone();
    world.platform.fail_when(move |operation, key| {
        if !matches!(operation, BucketOperation::Body) {
            log.lock().unwrap().push(format!("{operation:?} {key}"));
        }
        None
    });
    world.keep(&[("index.html", "two"), ("lib/a.js", "a")]).await;
    let second = std::mem::take(&mut *written.lock().unwrap());
    assert_eq!(second.len(), 2, "the new content, and the document: {second:?}");
    world.keep(FIRST).await;
    assert_eq!(*written.lock().unwrap(), [""; 0], "a release that is there costs nothing");
}

#[tokio::test]
async fn files_that_the_previous_release_holds_are_linked_whether_fetched_or_gone_back_to() {
    let world = World::new(10).await;
    let script = "#!/bin/sh\n";
    let one = world.push(&[("run", script), ("same", "s"), ("other", "1")]).await;
    let one_source = world.source(&one, None).await;
    world.releases.keep(&world.app, &one, &one_source).await.unwrap();
    let two = world.push(&[("run", script), ("same", "s"), ("other", "2")]).await;
    let two_source = world.source(&two, Some(&one_source)).await;
    assert_eq!(one_source.content["same"], two_source.content["same"]);

    let kept = world.releases.get(&world.app, &one.digest()).await.unwrap().unwrap();
    let deployment = world.deployment();
    let back = world.releases.fetch(&world.place(&deployment, Some(&two_source)), &kept).await.unwrap();
    let inode =
        |source: &crate::source::Source, path: &str| std::fs::metadata(source.path.join(path)).unwrap().ino();
    assert_eq!(inode(&back, "same"), inode(&one_source, "same"));
    assert_ne!(inode(&back, "other"), inode(&two_source, "other"));
    assert_eq!(std::fs::read_to_string(back.path.join("other")).unwrap(), "1");
    assert_eq!(back.content, one_source.content);
    let fresh_deployment = world.deployment();
    let fresh = world.releases.fetch(&world.place(&fresh_deployment, None), &kept).await.unwrap();
    let mode = std::fs::metadata(fresh.path.join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "what could be run can be run");
}

#[tokio::test]
async fn keys_that_can_be_no_file_are_in_the_manifest_and_harm_nobody() {
    let world = World::new(10).await;
    let release = world.keep(&[("../../etc/passwd", "x"), ("a//b", "x"), ("fine", "y")]).await;
    assert_eq!(world.files(&release).await, owned(&[("fine", "y")]));
    assert_eq!(world.keys("content/").await, [world.content_key("y")]);
}

#[tokio::test]
async fn a_document_that_is_damaged_is_told_and_is_mended_by_keeping_it_again() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    let other = world.keep(&[("index.html", "two")]).await;
    let key = world.document_key(&release);
    let whole = world.platform.get(&key, None).await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let swapped = world.platform.get(&world.document_key(&other), None).await.unwrap().bytes().await.unwrap();
    let (one, a) = (super::ContentDigest::of(b"one"), super::ContentDigest::of(b"a"));
    for damaged in [
        Bytes::new(),
        whole.slice(..whole.len() / 2),
        swapped,
        Bytes::from(text.replace(one.as_str(), a.as_str())),
        Bytes::from(text.replace("lib/copy.js", "../copy.js")),
    ] {
        world.platform.put(&key, damaged.clone()).await.unwrap();
        let error = world.releases.get(&world.app, &release).await.unwrap_err();
        assert!(matches!(&error, ReleaseError::Damaged { release: told, .. } if *told == release), "{error}");
        assert!(error.to_string().contains(release.short()) && !error.is_passing(), "{error}");
        world.keep(FIRST).await;
        assert_eq!(world.files(&release).await, owned(FIRST));
    }
}

#[tokio::test]
async fn content_that_is_damaged_or_missing_is_never_deployed_and_is_mended_by_a_push() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    let key = world.content_key("one");
    for damage in [Some("two"), Some("ones"), Some("o"), None] {
        match damage {
            Some(text) => drop(world.platform.put(&key, Bytes::from(text)).await.unwrap()),
            None => world.platform.delete(&key).await.unwrap(),
        }
        let kept = world.releases.get(&world.app, &release).await.unwrap().unwrap();
        let deployment = world.deployment();
        let place = world.place(&deployment, None);
        let error = world.releases.fetch(&place, &kept).await.unwrap_err();
        assert!(matches!(error, ReleaseError::Damaged { .. }), "{damage:?}: {error}");
        assert!(error.to_string().contains("`index.html`"), "{error}");
        assert!(!world.sources.path().join(format!("app.{deployment}")).exists(), "nothing of it stays");
        // A new release that counts on the same content brings it back, too.
        world.keep(&[("index.html", "one"), ("new", damage.unwrap_or("gone"))]).await;
        assert_eq!(world.files(&release).await, owned(FIRST), "{damage:?}");
    }
}

#[tokio::test]
async fn an_outage_is_told_from_damage() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    let kept = world.releases.get(&world.app, &release).await.unwrap().unwrap();
    for operation in [BucketOperation::Get, BucketOperation::Body] {
        world.platform.fail_next(operation, 1, Fault::Unavailable);
        let deployment = world.deployment();
        let error = world.releases.fetch(&world.place(&deployment, None), &kept).await.unwrap_err();
        assert!(error.is_passing(), "{operation:?}: {error}");
    }
    world.platform.fail_next(BucketOperation::Get, 1, Fault::Unavailable);
    let error = world.releases.get(&world.app, &release).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert_eq!(world.files(&release).await, owned(FIRST));
}

#[tokio::test]
async fn whatever_write_fails_the_next_try_completes_the_release() {
    for fault in [Fault::Unavailable, Fault::AnswerLost] {
        // Three contents and the document.
        for nth in 0..4 {
            let world = World::new(10).await;
            let manifest = world.push(FIRST).await;
            let source = world.source(&manifest, None).await;
            let mut puts = 0;
            world.platform.fail_when(move |operation, _| {
                puts += usize::from(operation == BucketOperation::Put);
                (operation == BucketOperation::Put && puts == nth + 1).then_some(fault)
            });
            let error = world.releases.keep(&world.app, &manifest, &source).await.unwrap_err();
            assert!(error.is_passing(), "{error}");
            world.platform.heal();
            world.releases.keep(&world.app, &manifest, &source).await.unwrap();
            assert_eq!(world.files(&manifest.digest()).await, owned(FIRST), "{fault:?} at {nth}");
        }
    }
}

#[tokio::test]
async fn only_what_is_kept_can_be_pinned() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    let other = world.push(&[("index.html", "never deployed")]).await.digest();
    let pin = |release| Pin { release, at: "2026-01-01T00:00:00Z".into() };
    let error = world.releases.pin(&world.app, pin(other.clone()), |_| {}).await.unwrap_err();
    assert!(matches!(error, ReleaseError::Unknown { release, .. } if release == other));
    assert_eq!(world.desires.get(&world.app).pinned, None);
    world.releases.pin(&world.app, pin(release.clone()), |desired| desired.stopped = false).await.unwrap();
    let host = World::on(world.platform.clone(), 10).await;
    assert_eq!(host.desires.get(&host.app).pinned.unwrap().release, release, "on another host");
}

#[tokio::test]
async fn a_history_is_read_back_and_a_damaged_one_is_put_aside() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    world.record(&release, Outcome::Live).await;
    let host = World::on(world.platform.clone(), 10).await;
    let history = host.releases.history(&host.app).await.unwrap();
    assert_eq!(history.last_live(), Some(&release));
    assert_eq!(history.deployments[0].cause, Cause::Sweep);

    world.platform.put("history/app.json", Bytes::from_static(b"{")).await.unwrap();
    let host = World::on(world.platform.clone(), 10).await;
    let error = host.releases.history(&host.app).await.unwrap_err();
    assert!(matches!(error, ReleaseError::HistoryDamaged { .. }));
    host.record(&release, Outcome::Live).await;
    assert_eq!(host.releases.history(&host.app).await.unwrap().deployments.len(), 1);
    let aside = host.platform.get("history/app.damaged.json", None).await.unwrap().bytes().await.unwrap();
    assert_eq!(aside, "{");
}

#[tokio::test]
async fn a_step_that_ended_after_its_record_is_written_at_the_end_of_the_agent() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    world.record(&release, Outcome::Live).await;
    let deployment = world.releases.history(&world.app).await.unwrap().deployments[0].id.clone();
    let drain = Step { name: Step::DRAIN.into(), at_ms: 1, took_ms: Some(2) };
    world.releases.add_step(&world.app, &deployment, drain.clone()).await;
    let elsewhere = async || {
        let host = World::on(world.platform.clone(), 10).await;
        host.releases.history(&host.app).await.unwrap().deployments[0].steps.clone()
    };
    assert_eq!(elsewhere().await, []);
    world.releases.finish().await;
    assert_eq!(elsewhere().await, [drain]);
    // What is written already is not written again.
    world.platform.fail_next(BucketOperation::Put, 1, Fault::Unavailable);
    world.releases.finish().await;
    let record = world.releases.history(&world.app).await.unwrap().deployments[0].clone();
    assert!(world.releases.record(&world.app, record).await.is_err(), "the fault was still there to be met");
}

#[tokio::test]
async fn a_record_that_could_not_be_written_loses_none_of_those_before() {
    let world = World::new(10).await;
    let release = world.keep(FIRST).await;
    world.record(&release, Outcome::Live).await;
    world.platform.fail_next(BucketOperation::Put, 1, Fault::Unavailable);
    let history = world.releases.history(&world.app).await.unwrap();
    let again = history.deployments[0].clone();
    let error = world.releases.record(&world.app, again).await.unwrap_err();
    assert!(error.is_passing());
    world.record(&release, Outcome::Cancelled).await;
    assert_eq!(world.releases.history(&world.app).await.unwrap().deployments.len(), 2);
}
