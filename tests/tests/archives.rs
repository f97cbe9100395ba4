//! An uploaded archive is a push of the whole workspace: all of it or nothing, one release, and the object is gone when
//! it is done. Tried with the archives that real tools make, on everything that a platform can stand on.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{
    Api, Backend, Client, Deployments, Folder, Neighbour, Platform, StoreFile, eventually,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn builder() -> cloudyknight_tests::platform::Builder {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20)
}

/// A folder of pages, each of which says `version`.
fn site(version: &str) -> Folder {
    let site = Folder::of(&[("index.html", version), ("sub/page.html", version)]);
    for n in 0..40 {
        site.write(&format!("assets/{n}.txt"), version);
    }
    site
}

/// What the tool makes of the folder; the answer is a file outside of it.
fn packed(folder: &Folder, tool: &[&str], out: &Folder) -> PathBuf {
    let file = out.path().join("packed");
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(tool[0]);
    let target = file.to_str().unwrap();
    command.args(tool[1..].iter().map(|argument| argument.replace("OUT", target))).current_dir(folder.path());
    succeeded(&format!("{tool:?}"), &run(&mut command));
    file
}

fn tar_gz(folder: &Folder, out: &Folder) -> PathBuf {
    packed(folder, &["tar", "czf", "OUT", "."], out)
}

/// The status, once something is known of an archive with this result.
fn result(api: &Api, workspace: &str, result: &str) -> Value {
    eventually(&format!("an archive of `{workspace}` is {result}"), PATIENCE, || {
        let status = api.read(&format!("/api/v1/workspaces/{workspace}"))?;
        (status["archive"]["result"]["result"] == result).then_some(status)
    })
}

fn tell(backend: &Backend) {
    let platform = builder().setting("sweep_interval_s", 2).backend(backend).start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());

    // A workspace that there was not before.
    s3.cp(&tar_gz(&site("one"), &out), "site.tar.gz");
    let status = result(&api, "site", "published");
    assert_eq!(status["archive"]["key"], "site.tar.gz");
    assert_eq!(status["archive"]["result"]["put"], 42);
    platform.live("site");
    assert_eq!(platform.get("/site/sub/page.html"), (200, "one".to_owned()));
    assert_eq!(platform.get("/site/assets/7.txt"), (200, "one".to_owned()));

    // One that there was: what is not in the archive goes, what is equal is not written again, and it is one release.
    let first = platform.live("site")["deployment"]["id"].as_str().unwrap().to_owned();
    let watch = Deployments::of(&platform, "site");
    let two = site("one");
    two.write("index.html", "two");
    std::fs::remove_file(two.path().join("assets/7.txt")).unwrap();
    s3.cp(
        &packed(&two, &["sh", "-c", "rm -f OUT.zip; zip -qr OUT.zip . && mv OUT.zip OUT"], &out),
        "site.zip",
    );
    let done = |status: Value| {
        let live = status["deployment"]["outcome"]["result"] == "live" && status["state"] == "live";
        (status["archive"]["key"] == "site.zip" && live).then_some(status)
    };
    let status =
        eventually("the zip archive is live", PATIENCE, || done(api.read("/api/v1/workspaces/site")?));
    let result_ = &status["archive"]["result"];
    assert_eq!((&result_["put"], &result_["deleted"]), (&1.into(), &1.into()), "{status:#}");
    let live = platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    assert_eq!(platform.get("/site/assets/7.txt").0, 404);
    assert_eq!(watch.seen().iter().filter(|id| **id != first).count(), 1, "{live:#}");
    // Replaced by its result.
    assert_eq!(s3.ls("site."), [""; 0]);
    assert_eq!(s3.ls("site/").len(), 41);
}

#[test]
fn an_archive_is_a_push_on_embedded() {
    tell(&Backend::Embedded);
}

#[test]
fn an_archive_is_a_push_on_localstack() {
    tell(&Backend::localstack());
}

#[test]
fn an_archive_is_a_push_on_moto() {
    tell(&Backend::moto());
}

#[test]
fn an_archive_is_a_push_on_ministack() {
    tell(&Backend::ministack());
}

#[test]
fn an_archive_is_a_push_on_seaweedfs_where_only_the_sweep_finds_it() {
    tell(&Backend::seaweedfs());
}

#[test]
fn a_refused_archive_changes_nothing_says_why_and_is_not_tried_for_ever() {
    let platform = builder().setting("sweep_interval_s", 1).setting("max_source_mb", 1).start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    let neighbour = Neighbour::of(&platform);
    s3.cp(&tar_gz(&site("good"), &out), "site.tar.gz");
    result(&api, "site", "published");
    let good = platform.live("site");

    let outside = Folder::of(&[("evil", "x"), ("sub/index.html", "bad")]);
    let evil = ["sh", "-c", "cd sub && tar -P -czf OUT ../evil index.html"];
    let bomb = ["sh", "-c", "head -c 50000000 /dev/zero > zeros && tar czf OUT zeros"];
    let refused: [(&str, &[&str], &str); 4] = [
        ("site.tar.gz", &evil, "\"../evil\""),
        ("site.tgz", &bomb, "more than 1048576 bytes"),
        ("site.zip", &["sh", "-c", "echo hello > OUT"], "no tar archive"),
        ("site.tar", &["sh", "-c", "cd sub && mkfifo p && tar cf OUT p index.html"], "named pipe"),
    ];
    for (key, tool, message) in refused {
        s3.cp(&packed(&outside, tool, &out), key);
        let status = eventually(key, PATIENCE, || {
            let status = api.read("/api/v1/workspaces/site")?;
            (status["archive"]["key"] == key && status["archive"]["result"]["result"] == "refused")
                .then_some(status)
        });
        let said = status["archive"]["result"]["message"].as_str().unwrap();
        assert!(said.contains(message), "{key}: {said}");
        assert!(status["archive"]["result"]["hint"].is_string(), "{status:#}");
        assert_eq!(status["state"], "degraded", "{status:#}");
        assert_eq!(status["release"], good["release"]);
        assert_eq!(platform.get("/site/"), (200, "good".to_owned()));
        assert_eq!(s3.ls("site."), [key], "it stays where it is");
        let people = platform.cli(&["status", "site"]);
        let people = String::from_utf8_lossy(&people.stdout).into_owned();
        assert!(people.contains(message) && people.contains("hint"), "{people}");
        platform.failed("site");
        s3.rm_one(key);
        eventually("what was withdrawn is forgotten", PATIENCE, || {
            api.read("/api/v1/workspaces/site")?["archive"].is_null().then_some(())
        });
    }

    // It stays, sweeps come and go, and it is refused only once.
    s3.put("site.zip", "still no archive");
    result(&api, "site", "refused");
    let refusals = || platform.log().matches("the archive was refused").count();
    let before = refusals();
    s3.put("bell/index.html", "1");
    platform.live("bell");
    assert_eq!(refusals(), before);
    s3.cp(&tar_gz(&site("better"), &out), "site.zip");
    result(&api, "site", "published");
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "better".to_owned()));
    neighbour.is_unhurt();
}

#[test]
fn a_first_archive_that_is_refused_is_a_visible_failure_and_a_good_one_mends_it() {
    let platform = builder().start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    s3.put("fresh.zip", "no archive");
    let status = result(&api, "fresh", "refused");
    assert_eq!(status["state"], "failed", "{status:#}");
    let status = platform.failed("fresh");
    assert_eq!(status["state"], "failed", "{status:#}");
    s3.cp(&tar_gz(&site("one"), &out), "fresh.zip");
    result(&api, "fresh", "published");
    platform.live("fresh");
    assert_eq!(platform.get("/fresh/"), (200, "one".to_owned()));
}

#[test]
fn an_archive_survives_the_agent_that_takes_it() {
    let platform = builder().start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    s3.cp(&tar_gz(&site("one"), &out), "site.tar.gz");
    result(&api, "site", "published");
    platform.live("site");
    for version in ["two", "three", "four"] {
        let old = platform.get("/site/assets/1.txt").1;
        s3.cp(&tar_gz(&site(version), &out), "site.tar.gz");
        platform.kill(Role::Serve);
        // Whatever it had done: what serves is one version, and the end is the archive's.
        let seen = eventually(version, PATIENCE, || {
            let pages =
                ["/site/", "/site/sub/page.html", "/site/assets/39.txt"].map(|path| platform.get(path).1);
            assert!(pages.iter().all(|page| *page == old || *page == version), "{pages:?}");
            (pages.iter().all(|page| page == version) && s3.ls("site.").is_empty()).then_some(pages)
        });
        assert_eq!(seen[0], version);
        assert_eq!(s3.ls("site/").len(), 42);
    }
}

#[test]
fn an_archive_whose_event_was_lost_is_found_by_the_sweep() {
    let platform = builder().setting("sweep_interval_s", 2).start();
    let (s3, file, api, out) =
        (platform.s3(Client::Boto3), StoreFile::of(&platform), Api::of(&platform), Folder::new());
    assert_eq!(file.sql("DELETE FROM notifications RETURNING 1", &[]).len(), 1);
    s3.cp(&tar_gz(&site("one"), &out), "site.tgz");
    result(&api, "site", "published");
    eventually("it is live", PATIENCE, || (platform.get("/site/").1 == "one").then_some(()));
    assert_eq!(s3.ls("site."), [""; 0]);
}
