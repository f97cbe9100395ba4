//! Going back and forth between releases, stopping and starting, and bringing back what was removed: the whole way, with
//! real clients, containers and restarts of the platform.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudyknight_tests::docker::docker;
use cloudyknight_tests::run::{stderr, stdout, succeeded};
use cloudyknight_tests::{Client, Folder, Platform, eventually};
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Pushes the folder as it is, with this `index.html`, and waits; answers the release.
#[track_caller]
fn deploy(platform: &Platform, site: &Folder, version: &str) -> String {
    site.write("index.html", version);
    let folder = site.path().to_str().expect("UTF-8");
    let status = platform.cli_json(&["push", folder, "site"]);
    assert_eq!(status["state"], "live", "{status:#}");
    assert_eq!(platform.get("/site/"), (200, version.to_owned()));
    text(&status["release"]).to_owned()
}

/// A command that must fail, with these words.
#[track_caller]
fn refused(platform: &Platform, arguments: &[&str], words: &[&str]) {
    let output = platform.cli(arguments);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} says `{word}`: {said}");
    }
    assert!(said.contains("hint: "), "{arguments:?} has a hint: {said}");
}

fn history(platform: &Platform) -> Value {
    platform.cli_json(&["history", "site"])
}

#[test]
fn the_history_tells_each_deployment_and_the_difference_of_any_two() {
    let platform = Platform::start();
    let site = Folder::of(&[("about.html", "about"), ("same.html", "same")]);
    let first = deploy(&platform, &site, "version 1\n");
    std::fs::remove_file(site.path().join("about.html")).expect("it is there");
    site.write("logo.bin", [0, 159, 146, 150]);
    let second = deploy(&platform, &site, "version 2\n");

    let told = history(&platform);
    assert_eq!(
        (&told["version"], text(&told["live"]), text(&told["before"])),
        (&1.into(), &*second, &*first)
    );
    let deployments = told["deployments"].as_array().expect("a list");
    assert_eq!(deployments.len(), 2, "{told:#}");
    let newest = &deployments[0];
    assert_eq!((text(&newest["release"]), text(&newest["previous"])), (&*second, &*first));
    assert_eq!(newest["outcome"]["result"], "live");
    assert_eq!(newest["cause"]["kind"], "put");
    let changed = serde_json::json!({
        "added": ["logo.bin"], "changed": ["index.html"], "removed": ["about.html"], "more": 0
    });
    assert_eq!(newest["changed"], changed);
    assert!(newest["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{newest:#}");
    let shown = succeeded("history", &platform.cli(&["history", "site"]));
    assert!(shown.contains(&second[..12]) && shown.contains("live"), "{shown}");

    let difference = platform.cli_json(&["diff", "site"]);
    assert_eq!((text(&difference["from"]), text(&difference["to"])), (&*first, &*second));
    let files: Vec<(&str, &str)> = difference["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (text(&file["path"]), text(&file["change"])))
        .collect();
    assert_eq!(files, [("about.html", "removed"), ("index.html", "changed"), ("logo.bin", "added")]);
    assert_eq!(difference["files"][2]["no_text"], "binary");
    let shown = succeeded("diff", &platform.cli(&["diff", "site", &second[..10], &first[..10]]));
    assert!(shown.contains("-version 2\n+version 1\n"), "{shown}");

    refused(&platform, &["diff", "site", "00000000"], &["no release that is kept begins with `00000000`"]);
    refused(&platform, &["diff", "site", "x"], &["no beginning of a digest"]);
    refused(&platform, &["history", "nobody"], &["there is no workspace `nobody`"]);
}

#[test]
fn a_rollback_stays_whatever_is_pushed_until_it_is_taken_back() {
    let platform = Platform::start();
    let site = Folder::of(&[("gone.html", "was here")]);
    let first = deploy(&platform, &site, "version 1");
    std::fs::remove_file(site.path().join("gone.html")).expect("it is there");
    let second = deploy(&platform, &site, "version 2");
    assert_eq!(platform.get("/site/gone.html").0, 404);

    let status = platform.cli_json(&["rollback", "site"]);
    assert_eq!((text(&status["release"]), text(&status["pinned"]["release"])), (&*first, &*first));
    assert_eq!((text(&status["state"]), text(&status["held_back"])), ("live", &*second));
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));
    assert_eq!(platform.get("/site/gone.html"), (200, "was here".to_owned()), "also what the bucket lost");

    // Pushed meanwhile: kept, shown, and not deployed.
    site.write("index.html", "version 3");
    platform.s3(Client::Boto3).sync(site.path(), "site");
    let status = platform.live("site");
    assert_eq!(text(&status["release"]), first);
    let third = text(&status["held_back"]).to_owned();
    assert!(third != second && third != first);
    assert_eq!(history(&platform)["deployments"][0]["outcome"]["result"], "held_back");
    let output = platform.cli(&["wait", "site"]);
    assert!(stderr(&output).contains("cloudyknight unpin site"), "{}", stderr(&output));
    refused(&platform, &["wait", "site", "--release", &third], &["is kept and not deployed"]);

    // Neither another start nor a sweep of it forgets.
    platform.down();
    platform.up();
    assert_eq!(text(&platform.live("site")["release"]), first);
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));

    // Forward to what was never deployed, and back to the bucket.
    let status = platform.cli_json(&["rollback", "site", &second[..12]]);
    assert_eq!(text(&status["release"]), second);
    assert_eq!(platform.get("/site/"), (200, "version 2".to_owned()));
    let status = platform.cli_json(&["rollback", "site", "--follow"]);
    assert_eq!(
        (text(&status["release"]), &status["pinned"], &status["held_back"]),
        (&*third, &Value::Null, &Value::Null)
    );
    assert_eq!(platform.get("/site/"), (200, "version 3".to_owned()));
    succeeded("unpinning what is not pinned", &platform.cli(&["unpin", "site"]));
}

#[test]
fn what_is_stopped_stays_stopped_and_a_restart_makes_containers_anew() {
    let platform = Platform::start();
    let site = Folder::new();
    let first = deploy(&platform, &site, "version 1");
    let containers = || platform.docker().containers_of("site");

    let status = platform.cli_json(&["stop", "site"]);
    assert_eq!((text(&status["state"]), &status["release"]), ("stopped", &Value::Null));
    assert!(containers().is_empty(), "{:?}", containers());
    assert_eq!(platform.get("/site/").0, 404);
    refused(&platform, &["restart", "site"], &["is stopped"]);
    platform.down();
    platform.up();
    site.write("index.html", "version 2");
    platform.s3(Client::Boto3).sync(site.path(), "site");
    let output = platform.cli(&["wait", "site", "--json"]);
    let status: Value =
        serde_json::from_str(&succeeded("waiting for what is stopped", &output)).expect("JSON");
    assert_eq!(text(&status["state"]), "stopped");
    assert!(text(&status["held_back"]) != first);
    assert!(containers().is_empty(), "{:?}", containers());

    let status = platform.cli_json(&["start", "site"]);
    assert_eq!(text(&status["state"]), "live");
    assert_eq!(platform.get("/site/"), (200, "version 2".to_owned()));
    let id = |status: &Value| platform.docker().inspect(text(&status["services"][0]["container"]), "{{.Id}}");
    let before = id(&status);
    let status = platform.cli_json(&["restart", "site"]);
    assert_eq!(
        (text(&status["state"]), &status["deployment"]["cause"]["kind"]),
        ("live", &"restarted".into())
    );
    assert_ne!(id(&status), before);
    assert_eq!(platform.get("/site/"), (200, "version 2".to_owned()));
}

/// Counts its starts in a named volume.
const NOTES: &str = "const fs = require('node:fs');
const file = '/kept/starts';
const starts = (fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0) + 1;
fs.writeFileSync(file, String(starts));
require('node:http').createServer((_, response) => response.end(`start ${starts}`)).listen(3000);
";

const COMPOSE: &str = "services:
  notes:
    image: workspace-node-ephemeral:latest
    volumes:
      - .:/workspace:ro
      - kept:/kept
volumes:
  kept:
";

#[test]
fn a_workspace_that_was_deleted_by_mistake_is_restored_with_what_its_volumes_hold() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Aws);
    let app = Folder::of(&[("index.js", NOTES), ("compose.yaml", COMPOSE), ("lib/a b.txt", "x")]);
    s3.sync(app.path(), "notes");
    let release = text(&platform.live("notes")["release"]).to_owned();
    let files = s3.ls("notes/");
    let volumes = || platform.cli_json(&["volumes", "notes"])["volumes"].clone();
    assert_eq!((&volumes()[0]["volume"], &volumes()[0]["used_by"][0]), (&"kept".into(), &"notes".into()));
    refused(&platform, &["volumes", "rm", "notes", "kept", "--yes"], &["in use by notes"]);
    refused(&platform, &["restore", "notes"], &["is not removed"]);

    s3.rm("notes");
    platform.removed("notes");
    assert_eq!(platform.get("/notes").0, 404);
    assert_eq!(volumes()[0]["used_by"], serde_json::json!([]));
    refused(&platform, &["rollback", "notes"], &["is removed", "cloudyknight restore notes"]);

    let status = platform.cli_json(&["restore", "notes"]);
    assert_eq!((text(&status["state"]), text(&status["release"])), ("live", &*release));
    assert_eq!((&status["pinned"], &status["held_back"]), (&Value::Null, &Value::Null));
    assert_eq!(platform.get("/notes"), (200, "start 2".to_owned()), "its data is there");
    assert_eq!(s3.ls("notes/"), files);
    let kinds: Vec<String> = platform.cli_json(&["history", "notes"])["deployments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| text(&one["cause"]["kind"]).to_owned())
        .collect();
    assert!(kinds.contains(&"restored".to_owned()), "{kinds:?}");

    // Nothing but this deletes it.
    platform.cli_json(&["stop", "notes"]);
    refused(&platform, &["volumes", "rm", "notes", "other", "--yes"], &["has no volume `other`"]);
    succeeded("deleting a volume", &platform.cli(&["volumes", "rm", "notes", "kept", "--yes"]));
    assert_eq!(volumes(), serde_json::json!([]));
    platform.cli_json(&["start", "notes"]);
    assert_eq!(platform.get("/notes"), (200, "start 1".to_owned()));

    // And this is how its releases go.
    refused(&platform, &["forget", "notes", "--yes"], &["is not removed"]);
    s3.rm("notes");
    platform.removed("notes");
    platform.cli_json(&["forget", "notes", "--yes"]);
    refused(&platform, &["restore", "notes"], &["no release of `notes` that was live is kept"]);
}

#[test]
fn what_the_bucket_holds_is_replaced_by_a_release_where_that_is_asked_for() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let site = Folder::of(&[("old.html", "old")]);
    let first = deploy(&platform, &site, "version 1");
    let files = s3.ls("site/");
    std::fs::remove_file(site.path().join("old.html")).expect("it is there");
    site.write("new.html", "new");
    deploy(&platform, &site, "version 2");
    assert_ne!(s3.ls("site/"), files);

    refused(&platform, &["restore", "site", &first[..12]], &["is not removed", "--force"]);
    assert_eq!(platform.get("/site/new.html").0, 200);
    let status = platform.cli_json(&["restore", "site", &first[..12], "--force"]);
    assert_eq!((text(&status["release"]), &status["pinned"]), (&*first, &Value::Null), "{status:#}");
    assert_eq!(s3.ls("site/"), files);
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));
    assert_eq!((platform.get("/site/old.html").0, platform.get("/site/new.html").0), (200, 404));
}

#[test]
fn a_pinned_workspace_outlives_its_files_until_it_is_removed() {
    let platform = Platform::start();
    let site = Folder::new();
    let first = deploy(&platform, &site, "version 1");
    deploy(&platform, &site, "version 2");
    platform.cli_json(&["rollback", "site"]);
    platform.s3(Client::Boto3).rm("site");
    let status = platform.live("site");
    assert_eq!(text(&status["release"]), first);
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));

    succeeded("rm", &platform.cli(&["rm", "site", "--yes"]));
    platform.removed("site");
    assert_eq!(platform.get("/site/").0, 404);
    assert_eq!(platform.docker().containers_of("site"), Default::default());
    refused(&platform, &["rm", "site", "--yes"], &["the bucket holds nothing of `site`"]);
}

#[test]
fn going_back_to_a_release_that_does_not_start_leaves_what_serves() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[("index.js", WARY), ("compose.yaml", WARY_COMPOSE)]);
    s3.sync(app.path(), "app");
    let good = text(&platform.live("app")["release"]).to_owned();
    s3.cp(&app.write("index.js", UPGRADING), "app/index.js");
    let newer = text(&platform.live("app")["release"]).to_owned();

    refused(&platform, &["rollback", "app", &good[..12]], &["exited with code 4"]);
    let status = platform.status("app");
    assert_eq!((text(&status["state"]), text(&status["release"])), ("degraded", &*newer), "{status:#}");
    assert_eq!(platform.get("/app"), (200, "new".to_owned()));
    let status = platform.cli_json(&["unpin", "app"]);
    assert_eq!((text(&status["release"]), &status["pinned"]), (&*newer, &Value::Null), "{status:#}");
}

/// Does not start on what a newer one has written.
const WARY: &str = "\
if (require('node:fs').existsSync('/kept/new')) { console.log('too new for me'); process.exit(4); }
require('node:http').createServer((_, response) => response.end('old')).listen(3000);
";
const UPGRADING: &str = "\
require('node:fs').writeFileSync('/kept/new', '');
require('node:http').createServer((_, response) => response.end('new')).listen(3000);
";
const WARY_COMPOSE: &str = "\
services:
  app:
    image: workspace-node-ephemeral:latest
    volumes:
      - .:/workspace:ro
      - kept:/kept
volumes:
  kept:
";

/// Answers only after a while that no test waits for.
const SLOW: &str =
    "setTimeout(() => require('node:http').createServer((_, r) => r.end('slow')).listen(3000), 1e6);";

#[test]
fn a_cancelled_deployment_leaves_what_serves_and_is_told_as_such() {
    let platform = Platform::builder().setting("health_timeout_s", 600).start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[("package.json", "{}")]);
    app.write("index.js", SLOW.replace("1e6", "0"));
    s3.sync(app.path(), "app");
    platform.live("app");
    refused(&platform, &["cancel", "app"], &["no deployment of `app` is under way"]);

    app.write("index.js", SLOW);
    s3.sync(app.path(), "app");
    let api = cloudyknight_tests::Api::of(&platform);
    let checks = || (api.step("app")?.as_str() == "check").then_some(());
    cloudyknight_tests::eventually("it is being checked", std::time::Duration::from_secs(60), checks);
    succeeded("cancelling", &platform.cli(&["cancel", "app"]));
    let output = platform.cli(&["wait", "app", "--timeout", "60"]);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("somebody cancelled it; the release before it still serves"));
    let status = platform.status("app");
    assert_eq!(
        (text(&status["state"]), text(&status["deployment"]["outcome"]["result"])),
        ("degraded", "cancelled")
    );
    assert_eq!(platform.get("/app"), (200, "slow".to_owned()));

    app.write("index.js", SLOW.replace("1e6", "1"));
    s3.sync(app.path(), "app");
    platform.live("app");
}

#[test]
fn another_host_that_is_pointed_at_the_buckets_has_the_history_the_pins_and_the_stops() {
    let platform = Platform::start();
    let site = Folder::new();
    let first = deploy(&platform, &site, "version 1");
    deploy(&platform, &site, "version 2");
    platform.s3(Client::Boto3).sync(site.path(), "still");
    platform.live("still");
    platform.cli_json(&["rollback", "site"]);
    platform.cli_json(&["stop", "still"]);
    let before = history(&platform);
    platform.down();

    let host = Platform::builder().store(&platform.home().join("store")).start();
    let status = host.live("site");
    assert_eq!((text(&status["release"]), text(&status["pinned"]["release"])), (&*first, &*first));
    assert_eq!(host.get("/site/"), (200, "version 1".to_owned()));
    let after = history(&host);
    for field in ["pinned", "kept"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let (after, before) = (&after["deployments"], &before["deployments"]);
    let (after, before) = (after.as_array().expect("a list"), before.as_array().expect("a list"));
    assert!(after.ends_with(before), "{after:#?}");
    let output = host.cli(&["wait", "still", "--json"]);
    let status: Value = serde_json::from_str(&succeeded("waiting", &output)).expect("JSON");
    assert_eq!(text(&status["state"]), "stopped");
    assert!(host.docker().containers_of("still").is_empty());
}

#[test]
fn as_many_releases_are_kept_as_the_setting_says_and_the_oldest_go_with_their_content() {
    let platform = Platform::builder().setting("keep_releases", 3).start();
    let site = Folder::new();
    let releases: Vec<String> =
        (1..=6).map(|n| deploy(&platform, &site, &format!("version {n}\n"))).collect();
    let kept = || -> Vec<String> {
        let told = history(&platform);
        let kept = told["kept"].as_array().expect("a list").iter();
        kept.map(|release| text(release).to_owned()).collect()
    };
    let expected: BTreeSet<&String> = releases[3..].iter().collect();
    cloudyknight_tests::eventually("three are left", std::time::Duration::from_secs(30), || {
        (kept().iter().collect::<BTreeSet<_>>() == expected).then_some(())
    });
    refused(&platform, &["rollback", "site", &releases[2][..12]], &["no release that is kept begins with"]);
    let status = platform.cli_json(&["rollback", "site", &releases[3][..12]]);
    assert_eq!(text(&status["release"]), releases[3]);
    assert_eq!(platform.get("/site/"), (200, "version 4\n".to_owned()));
}

#[test]
fn a_rollback_runs_the_image_that_its_release_ran_whatever_the_name_means_by_now() {
    let platform = Platform::start();
    let name = format!("moving-{}:latest", platform.id());
    let make = |version: &str| {
        let dockerfile = format!("FROM workspace-static-ephemeral:latest\nLABEL made={version}\n");
        let folder = Folder::of(&[("Dockerfile", &dockerfile)]);
        let folder = folder.path().to_str().expect("a path");
        succeeded("docker build", &docker(&["build", "--quiet", "--tag", &name, folder]));
    };
    let image = || platform.docker().inspect(&platform.docker().container_of("site"), "{{.Image}}");
    make("one");
    let site = Folder::of(&[("compose.yaml", &format!("services: {{site: {{image: '{name}'}}}}\n"))]);
    let first = deploy(&platform, &site, "version 1");
    let ran = image();
    make("two");
    deploy(&platform, &site, "version 2");
    assert_ne!(image(), ran, "a new release runs what the name means then");

    let status = platform.cli_json(&["rollback", "site"]);
    assert_eq!(text(&status["release"]), first);
    assert_eq!((image(), platform.get("/site/")), (ran.clone(), (200, "version 1".to_owned())));
    assert_eq!(status["warnings"], json!([]));

    // Where the image is gone for good, the release runs what there is, and that is told.
    platform.cli_json(&["unpin", "site"]);
    eventually("nothing runs it any more", Duration::from_secs(60), || {
        docker(&["rmi", &ran]).status.success().then_some(())
    });
    let status = platform.cli_json(&["rollback", "site", &first]);
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));
    assert_ne!(image(), ran);
    let warning = text(&status["warnings"][0]);
    assert!(
        warning.contains(&format!("`{name}` is another image than when this release was live")),
        "{warning}"
    );
    platform.cli(&["rm", "site", "--yes"]);
    platform.removed("site");
    docker(&["rmi", "--force", &name]);
}

#[test]
fn a_rollback_runs_the_image_that_is_still_there_and_builds_nothing() {
    let platform = Platform::start();
    let site = Folder::of(&[
        ("compose.yaml", "services: {site: {build: ., expose: ['8080']}}\n"),
        ("Dockerfile", "FROM workspace-static-ephemeral:latest\nCOPY index.html /workspace/\n"),
    ]);
    let image = || platform.docker().inspect(&platform.docker().container_of("site"), "{{.Image}}");
    // A build gives the image its name at its end, whether anything of it was done anew or not.
    let named = |image: &str| platform.docker().inspect(image, "{{.Metadata.LastTagTime}}");
    let first = deploy(&platform, &site, "version 1");
    let built = image();
    let when = named(&built);
    deploy(&platform, &site, "version 2");
    assert_ne!(image(), built);

    let status = platform.cli_json(&["rollback", "site"]);
    assert_eq!(text(&status["release"]), first);
    assert_eq!(platform.get("/site/"), (200, "version 1".to_owned()));
    assert_eq!(image(), built);
    assert_eq!(named(&built), when, "nothing was built");
}
