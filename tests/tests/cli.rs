//! The commands that people type, on a platform that runs: what they print, and how they end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::Value;

const SERVER: &str = "console.log('started');\n\
    require('node:http').createServer((ask, answer) => { console.log('asked', ask.url); answer.end('ok'); })\
    .listen(process.env.PORT);\n";

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

#[test]
fn push_uploads_what_differs_deletes_what_is_gone_and_tells_how_it_ended() {
    let platform = quick();
    let folder = Folder::of(&[("index.html", "one"), ("gone.txt", "x"), ("node_modules/m/i.js", "x")]);
    let dir = folder.path().to_str().expect("UTF-8");

    let first = platform.cli(&["push", dir, "site"]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(stderr(&first).contains("files uploaded: 2, deleted: 0, unchanged: 0"), "{}", stderr(&first));
    assert!(stdout(&first).contains("site is live at "), "{}", stdout(&first));
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));

    folder.write("index.html", "two");
    std::fs::remove_file(folder.path().join("gone.txt")).expect("it is there");
    let second = platform.cli(&["push", dir, "site", "--json"]);
    let status: Value = serde_json::from_str(&stdout(&second)).expect("JSON alone");
    assert_eq!(status["state"], "live");
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    let files = platform.cli_json(&["ls", "site"]);
    assert_eq!(files["files"].as_array().map(Vec::len), Some(1), "{files}");

    folder.write("docker-compose.yml", "services: [");
    let broken = platform.cli(&["push", dir, "site"]);
    assert!(!broken.status.success());
    assert!(stderr(&broken).contains("the release before it still serves"), "{}", stderr(&broken));
    assert!(stderr(&broken).contains("docker-compose.yml:2:1: invalid YAML"), "{}", stderr(&broken));
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
}

#[test]
fn push_refuses_what_would_be_a_surprise() {
    let platform = quick();
    let empty = Folder::of(&[]);
    let dir = empty.path().to_str().expect("UTF-8");
    let refused = |arguments: &[&str], why: &str| {
        let output = platform.cli(arguments);
        assert!(!output.status.success());
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(stderr(&output).contains("hint: "), "{}", stderr(&output));
    };
    refused(&["push", dir, "site"], "holds no file");
    refused(&["push", dir, "My_Site"], "no DNS label");
    refused(&["rm", "site"], "holds nothing of `site`");
    refused(&["logs", "site"], "nothing of the workspace `site` runs");
    refused(&["status", "site"], "there is no workspace `site`");
    refused(&["wait", "site"], "there is no workspace `site`");
}

#[test]
fn rm_asks_first_and_then_leaves_nothing() {
    let platform = quick();
    platform.s3(Client::Boto3).put("site/index.html", "one");
    platform.live("site");

    let unasked = platform.cli(&["rm", "site"]);
    assert!(!unasked.status.success(), "nobody can be asked without a terminal");
    assert!(stderr(&unasked).contains("--yes"), "{}", stderr(&unasked));
    assert_eq!(platform.get("/site/").0, 200);

    let removed = platform.cli(&["rm", "site", "--yes"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(platform.get("/site/").0, 404);
    assert_eq!(platform.docker().containers().len(), 0);
    assert_eq!(platform.cli_json(&["ls"])["workspaces"], Value::Array(Vec::new()));
}

#[test]
fn logs_show_what_was_said_and_follow_what_comes() {
    let platform = quick();
    let files = Folder::of(&[("index.js", SERVER), ("package.json", "{}")]);
    platform.s3(Client::Boto3).sync(files.path(), "app");
    platform.live("app");

    let said = platform.cli(&["logs", "app"]);
    assert!(stdout(&said).contains("started"), "{}", stdout(&said));
    let as_json = platform.cli(&["logs", "app", "--json"]);
    let line: Value = serde_json::from_str(stdout(&as_json).lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["line"], "started");
    let unknown = platform.cli(&["logs", "app", "--service", "other"]);
    assert!(stderr(&unknown).contains("it runs app"), "{}", stderr(&unknown));

    let mut following = platform
        .cli_command(&["logs", "app", "--follow", "--tail", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(following.stdout.take().expect("it is piped")).lines();
    // Asked until it is seen: nobody says when the following has begun.
    let asking = std::thread::scope(|scope| {
        let seen = scope.spawn(move || lines.next().expect("a line").expect("it is text"));
        while !seen.is_finished() {
            assert_eq!(platform.get("/app/hello"), (200, "ok".to_owned()));
        }
        seen.join().expect("a line was read")
    });
    assert_eq!(asking, "asked /hello");
    following.kill().expect("it is stopped");
    following.wait().expect("it has ended");
}

#[test]
fn wait_gives_up_with_a_code_of_its_own_and_can_wait_for_a_release() {
    let platform = quick();
    platform.s3(Client::Boto3).put("site/index.html", "one");
    let release = platform.live("site")["release"].as_str().expect("a digest").to_owned();
    assert!(platform.cli(&["wait", "site", "--release", &release]).status.success());

    let never = "0".repeat(64);
    let gave_up = platform.cli(&["wait", "site", "--release", &never, "--timeout", "1"]);
    assert_eq!(gave_up.status.code(), Some(124), "{}", stderr(&gave_up));
    let wrong = platform.cli(&["wait", "site", "--release", "xyz"]);
    assert!(stderr(&wrong).contains("no release digest"), "{}", stderr(&wrong));
}

#[test]
fn doctor_finds_a_healthy_platform_healthy_and_a_stopped_one_not() {
    let platform = quick();
    let well = platform.cli_json(&["doctor"]);
    assert_eq!(well["ok"], true, "{well}");
    platform.down();
    let stopped = platform.cli(&["doctor"]);
    assert!(!stopped.status.success());
    assert!(stdout(&stopped).contains("`cloudyknight up` starts it"), "{}", stdout(&stopped));
    platform.up();
}

#[test]
fn retry_tries_a_failed_release_again_once_what_was_missing_is_there() {
    let platform = quick();
    let image = format!("ck-retry-{}:latest", platform.id());
    let compose = format!("services:\n  site:\n    image: {image}\n    expose: [8080]\n");
    let folder = Folder::of(&[("docker-compose.yml", &compose), ("index.html", "one")]);
    platform.s3(Client::Boto3).sync(folder.path(), "site");
    platform.failed("site");

    let still = platform.cli(&["retry", "site"]);
    assert!(!still.status.success());
    assert!(stderr(&still).contains(&image), "{}", stderr(&still));

    let docker = |arguments: &[&str]| succeeded("docker", &run(Command::new("docker").args(arguments)));
    docker(&["tag", "workspace-static-ephemeral:latest", &image]);
    let now = platform.cli(&["retry", "site"]);
    docker(&["rmi", "--no-prune", &image]);
    assert!(now.status.success(), "{}", stderr(&now));
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));
    let nothing = platform.cli(&["retry", "site"]);
    assert!(stderr(&nothing).contains("did not fail"), "{}", stderr(&nothing));
}
