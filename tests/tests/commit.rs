//! The commit marker: while a workspace holds `.cloudyknight/commit`, what is pushed waits until the marker is put again,
//! and is then deployed at once.

use std::time::Duration;

use cloudyknight_tests::{Api, Client, Deployments, Folder, Platform, StoreFile, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const MARKER: &str = "app/.cloudyknight/commit";

/// With a quiet window that no test would wait for: what is live was committed.
fn patient() -> cloudyknight_tests::platform::Builder {
    Platform::builder().setting("quiet_ms", 600_000).setting("burst_quiet_ms", 600_000)
}

fn waiting(api: &Api, files: u64) -> Value {
    eventually(&format!("{files} files wait"), PATIENCE, || {
        let status = api.read("/api/v1/workspaces/app")?;
        (status["uncommitted"]["files"] == files).then_some(status)
    })
}

fn shows(platform: &Platform, path: &str, content: &str) {
    eventually(&format!("{path} shows {content}"), PATIENCE, || {
        (platform.get(path) == (200, content.to_owned())).then_some(())
    });
}

#[test]
fn files_wait_for_the_marker_and_are_one_release() {
    let platform = patient().start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    let folder = Folder::of(&[("index.html", "one"), ("other.html", "one")]);
    s3.put("app/.cloudyknight/", "");
    s3.sync(folder.path(), "app");
    s3.put(MARKER, "1");
    shows(&platform, "/app/other.html", "one");
    let first = platform.live("app");
    assert!(first["uncommitted"].is_null(), "{first:#}");

    let watch = Deployments::of(&platform, "app");
    s3.put("app/index.html", "two");
    let status = waiting(&api, 1);
    assert_eq!(status["release"], first["release"]);
    s3.put("app/other.html", "two");
    let status = waiting(&api, 2);
    assert_eq!(status["state"], "live", "{status:#}");
    let people = platform.cli(&["status", "app"]);
    let people = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(people.contains("2 files changed since the last commit"), "{people}");
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));

    // The same content as before, put again, is another commit.
    s3.put(MARKER, "1");
    shows(&platform, "/app/", "two");
    let second = platform.live("app");
    assert!(second["uncommitted"].is_null(), "{second:#}");
    assert_eq!(platform.get("/app/other.html"), (200, "two".to_owned()));
    let before = first["deployment"]["id"].as_str().unwrap();
    assert_eq!(watch.seen().iter().filter(|id| *id != before).count(), 1);
    // The marker is no file of the app.
    assert_eq!(platform.get("/app/.cloudyknight/commit").0, 404);

    // A commit of nothing new deploys nothing.
    let watch = Deployments::of(&platform, "app");
    s3.put(MARKER, "2");
    eventually("the marker is noted", PATIENCE, || {
        let status = api.read("/api/v1/workspaces/app")?;
        (status["committed"] != second["committed"]).then_some(())
    });
    assert_eq!(platform.live("app")["deployment"]["id"], second["deployment"]["id"]);
    assert_eq!(watch.seen().into_iter().collect::<Vec<_>>(), [second["deployment"]["id"].as_str().unwrap()]);
}

#[test]
fn a_first_push_that_is_announced_waits_for_its_commit() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/.cloudyknight/", "");
    s3.put("app/index.html", "one");
    waiting(&api, 1);
    s3.put("app/other.html", "one");
    let status = waiting(&api, 2);
    assert!(status["release"].is_null(), "{status:#}");
    assert_eq!(platform.get("/app/").0, 404);
    s3.put(MARKER, "1");
    shows(&platform, "/app/other.html", "one");
    platform.live("app");
}

#[test]
fn without_the_marker_the_quiet_window_counts_again() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/index.html", "one");
    platform.live("app");
    s3.put(MARKER, "1");
    eventually("the marker is noted", PATIENCE, || {
        let status = api.read("/api/v1/workspaces/app")?;
        (!status["committed"].is_null()).then_some(())
    });
    s3.put("app/index.html", "two");
    waiting(&api, 1);
    s3.rm_one(MARKER);
    shows(&platform, "/app/", "two");
    assert!(platform.live("app")["uncommitted"].is_null());
}

#[test]
fn what_was_committed_serves_after_a_restart_and_a_lost_commit_is_found() {
    let platform = patient().setting("sweep_interval_s", 2).start();
    let (s3, file, api) = (platform.s3(Client::Boto3), StoreFile::of(&platform), Api::of(&platform));
    s3.put("app/.cloudyknight/", "");
    s3.put("app/index.html", "one");
    s3.put(MARKER, "1");
    shows(&platform, "/app/", "one");
    s3.put("app/index.html", "two");
    waiting(&api, 1);
    platform.down();
    platform.up();
    shows(&platform, "/app/", "one");
    waiting(&api, 1);
    // From now on, changes emit nothing.
    assert_eq!(file.sql("DELETE FROM notifications RETURNING 1", &[]).len(), 1);
    s3.put(MARKER, "2");
    shows(&platform, "/app/", "two");
    platform.live("app");
}
