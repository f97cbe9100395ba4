//! An uploaded archive is a push of the whole workspace: all of it or nothing, one release, and the object is gone when
//! it is done. Tried with the archives that real tools make, on everything that a platform can stand on.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{
    Api, Backend, Client, Deployments, Folder, Mood, Neighbour, Platform, Proxy, StoreFile, eventually,
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
        let archive = &status["archive"];
        let taken = archive["key"] == "site.zip" && archive["result"]["result"] == "published";
        (taken && live).then_some(status)
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

/// Each kind by a tool that people have, and by the client they have.
fn by_real_tools(backend: &Backend) {
    let platform = builder().setting("sweep_interval_s", 2).backend(backend).start();
    let (api, out) = (Api::of(&platform), Folder::new());
    let python = "import shutil, sys; shutil.make_archive(sys.argv[1], 'zip', '.')";
    let tools: [(&str, &[&str], Client); 6] = [
        ("tar.gz", &["tar", "czf", "OUT", "."], Client::Aws),
        ("tar.zst", &["tar", "--zstd", "-cf", "OUT", "."], Client::Rclone),
        ("zip", &["sh", "-c", "zip -qr OUT.zip . && mv OUT.zip OUT"], Client::Boto3),
        ("zip", &["sh", "-c", &format!("python3 -c \"{python}\" OUT && mv OUT.zip OUT")], Client::Aws),
        ("tar.zst", &["sh", "-c", "tar cf - . | zstd -q -19 --long > OUT"], Client::Boto3),
        // One folder with nothing beside it, as people make it without thinking of it.
        ("tgz", &["sh", "-c", "tar czf OUT --transform 's,^[.],myapp,' ."], Client::Rclone),
    ];
    for (n, (ending, tool, client)) in tools.into_iter().enumerate() {
        let (version, key) = (format!("version {n}"), format!("site.{ending}"));
        let file = packed(&site(&version), tool, &out);
        platform.s3(client).cp(&file, &key);
        let what = format!("{key} made by {tool:?} and uploaded with {client:?}");
        eventually(&what, PATIENCE, || {
            let status = api.read("/api/v1/workspaces/site")?;
            assert_ne!(status["archive"]["result"]["result"], "refused", "{what}: {status:#}");
            (platform.get("/site/assets/39.txt") == (200, version.clone())).then_some(())
        });
        let status = platform.live("site");
        assert_eq!(status["archive"]["key"], *key, "{status:#}");
        assert_eq!(platform.get("/site/sub/page.html"), (200, version.clone()), "{what}");
        // What aws answers where there is nothing is an error.
        let s3 = platform.s3(Client::Boto3);
        assert_eq!((s3.ls("site."), s3.ls("site/").len()), (Vec::new(), 42), "{what}");
    }
}

#[test]
fn archives_of_real_tools_are_taken_from_real_clients_on_embedded() {
    by_real_tools(&Backend::Embedded);
}

#[test]
fn archives_of_real_tools_are_taken_from_real_clients_on_ministack() {
    by_real_tools(&Backend::ministack());
}

const HOSTILE: &str = include_str!("../src/hostile_archives.py");

#[test]
fn every_hostile_archive_is_refused_by_name_and_none_changes_anything() {
    let platform = builder().setting("sweep_interval_s", 1).setting("max_source_mb", 1).start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    let neighbour = Neighbour::of(&platform);
    s3.cp(&tar_gz(&site("good"), &out), "site.tar.gz");
    result(&api, "site", "published");
    let (good, files) = (platform.live("site"), s3.ls("site/"));

    let archives = Folder::new();
    let mut make = Command::new("python3");
    let made = run(make.args(["-c", HOSTILE]).arg(archives.path()));
    let cases: Value = serde_json::from_str(&succeeded("making archives", &made)).expect("JSON");
    let cases = cases.as_array().expect("a list");
    assert!(cases.len() > 25);
    let mut keys = std::collections::BTreeSet::new();
    let mut last = Value::Null;
    for case in cases {
        let file = case[0].as_str().expect("a name");
        let key = format!("site.{}", file.split_once('.').expect("an ending").1);
        s3.cp(&archives.path().join(file), &key);
        let status = eventually(file, PATIENCE, || {
            let status = api.read("/api/v1/workspaces/site")?;
            let archive = &status["archive"];
            let is_over = archive["result"]["result"] != "unpacking";
            (archive["key"] == *key && archive["at"] != last && is_over).then_some(status)
        });
        let refused = &status["archive"]["result"];
        assert_eq!(refused["result"], "refused", "{file}: {status:#}");
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains(&format!("the archive `{key}` was refused")), "{file}: {message}");
        for words in case[1].as_array().expect("words") {
            let words = words.as_str().expect("text");
            assert!(message.contains(words), "{file} is told {words:?}: {message}");
        }
        assert!(refused["hint"].is_string(), "{file}: {status:#}");
        assert_eq!((&status["release"], &status["state"]), (&good["release"], &"degraded".into()), "{file}");
        assert_eq!(platform.get("/site/"), (200, "good".to_owned()), "{file}");
        last = status["archive"]["at"].clone();
        keys.insert(key);
    }
    platform.failed("site");
    assert_eq!(s3.ls("site/"), files);
    assert_eq!(s3.ls("site."), keys.iter().cloned().collect::<Vec<_>>(), "they stay");
    for key in &keys {
        s3.rm_one(key);
    }
    eventually("what was withdrawn is forgotten", PATIENCE, || {
        let status = api.read("/api/v1/workspaces/site")?;
        (status["archive"].is_null() && status["state"] == "live").then_some(())
    });
    let refusals = platform.log().matches("the archive was refused").count();
    assert_eq!(refusals, cases.len(), "each of them once");
    assert_eq!(platform.live("site")["release"], good["release"]);
    neighbour.is_unhurt();
}

#[test]
fn a_refused_archive_is_looked_at_again_neither_by_a_restart_nor_by_a_sweep_but_when_somebody_asks() {
    let platform = builder().setting("sweep_interval_s", 1).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("site/index.html", "one");
    let live = platform.live("site");
    s3.put("site.zip", "no archive");
    let before = result(&api, "site", "refused");
    let refusals = || platform.log().matches("the archive was refused").count();
    assert_eq!(refusals(), 1);
    platform.down();
    platform.up();
    let api = Api::of(&platform);
    // Whatever else is asked is done.
    succeeded("restart", &platform.cli(&["restart", "site"]));
    eventually("it was restarted", PATIENCE, || {
        let status = api.read("/api/v1/workspaces/site")?;
        (status["deployment"]["outcome"]["result"] == "live" && status["state"] == "live").then_some(())
    });
    assert_eq!(platform.live("site")["release"], live["release"]);
    assert_eq!(result(&api, "site", "refused")["archive"], before["archive"]);
    assert_eq!(refusals(), 1);
    assert_eq!(platform.cli(&["retry", "site"]).status.code(), Some(1), "it is as bad as before");
    assert_eq!(refusals(), 2);
}

#[test]
fn an_archive_for_what_can_be_no_workspace_or_of_another_kind_is_told() {
    let platform = builder().start();
    let (s3, out) = (platform.s3(Client::Boto3), Folder::new());
    for key in ["My_App.tar.gz", ".zip", "site.tar.xz", "site.rar"] {
        s3.cp(&tar_gz(&site("never served"), &out), key);
    }
    let all = platform.cli_json(&["status"]);
    let invalid: Vec<_> =
        all["invalid"].as_array().expect("a list").iter().map(|one| &one["archive"]).collect();
    assert_eq!(invalid, [".zip", "My_App.tar.gz", "site.rar", "site.tar.xz"], "{all:#}");
    let words = stderr(&platform.cli(&["status"]));
    assert!(
        words.contains("warning: the archive \"My_App.tar.gz\" is of no workspace: `My_App` is no"),
        "{words}"
    );
    assert!(
        words.contains("warning: the archive \"site.rar\" is of no workspace: archives of this kind"),
        "{words}"
    );
    assert!(words.contains("hint: make a `.tar.gz`"), "{words}");
    assert_eq!(all["workspaces"].as_array().map(Vec::len), Some(0), "{all:#}");
    assert_eq!(s3.ls("").len(), 4, "they stay");
}

/// So many files that there is time to end the agent while they are put.
fn crowd(version: &str) -> Folder {
    let site = site(version);
    for n in 0..1500 {
        site.write(&format!("crowd/{n:04}.txt"), version);
    }
    site
}

const PAGES: [&str; 4] = ["/site/", "/site/sub/page.html", "/site/crowd/0000.txt", "/site/crowd/1499.txt"];

/// What the pages say, once it is this and the archive is gone; they never say anything but this or what they said.
fn ends_as(platform: &Platform, s3: &S3, old: &str, version: &str) {
    eventually(version, 2 * PATIENCE, || {
        let pages = PAGES.map(|page| platform.get(page).1);
        let is_one_of = |page: &String| page == old || page == version;
        assert!(pages.iter().all(is_one_of), "{version}: {pages:?}");
        (pages.iter().all(|page| page == version) && s3.ls("site.").is_empty()).then_some(())
    });
    platform.live("site");
    assert_eq!(s3.ls("site/").len(), 1542, "{version}");
}

/// Kills a process once the objects of the workspace are a mixture: equal content has an equal ETag.
const KILLER: &str = "
import os, signal, sqlite3, sys, time
connection = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, timeout=30)
etags = \"SELECT count(DISTINCT etag) FROM objects WHERE key >= CAST('site/' AS BLOB) AND key < CAST('site0' AS BLOB)\"
give_up = time.monotonic() + 60
while connection.execute(etags).fetchone()[0] < 2:
    if time.monotonic() > give_up:
        sys.exit('there never was a mixture')
os.kill(int(sys.argv[2]), signal.SIGKILL)
left = connection.execute(etags).fetchone()[0]
if left < 2:
    sys.exit('it was too late')
";

#[test]
fn an_agent_that_is_killed_while_it_publishes_does_it_again_before_anything_is_deployed() {
    let platform = builder().start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    s3.cp(&tar_gz(&crowd("zero"), &out), "site.tar.gz");
    result(&api, "site", "published");
    platform.live("site");
    for (old, version) in [("zero", "one"), ("one", "two"), ("two", "three")] {
        let agent = platform.process(Role::Serve).as_raw_nonzero().to_string();
        let mut killer = Command::new("python3");
        killer.args(["-c", KILLER]).arg(platform.home().join("store/store.sqlite")).arg(agent);
        let killer = killer.stdout(Stdio::piped()).spawn().expect("python3 starts");
        s3.cp(&tar_gz(&crowd(version), &out), "site.tar.gz");
        let killed = killer.wait_with_output().expect("it ends");
        succeeded("killing the agent in the middle", &killed);
        // Something else is asked of the workspace as soon as anybody answers, and changes nothing.
        eventually("it answers", PATIENCE, || api.read("/api/v1/workspaces/site").map(drop));
        platform.cli(&["restart", "site", "--timeout", "1"]);
        ends_as(&platform, &s3, old, version);
    }
}

#[test]
fn files_that_come_while_the_agent_is_killed_over_an_archive_deploy_no_mixture_on_ministack() {
    let server = Backend::ministack();
    let platform = builder().backend(&server).setting("sweep_interval_s", 2).start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    s3.cp(&tar_gz(&crowd("zero"), &out), "site.tar.gz");
    result(&api, "site", "published");
    platform.live("site");
    s3.cp(&tar_gz(&crowd("one"), &out), "site.tar.gz");
    eventually("it is being taken", PATIENCE, || {
        (api.read("/api/v1/workspaces/site")?["archive"]["result"]["result"] == "unpacking").then_some(())
    });
    platform.kill(Role::Serve);
    // The archive is newer than all of these, or replaces them.
    s3.put("site/index.html", "one");
    s3.put("site/sub/page.html", "one");
    ends_as(&platform, &s3, "zero", "one");
}

#[test]
fn an_archive_and_files_that_are_pushed_at_once_end_as_what_the_bucket_holds() {
    let platform = builder().start();
    let (s3, out) = (platform.s3(Client::Boto3), Folder::new());
    s3.cp(&tar_gz(&site("0"), &out), "site.tar.gz");
    eventually("the first is live", PATIENCE, || (platform.get("/site/").1 == "0").then_some(()));
    for round in 1..=4 {
        let (archive, files) = (site(&format!("archive {round}")), site(&format!("files {round}")));
        files.write("only-in-files.html", "files");
        let file = tar_gz(&archive, &out);
        std::thread::scope(|scope| {
            scope.spawn(|| platform.s3(Client::Boto3).cp(&file, "site.tar.gz"));
            scope.spawn(|| platform.s3(Client::Boto3).sync(files.path(), "site"));
        });
        eventually("the archive is taken", PATIENCE, || s3.ls("site.").is_empty().then_some(()));
        let status = platform.live("site");
        let listed = s3.ls("site/");
        let read = "import json\n\
                    keys = [one['Key'] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix='site/')['Contents']]\n\
                    get = lambda key: s3.get_object(Bucket=BUCKET, Key=key)['Body'].read().decode()\n\
                    print(json.dumps({key: get(key) for key in keys}))";
        let held = succeeded("reading", &run(&mut s3.python(read, &[])));
        let held: std::collections::BTreeMap<String, String> = serde_json::from_str(&held).expect("JSON");
        assert_eq!(held.len(), listed.len());
        for (key, content) in held {
            assert_eq!(
                platform.get(&format!("/{key}")),
                (200, content),
                "{key} in round {round}: {status:#}"
            );
        }
    }
}

const SLOW: &str =
    "services: {app: {image: 'workspace-node-ephemeral:latest', volumes: ['.:/workspace:ro']}}\n";

fn app(version: &str, after_ms: u32) -> Folder {
    let listen = format!(
        "setTimeout(() => require('node:http').createServer((_, answer) => answer.end('{version}')).listen(3000), \
         {after_ms});\n"
    );
    Folder::of(&[("compose.yaml", SLOW), ("index.js", &listen)])
}

#[test]
fn a_newer_archive_ends_a_deployment_that_has_not_switched_and_a_bad_one_does_not_prevent_it() {
    let platform = builder().setting("health_timeout_s", 900).start();
    let (s3, api, out) = (platform.s3(Client::Boto3), Api::of(&platform), Folder::new());
    let checked = || {
        eventually("it is being checked", PATIENCE, || (api.step("app")? == "check").then_some(()));
    };
    s3.cp(&tar_gz(&app("one", 0), &out), "app.tar.gz");
    eventually("the first is live", PATIENCE, || (platform.get("/app").1 == "one").then_some(()));
    platform.live("app");

    // As an archive, or as files: it would be checked for ever.
    for stuck in ["archive", "files"] {
        match stuck {
            "archive" => s3.cp(&tar_gz(&app("never", 900_000), &out), "app.tgz"),
            _ => s3.sync(app("never", 900_000).path(), "app"),
        }
        checked();
        let version = format!("after {stuck}");
        s3.cp(&tar_gz(&app(&version, 0), &out), "app.tar.gz");
        eventually(&version, PATIENCE, || (platform.get("/app").1 == version).then_some(()));
        platform.live("app");
        let history = platform.cli_json(&["history", "app"]);
        let outcome = &history["deployments"][1]["outcome"]["result"];
        assert_eq!(outcome, "superseded", "{history:#}");
        eventually("one container is left", PATIENCE, || {
            (platform.docker().containers().len() == 1).then_some(())
        });
    }

    // One that is refused ends nothing for good.
    s3.sync(app("slow", 6_000).path(), "app");
    checked();
    s3.put("app.zip", "no archive");
    result(&api, "app", "refused");
    eventually("slow is live", PATIENCE, || (platform.get("/app").1 == "slow").then_some(()));
    assert_eq!(platform.live("app")["state"], "live");
}

#[test]
fn an_agent_that_may_not_write_the_bucket_is_told_by_doctor_and_takes_archives_once_it_may_on_ministack() {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let mut platform = builder().backend(&server).prepare();
    platform.configure("store", format!("{:?}", proxy.endpoint()));
    platform.up();
    platform.learn();
    let (s3, api, out) = (S3::at(Client::Boto3, direct), Api::of(&platform), Folder::new());
    let doctor = || {
        let words = stdout(&platform.cli(&["doctor"]));
        let line = words.lines().position(|line| line.contains("publishing"));
        let line = line.unwrap_or_else(|| panic!("nothing of publishing: {words}"));
        words.lines().skip(line).take(3).collect::<Vec<_>>().join("\n")
    };
    assert!(doctor().starts_with("ok"), "{}", doctor());
    s3.put("site/index.html", "one");
    platform.live("site");

    proxy.turns(Mood::MayNotWrite);
    let said = doctor();
    assert!(said.starts_with("note  publishing") && said.contains("AgentMayPublish"), "{said}");
    // What needs no such right works.
    s3.put("site/index.html", "two");
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    s3.cp(&tar_gz(&site("three"), &out), "site.tar.gz");
    let status = result(&api, "site", "waiting");
    assert!(
        status["archive"]["result"]["hint"].as_str().expect("a hint").contains("PublishFiles"),
        "{status:#}"
    );
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    proxy.turns(Mood::Passes);
    result(&api, "site", "published");
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "three".to_owned()));
    assert!(s3.ls("site.").is_empty());
    assert_eq!(s3.ls(".cloudyknight"), [""; 0], "doctor leaves nothing behind");
}
