use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::archive::{Archive, ArchiveResult};
use cloudyknight_core::commit::{Commit, Committed, Uncommitted};
use cloudyknight_core::manifest::{Entry, Manifest, ReleaseDigest};
use cloudyknight_core::status::{Deployment, Failure};
use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
use cloudyknight_store::memory::{DEDUP_WINDOW, MemoryBucket, MemoryQueue};

use super::*;

fn manifest(paths: &[&str]) -> Manifest {
    let entry = Entry { etag: "e".into(), size: 1 };
    Manifest { entries: paths.iter().map(|path| ((*path).to_owned(), entry.clone())).collect() }
}

fn listed(manifest: &Manifest) -> Listing {
    Listing { manifest: manifest.clone(), ..Listing::default() }
}

fn status(state: State, attempted: Option<(Option<ReleaseDigest>, Outcome)>) -> WorkspaceStatus {
    WorkspaceStatus {
        version: WorkspaceStatus::VERSION,
        workspace: "app".parse().unwrap(),
        state,
        release: None,
        pinned: None,
        held_back: None,
        urls: vec![],
        deployment: attempted.map(|(release, outcome)| Deployment {
            id: "1".into(),
            release,
            cause: Cause::Sweep,
            by: None,
            traceparent: None,
            origin: None,
            started_at: String::new(),
            finished_at: None,
            outcome,
            steps: vec![],
            restarts: 0,
            previous: None,
            live_at: None,
            instead: None,
            before: None,
        }),
        services: vec![],
        default_compose: None,
        about: None,
        archive: None,
        committed: None,
        uncommitted: None,
        warnings: vec![],
        updated_at: "2026-01-02T03:04:05Z".into(),
    }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure { message: "broken".into(), service: None, hint: None, log: vec![] })
}

#[test]
fn drift_is_what_the_bucket_holds_and_nobody_tried() {
    let (empty, now, old) = (manifest(&[]), manifest(&["a"]), manifest(&["b"]));
    let check = |manifest: &Manifest, status: Option<WorkspaceStatus>, expected: bool| {
        assert_eq!(drifted(&listed(manifest), status.as_ref()), expected, "{manifest:?} {status:?}");
    };
    let tried =
        |state, release: &Manifest, outcome| Some(status(state, Some((Some(release.digest()), outcome))));
    check(&now, None, true);
    check(&empty, None, false);
    check(&now, tried(State::Live, &now, Outcome::Live), false);
    check(&now, tried(State::Live, &old, Outcome::Live), true);
    check(&now, tried(State::Degraded, &now, failed()), false);
    check(&now, tried(State::Failed, &old, failed()), true);
    check(&now, tried(State::Updating, &now, Outcome::Running), false);
    check(&now, tried(State::Updating, &old, Outcome::Running), true);
    check(&now, Some(status(State::Deploying, Some((None, Outcome::Running)))), false);
    check(&now, Some(status(State::Failed, Some((None, failed())))), true);
    check(&now, tried(State::Removed, &now, Outcome::Live), true);
    check(&empty, tried(State::Live, &now, Outcome::Live), true);
    check(&empty, tried(State::Removed, &now, Outcome::Live), false);
    check(&empty, Some(status(State::Ignored, None)), true);
    let mut released = status(State::Live, None);
    released.release = Some(now.digest());
    check(&now, Some(released), false);
}

#[test]
fn a_workspace_that_wants_to_be_left_alone_is_left_alone_once_that_is_known() {
    let (alone, not) = (manifest(&["a", ".nomonitor"]), manifest(&["a", "sub/.nomonitor"]));
    assert!(!drifted(&listed(&alone), Some(&status(State::Ignored, None))));
    assert!(drifted(&listed(&alone), Some(&status(State::Live, None))));
    assert!(drifted(&listed(&not), Some(&status(State::Ignored, None))));
}

#[test]
fn a_commit_that_nobody_took_is_drift_and_what_waits_for_one_only_until_it_is_told() {
    let (now, old) = (manifest(&["a"]), manifest(&["b"]));
    let commit = |modified_ms| Commit { etag: "e".into(), modified_ms };
    let listed = |modified_ms, newer: &[&str]| Listing {
        manifest: now.clone(),
        commit: Some(commit(modified_ms)),
        announces_commits: false,
        newer: newer.iter().map(|path| (*path).to_owned()).collect(),
    };
    let live = |taken: Option<(i64, &Manifest)>| {
        let mut status = status(State::Live, Some((Some(old.digest()), Outcome::Live)));
        status.committed = taken
            .map(|(modified_ms, of)| Committed { commit: Some(commit(modified_ms)), release: of.digest() });
        status
    };
    assert!(drifted(&listed(2, &[]), Some(&live(Some((1, &old))))));
    assert!(drifted(&listed(1, &[]), Some(&live(None))));
    let mut waiting = live(Some((1, &old)));
    assert!(drifted(&listed(1, &["a"]), Some(&waiting)));
    waiting.uncommitted = Some(Uncommitted { files: Some(1), release: now.digest() });
    assert!(!drifted(&listed(1, &["a"]), Some(&waiting)));
    assert!(drifted(&listed(2, &[]), Some(&waiting)));
    // The same files, committed once more.
    let mut same = status(State::Live, Some((Some(now.digest()), Outcome::Live)));
    same.committed = Some(Committed { commit: Some(commit(1)), release: now.digest() });
    assert!(!drifted(&listed(1, &[]), Some(&same)));
    assert!(drifted(&listed(2, &[]), Some(&same)));
}

struct World {
    workspaces: Arc<MemoryBucket>,
    platform: Arc<MemoryBucket>,
    commands: MemoryQueue,
}

impl World {
    /// `live` is deployed, `lost` was changed and nobody heard, `gone` was deleted and nobody heard.
    async fn new() -> Self {
        let world = Self {
            workspaces: Arc::new(MemoryBucket::new("workspaces")),
            platform: Arc::new(MemoryBucket::new("cloudyknight")),
            commands: MemoryQueue::fifo("commands.fifo"),
        };
        for key in ["live/a", "lost/a", "Strange_One/a"] {
            world.workspaces.put(key, Bytes::from_static(b"x")).await.unwrap();
        }
        let live = listing::manifest(&*world.workspaces, &"live".parse().unwrap()).await.unwrap().digest();
        for name in ["live", "lost", "gone"] {
            let mut status = status(State::Live, Some((Some(live.clone()), Outcome::Live)));
            status.workspace = name.parse().unwrap();
            world.write(name, serde_json::to_vec(&status).unwrap()).await;
        }
        world.workspaces.put("lost/b", Bytes::from_static(b"y")).await.unwrap();
        world
    }

    async fn write(&self, name: &str, status: Vec<u8>) {
        self.platform.put(&format!("status/{name}.json"), status.into()).await.unwrap();
    }

    async fn sweep(&self) -> Swept {
        handle(&*self.workspaces, &*self.platform, &self.commands, None).await.unwrap()
    }

    async fn commanded(&self) -> Vec<String> {
        let messages = self.commands.receive(100, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
        self.commands.delete(messages.iter().map(|message| message.receipt.clone()).collect()).await.unwrap();
        messages
            .iter()
            .map(|message| Command::from_json(&message.body).unwrap())
            .inspect(|command| assert!(matches!(command.cause, Cause::Sweep | Cause::Archive { .. })))
            .inspect(|command| assert!(command.traceparent.is_some()))
            .map(|command| command.workspace.to_string())
            .collect()
    }
}

fn names(swept: &Swept) -> Vec<&str> {
    swept.drifted().into_iter().map(WorkspaceName::as_str).collect()
}

#[tokio::test]
async fn what_nobody_heard_of_is_repaired() {
    let world = World::new().await;
    let swept = world.sweep().await;
    assert_eq!((swept.workspaces, names(&swept)), (3, vec!["gone", "lost"]));
    assert_eq!(swept.strange[0].0, "Strange_One");
    assert_eq!(world.commanded().await, ["gone", "lost"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_drift_is_told_again_only_when_the_first_command_must_be_lost() {
    let world = World::new().await;
    for _ in 0..3 {
        world.sweep().await;
    }
    assert_eq!(world.commanded().await, ["gone", "lost"]);
    tokio::time::advance(DEDUP_WINDOW).await;
    world.sweep().await;
    assert_eq!(world.commanded().await, ["gone", "lost"]);
}

#[tokio::test]
async fn a_status_that_cannot_be_understood_is_as_good_as_none() {
    let world = World::new().await;
    world.write("live", b"{".to_vec()).await;
    world.write("No_Name", b"{}".to_vec()).await;
    assert_eq!(names(&world.sweep().await), ["gone", "live", "lost"]);
    world.write("live", vec![b' '; MAX_STATUS as usize + 1]).await;
    assert_eq!(names(&world.sweep().await), ["gone", "live", "lost"]);
}

#[tokio::test]
async fn a_refusal_hides_no_other_workspace() {
    let world = World::new().await;
    let workspaces = FailingBucket::new(world.workspaces.clone());
    workspaces.fail_when(|operation, key| {
        (operation == BucketOperation::List && key == "live/").then_some(Fault::Refused)
    });
    let swept = handle(&workspaces, &*world.platform, &world.commands, None).await.unwrap();
    assert_eq!((names(&swept), swept.refused.len()), (vec!["gone", "lost"], 1));
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_ends_the_sweep() {
    let world = World::new().await;
    let workspaces = FailingBucket::new(world.workspaces.clone());
    for operation in [BucketOperation::Folders, BucketOperation::List] {
        workspaces.fail_next(operation, 1, Fault::Unavailable);
        let swept = handle(&workspaces, &*world.platform, &world.commands, None).await;
        assert!(matches!(swept, Err(SweepError::Compare(_))));
    }
    assert_eq!(world.commanded().await, [""; 0]);
}

#[tokio::test]
async fn an_archive_that_nobody_heard_of_is_found_and_a_refused_one_is_left_alone() {
    let world = World::new().await;
    for key in ["live.zip", "fresh.tar.gz", "Not_One.zip", "readme.txt", "live.tgz"] {
        world.workspaces.put(key, Bytes::from_static(b"archive")).await.unwrap();
    }
    let swept = world.sweep().await;
    assert_eq!(names(&swept), ["fresh", "gone", "live", "lost"]);
    let archive = |key: &str| Cause::Archive { key: key.into() };
    let causes: Vec<_> = swept.sent.iter().map(|command| command.cause.clone()).collect();
    assert_eq!(causes, [archive("fresh.tar.gz"), Cause::Sweep, archive("live.tgz"), Cause::Sweep]);
    assert!(swept.strange.iter().any(|(key, _)| key == "Not_One.zip"));

    let top = world.workspaces.top_level().await.unwrap();
    let seen = top.objects.into_iter().find(|object| object.key == "live.tgz").unwrap();
    let digest = listing::manifest(&*world.workspaces, &"live".parse().unwrap()).await.unwrap().digest();
    let mut status = status(State::Live, Some((Some(digest), Outcome::Live)));
    status.workspace = "live".parse().unwrap();
    let Outcome::Failed(failure) = failed() else { unreachable!() };
    status.archive = Some(Archive {
        key: seen.key,
        etag: seen.etag,
        modified_ms: seen.modified_ms,
        size: seen.size,
        at: String::new(),
        result: ArchiveResult::Refused(failure),
    });
    world.write("live", serde_json::to_vec(&status).unwrap()).await;
    assert_eq!(names(&world.sweep().await), ["fresh", "gone", "lost"]);
    world.workspaces.put("live.tgz", Bytes::from_static(b"archive")).await.unwrap();
    assert_eq!(names(&world.sweep().await), ["fresh", "gone", "live", "lost"]);
    // One that was taken away is told of no longer.
    for key in ["live.tgz", "live.zip"] {
        world.workspaces.delete(key).await.unwrap();
    }
    let swept = world.sweep().await;
    let live = swept.sent.iter().find(|command| command.workspace.to_string() == "live").unwrap();
    assert_eq!(live.cause, archive("live.tgz"));
}
