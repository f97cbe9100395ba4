//! `cloudyknight push`: what it takes for source, what it changes in the bucket, and the loop of `--watch`.

use std::fs;

use cloudyknight_tests::run::{stderr, stdout};
use cloudyknight_tests::watching::Watching;
use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::{Value, json};

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

fn files(platform: &Platform, name: &str) -> Vec<String> {
    let listed = platform.cli_json(&["ls", name]);
    let files = listed["files"].as_array().expect("a list").iter();
    files.map(|file| file["path"].as_str().expect("a path").to_owned()).collect()
}

fn dir(folder: &Folder) -> &str {
    folder.path().to_str().expect("UTF-8")
}

#[test]
fn push_leaves_out_what_ignore_files_say_and_deletes_what_became_ignored() {
    let platform = quick();
    let folder = Folder::of(&[
        (".gitignore", "*.log\n/dist\n"),
        ("index.html", "one"),
        ("a.log", "x"),
        ("dist/built.js", "x"),
        ("sub/.gitignore", "!kept.log\n"),
        ("sub/kept.log", "x"),
        ("sub/dist/kept.js", "x"),
        ("node_modules/m/index.js", "x"),
        (".git/HEAD", "x"),
        (".index.html.swp", "x"),
    ]);
    let planned = platform.cli_json(&["push", dir(&folder), "site", "--dry-run"]);
    let source = [".gitignore", "index.html", "sub/.gitignore", "sub/dist/kept.js", "sub/kept.log"];
    assert_eq!(planned["upload"], json!(source));
    assert_eq!(platform.cli_json(&["ls"])["workspaces"], json!([]), "nothing was done");

    assert!(platform.cli(&["push", dir(&folder), "site"]).status.success());
    assert_eq!(files(&platform, "site"), source);

    folder.write(".cloudyknightignore", "!dist\nsub\n");
    let words = platform.cli(&["push", dir(&folder), "site", "--dry-run"]);
    let expected = "+ dist/built.js\n- sub/.gitignore\n- sub/dist/kept.js\n- sub/kept.log\n";
    assert_eq!(stdout(&words), expected, "{}", stderr(&words));
    assert!(platform.cli(&["push", dir(&folder), "site"]).status.success());
    assert_eq!(files(&platform, "site"), [".gitignore", "dist/built.js", "index.html"]);
}

#[test]
fn push_commits_where_a_workspace_waits_for_that() {
    let platform = quick();
    let folder = Folder::of(&[("index.html", "one")]);
    platform.s3(Client::Boto3).sync(folder.path(), "site");
    platform.s3(Client::Boto3).put("site/.cloudyknight/commit", "1");
    platform.live("site");
    folder.write("index.html", "two");
    let pushed = platform.cli(&["push", dir(&folder), "site"]);
    assert!(pushed.status.success(), "{}", stderr(&pushed));
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    assert!(files(&platform, "site").contains(&".cloudyknight/commit".to_owned()));
}

#[test]
fn push_tells_each_step_once_and_with_quiet_only_what_went_wrong() {
    let platform = quick();
    let folder = Folder::of(&[("index.html", "one")]);
    let pushed = platform.cli(&["push", dir(&folder), "site"]);
    let said = stderr(&pushed);
    for step in ["fetch", "start", "switch"] {
        let lines = said.lines().filter(|line| line.trim_start().starts_with(step));
        assert_eq!(lines.count(), 1, "{said}");
    }
    folder.write("index.html", "two");
    let quiet = platform.cli(&["push", dir(&folder), "site", "--quiet"]);
    assert_eq!((stdout(&quiet), stderr(&quiet)), (String::new(), String::new()));
    folder.write("docker-compose.yml", "services: [");
    let broken = platform.cli(&["push", dir(&folder), "site", "-q"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(stderr(&broken).contains("invalid YAML"), "{}", stderr(&broken));
    // What was asked for is printed.
    assert!(stdout(&platform.cli(&["status", "site", "-q"])).contains("degraded"));
}

#[test]
fn a_watched_folder_is_live_after_each_save_with_one_line_a_deployment() {
    let platform = quick();
    let folder = Folder::of(&[("index.html", "one"), ("old.html", "old")]);
    let watching = Watching::start(&mut platform.cli_command(&["push", dir(&folder), "site", "--watch"]));
    let is_live = |line: String, what: &str| {
        let (time, rest) = line.split_once(' ').expect("a time and words");
        assert_eq!(time.split(':').map(str::len).collect::<Vec<_>>(), [2, 2, 2], "{line}");
        let took = rest.strip_prefix(&format!("{what} → live in ")).unwrap_or_else(|| panic!("{line}"));
        assert!(took.ends_with(" ms") || took.ends_with(" s"), "{line}");
    };
    is_live(watching.line(), "index.html and 1 more");
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));

    // What an editor keeps beside the file while it works on it is nothing to push.
    folder.write(".index.html.swp", "x");
    folder.write("4913", "");
    fs::remove_file(folder.path().join("4913")).expect("it is there");
    folder.write("index.html", "two");
    is_live(watching.line(), "index.html");
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));

    // As vim saves with a backup, and as programs do that write beside and rename.
    fs::rename(folder.path().join("index.html"), folder.path().join("index.html~")).expect("it moves");
    folder.write("index.html", "three");
    fs::remove_file(folder.path().join("index.html~")).expect("it is there");
    is_live(watching.line(), "index.html");
    folder.write(".index.html.tmp", "four");
    fs::rename(folder.path().join(".index.html.tmp"), folder.path().join("index.html")).expect("it moves");
    is_live(watching.line(), "index.html");
    assert_eq!(platform.get("/site/"), (200, "four".to_owned()));

    // A new folder, a file that moves into it, and one that goes.
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    fs::rename(folder.path().join("old.html"), folder.path().join("sub/new.html")).expect("it moves");
    is_live(watching.line(), "sub/new.html and 1 more");
    folder.write("sub/new.html", "newer");
    is_live(watching.line(), "sub/new.html");
    assert_eq!(platform.get("/site/sub/new.html"), (200, "newer".to_owned()));
    fs::remove_dir_all(folder.path().join("sub")).expect("it is there");
    is_live(watching.line(), "sub/new.html (deleted)");
    assert_eq!(files(&platform, "site"), ["index.html"]);

    watching.interrupt();
    let history = platform.cli_json(&["history", "site"]);
    assert_eq!(history["deployments"].as_array().map(Vec::len), Some(7), "{history:#}");
}

#[test]
fn a_watched_folder_that_fails_is_told_with_its_hint_and_watched_on() {
    let platform = quick();
    let folder = Folder::of(&[("index.html", "one")]);
    let arguments = ["push", dir(&folder), "site", "--watch", "--json"];
    let watching = Watching::start(&mut platform.cli_command(&arguments));
    let first = watching.json();
    assert_eq!((&first["result"], &first["uploaded"]), (&json!("live"), &json!(["index.html"])));
    assert_eq!(first["status"]["state"], "live");

    folder.write("docker-compose.yml", "services: [");
    let broken = watching.json();
    assert_eq!(broken["result"], "failed");
    let failure = &broken["status"]["deployment"]["outcome"];
    assert!(failure["message"].as_str().is_some_and(|why| why.contains("invalid YAML")), "{failure}");
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));

    fs::remove_file(folder.path().join("docker-compose.yml")).expect("it is there");
    let mended = watching.json();
    assert_eq!((&mended["result"], &mended["deleted"]), (&json!("live"), &json!(["docker-compose.yml"])));

    // A folder without any file would delete the workspace: that is not done in passing.
    fs::remove_file(folder.path().join("index.html")).expect("it is there");
    folder.write("other.html", "other");
    let moved: Value = watching.json();
    assert_eq!(moved["uploaded"], json!(["other.html"]), "{moved}");
    watching.interrupt();
}
