//! What people ask of a workspace beyond its files: pinned, stopped, restarted; and what becomes of pushes meanwhile.

use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::succeeded;
use cloudyknight_tests::{Client, Platform, Visitor, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn status(platform: &Platform) -> Value {
    platform.status("app")
}

#[track_caller]
fn ask(platform: &Platform, arguments: &[&str]) {
    succeeded(&arguments.join(" "), &platform.cli(arguments));
}

#[track_caller]
fn held_back(platform: &Platform) -> String {
    eventually("the push is held back", PATIENCE, || {
        status(platform)["held_back"].as_str().map(str::to_owned)
    })
}

#[test]
fn a_pinned_workspace_runs_its_release_whatever_is_pushed_on_any_host_until_it_is_unpinned() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "version 1");
    let first = platform.live("app");
    s3.put("app/index.html", "version 2");
    platform.live("app");
    ask(&platform, &["rollback", "app"]);
    assert_eq!(platform.get("/app/"), (200, "version 1".to_owned()));
    assert_eq!(status(&platform)["pinned"]["release"], first["release"]);

    s3.put("app/index.html", "version 3");
    eventually("the push is recorded", PATIENCE, || {
        let history = platform.cli_json(&["history", "app"]);
        let mut all = history["deployments"].as_array().into_iter().flatten();
        all.any(|one| one["outcome"]["result"] == "held_back").then_some(())
    });
    let third = held_back(&platform);
    assert_eq!(platform.get("/app/"), (200, "version 1".to_owned()));

    // Another agent, and another host: nothing but the buckets is left.
    platform.kill(Role::Serve);
    platform.down();
    platform.up();
    eventually("it serves again", PATIENCE, || {
        (platform.get("/app/") == (200, "version 1".to_owned())).then_some(())
    });
    assert_eq!(status(&platform)["pinned"]["release"], first["release"]);
    let other = Platform::builder().store(&platform.home().join("store")).start();
    eventually("it serves on another host", PATIENCE, || {
        (other.get("/app/") == (200, "version 1".to_owned())).then_some(())
    });
    drop(other);

    // One can go forward to what was held back, and then the bucket counts again.
    ask(&platform, &["rollback", "app", &third]);
    assert_eq!(platform.get("/app/"), (200, "version 3".to_owned()));
    s3.put("app/index.html", "version 4");
    held_back(&platform);
    ask(&platform, &["unpin", "app"]);
    let live = platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "version 4".to_owned()));
    assert!(live["pinned"].is_null() && live["held_back"].is_null(), "{live:#}");
}

#[test]
fn a_stopped_workspace_runs_nothing_and_starts_with_what_was_pushed_last() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "version 1");
    platform.live("app");
    ask(&platform, &["stop", "app"]);
    eventually("nothing runs", PATIENCE, || platform.docker().containers().is_empty().then_some(()));
    eventually("it says so", PATIENCE, || (status(&platform)["state"] == "stopped").then_some(()));
    assert_eq!((platform.get("/app/").0, &status(&platform)["state"]), (404, &"stopped".into()));
    s3.put("app/index.html", "version 2");
    held_back(&platform);
    assert_eq!(platform.docker().containers(), Vec::<String>::new());
    ask(&platform, &["start", "app"]);
    platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "version 2".to_owned()));
}

#[test]
fn a_restart_replaces_every_container_and_nobody_notices() {
    let platform = Platform::start();
    platform.s3(Client::Boto3).put("app/index.html", "version 1");
    let before = platform.live("app");
    let container = platform.docker().container_of("app");
    let visitor = Visitor::at(&platform, "/app/");
    ask(&platform, &["restart", "app"]);
    eventually("the old container is gone", PATIENCE, || {
        let all = platform.docker().containers_of("app");
        (all.len() == 1 && !all.values().any(|id| *id == container)).then_some(())
    });
    visitor.leave().all_answered();
    assert_eq!(platform.live("app")["release"], before["release"]);
}
