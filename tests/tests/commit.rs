//! The commit marker: while a workspace holds `.cloudyknight/commit`, what is pushed waits until the marker is put again,
//! and is then deployed at once.

use std::time::Duration;

use cloudyknight_tests::docker::docker;
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
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

/// Deploys what is committed, and has something else wait.
fn one_and_waiting_two(platform: &Platform) {
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(platform));
    s3.put("app/.cloudyknight/", "");
    s3.put("app/index.html", "one");
    s3.put(MARKER, "1");
    shows(platform, "/app/", "one");
    platform.live("app");
    s3.put("app/index.html", "two");
    s3.put("app/more.html", "two");
    waiting(&api, 2);
}

/// The releases that were ever begun to be deployed.
fn deployed(platform: &Platform) -> Vec<String> {
    let history = platform.cli_json(&["history", "app"]);
    let all = history["deployments"].as_array().expect("a list").iter();
    let mut releases: Vec<String> =
        all.filter_map(|one| one["release"].as_str().map(str::to_owned)).collect();
    releases.sort();
    releases.dedup();
    releases
}

#[test]
fn nothing_deploys_what_is_not_committed() {
    let platform = Platform::builder()
        .setting("quiet_ms", 20)
        .setting("burst_quiet_ms", 20)
        .setting("sweep_interval_s", 1)
        // Its container is taken away below, which is no fault of the release.
        .setting("probation_s", 0)
        .start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    one_and_waiting_two(&platform);
    let one = platform.live("app")["release"].as_str().expect("a release").to_owned();
    let still_one = |after: &str| {
        assert_eq!(platform.get("/app/"), (200, "one".to_owned()), "after {after}");
        assert_eq!(platform.get("/app/more.html").0, 404, "after {after}");
        assert_eq!(platform.status("app")["release"], *one, "after {after}");
        assert_eq!(deployed(&platform), [one.as_str()], "after {after}");
        waiting(&api, 2);
    };
    // Two sweeps, told by what they find.
    for name in ["first", "second"] {
        s3.put(&format!("{name}/index.html"), "x");
        platform.live(name);
    }
    still_one("sweeps");
    for wish in [&["restart", "app"][..], &["rollback", "app", &one], &["unpin", "app"]] {
        platform.cli(wish);
        still_one(&wish.join(" "));
    }
    succeeded("stop", &platform.cli(&["stop", "app"]));
    assert_eq!(platform.get("/app/").0, 404);
    succeeded("start", &platform.cli(&["start", "app"]));
    still_one("stop and start");
    platform.down();
    platform.up();
    shows(&platform, "/app/", "one");
    still_one("down and up");
    platform.kill(Role::Serve);
    eventually("it is back", PATIENCE, || api.read("/api/v1/workspaces/app").map(drop));
    still_one("a kill");
    // What serves is gone, and is brought back as it was by the next look, such as one that somebody asks for.
    succeeded("docker rm", &docker(&["rm", "-f", &platform.docker().container_of("app")]));
    let looked = api.post("/api/v1/workspaces/app/reconcile").expect("an answer");
    assert_eq!(looked.status, 202);
    shows(&platform, "/app/", "one");
    still_one("the end of its container");
    // Deleting is a change, too.
    s3.rm_one("app/index.html");
    waiting(&api, 2);
    still_one("a file is deleted");
    s3.put("app/index.html", "two");
    waiting(&api, 2);

    s3.put(MARKER, "2");
    shows(&platform, "/app/more.html", "two");
    platform.live("app");
    assert_eq!(deployed(&platform).len(), 2);
}

#[test]
fn a_commit_that_fails_is_not_mended_by_files_before_they_are_committed() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    let broken = "services: {app: {image: 'workspace-static-ephemeral:latest', command: ['false']}}\n";
    s3.put("app/index.html", "one");
    platform.live("app");
    s3.put("app/compose.yaml", broken);
    s3.put(MARKER, "1");
    platform.failed("app");
    s3.rm_one("app/compose.yaml");
    s3.put("app/index.html", "two");
    waiting(&api, 2);
    platform.down();
    platform.up();
    waiting(&Api::of(&platform), 2);
    shows(&platform, "/app/", "one");
    s3.put(MARKER, "2");
    shows(&platform, "/app/", "two");
    platform.live("app");
}

#[test]
fn what_was_committed_once_does_not_come_back_when_nobody_commits_any_more() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let (s3, file, api) = (platform.s3(Client::Boto3), StoreFile::of(&platform), Api::of(&platform));
    s3.put("app/index.html", "one");
    s3.put(MARKER, "1");
    shows(&platform, "/app/", "one");
    platform.live("app");
    s3.rm_one(MARKER);
    s3.put("app/index.html", "two");
    shows(&platform, "/app/", "two");
    let two = platform.live("app");
    // Somebody begins to commit, and goes on pushing before anybody looks.
    let notifications = file.sql("DELETE FROM notifications RETURNING 1", &[]);
    assert_eq!(notifications.len(), 1);
    s3.put(MARKER, "2");
    s3.put("app/index.html", "three");
    assert_eq!(api.post("/api/v1/workspaces/app/reconcile").expect("an answer").status, 202);
    waiting(&api, 1);
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));
    succeeded("restart", &platform.cli(&["restart", "app"]));
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));
    assert_eq!(platform.status("app")["release"], two["release"]);
    s3.put(MARKER, "3");
    assert_eq!(api.post("/api/v1/workspaces/app/reconcile").expect("an answer").status, 202);
    shows(&platform, "/app/", "three");
}

#[test]
fn a_workspace_that_was_removed_begins_anew_and_brings_nothing_back() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    one_and_waiting_two(&platform);
    s3.rm("app");
    platform.removed("app");
    s3.put("app/.cloudyknight/", "");
    s3.put("app/index.html", "anew");
    waiting(&api, 1);
    assert_eq!(platform.get("/app/").0, 404);
    s3.put(MARKER, "1");
    shows(&platform, "/app/", "anew");
    platform.live("app");
}

#[test]
fn an_archive_is_a_commit_of_its_own() {
    let platform = patient().start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    one_and_waiting_two(&platform);
    let three = Folder::of(&[("index.html", "three")]);
    let archive = out.path().join("packed.tar.gz");
    let mut tar = std::process::Command::new("tar");
    succeeded("tar", &run(tar.arg("czf").arg(&archive).arg(".").current_dir(three.path())));
    s3.cp(&archive, "app.tar.gz");
    shows(&platform, "/app/", "three");
    let status = platform.live("app");
    assert!(status["uncommitted"].is_null(), "{status:#}");
    assert_eq!(platform.get("/app/more.html").0, 404);
    // After it, files wait as before.
    s3.put("app/index.html", "four");
    waiting(&api, 1);
    assert_eq!(platform.get("/app/"), (200, "three".to_owned()));
    s3.put(MARKER, "2");
    shows(&platform, "/app/", "four");
}
