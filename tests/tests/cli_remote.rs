//! The command line of somebody who has nothing of the platform but its address and a token: no home, no credentials of the
//! store.

use std::process::{Command, Output};

use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Folder, Platform};
use serde_json::{Value, json};

/// Somebody elsewhere.
struct Person<'a> {
    platform: &'a Platform,
    token: String,
    home: Folder,
}

impl<'a> Person<'a> {
    fn with(platform: &'a Platform, token: &str) -> Self {
        Self { platform, token: token.trim().to_owned(), home: Folder::new() }
    }

    fn cli(&self, arguments: &[&str]) -> Output {
        let mut command: Command = self.platform.cli_command(arguments);
        command.env("CLOUDYKNIGHT_HOME", self.home.path());
        command.env("CLOUDYKNIGHT_API", &self.platform.variables()["CLOUDYKNIGHT_API"]);
        command.env("CLOUDYKNIGHT_TOKEN", &self.token);
        run(&mut command)
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        succeeded(&arguments.join(" "), &self.cli(arguments))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeeds(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], why: &str) {
        let output = self.cli(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stdout(&output));
        assert!(stderr(&output).contains(why), "{arguments:?}: {}", stderr(&output));
    }
}

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

#[test]
fn whoever_has_only_a_token_pushes_looks_and_removes_through_the_api() {
    let platform = quick();
    let create = ["token", "create", "ci", "--role", "deploy", "--workspace", "site", "--quiet"];
    let token = succeeded("token create", &platform.cli(&create));
    let person = Person::with(&platform, &token);
    let folder = Folder::of(&[("index.html", "one"), ("sub/a b+ü.txt", "x")]);
    for number in 0..30 {
        folder.write(&format!("page-{number}.html"), format!("page {number}"));
    }
    let dir = folder.path().to_str().expect("UTF-8");

    // Many files go as one archive, and few one by one.
    person.succeeds(&["push", dir, "site"]);
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));
    assert_eq!(platform.get("/site/page-29.html"), (200, "page 29".to_owned()));
    folder.write("index.html", "two");
    std::fs::remove_file(folder.path().join("page-0.html")).expect("it is there");
    let planned = person.json(&["push", dir, "site", "--dry-run"]);
    assert_eq!((&planned["upload"], &planned["delete"]), (&json!(["index.html"]), &json!(["page-0.html"])));
    person.succeeds(&["push", dir, "site"]);
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));
    assert_eq!(platform.get("/site/page-0.html").0, 404);
    let listed = person.json(&["ls", "site"]);
    assert_eq!(listed["files"].as_array().map(Vec::len), Some(31), "{listed}");

    for command in
        ["status", "history", "diff", "logs", "wait", "open", "restart", "stop", "start", "volumes"]
    {
        person.succeeds(&[command, "site"]);
    }
    for command in ["rollback", "unpin"] {
        person.succeeds(&[command, "site"]);
    }
    person.succeeds(&["status"]);
    person.refused(&["push", dir, "other"], "is not about `other`");
    person.refused(&["status", "other"], "is not about `other`");
    person.refused(&["token", "ls"], "`ci` may not do this");

    person.succeeds(&["rm", "site", "--yes"]);
    assert_eq!(platform.get("/site/").0, 404);
    person.succeeds(&["restore", "site"]);
    assert_eq!(platform.get("/site/"), (200, "two".to_owned()));

    succeeded("token rm", &platform.cli(&["token", "rm", "ci"]));
    person.refused(&["status"], "is missing or wrong");
}

#[test]
fn a_platform_that_is_not_there_is_told_by_its_address() {
    let platform = Platform::builder().prepare();
    let mut command = platform.cli_command(&["status"]);
    command.env("CLOUDYKNIGHT_API", "http://127.0.0.1:9").env("CLOUDYKNIGHT_TOKEN", "ckt_secret");
    let output = run(&mut command);
    let said = stderr(&output);
    assert!(said.contains("the platform does not answer at http://127.0.0.1:9"), "{said}");
    assert!(said.contains("hint: CLOUDYKNIGHT_API names that address"), "{said}");
    assert!(!said.contains("ckt_secret"), "{said}");
}

#[test]
fn a_folder_from_a_template_is_live_with_one_push() {
    let platform = quick();
    let parent = Folder::new();
    let dir = parent.path().join("hello");
    let dir = dir.to_str().expect("UTF-8");
    let listed = succeeded("new", &platform.cli(&["new"]));
    for template in ["static", "node", "python"] {
        assert!(listed.lines().any(|line| line.starts_with(template)), "{listed}");
    }
    succeeded("new", &platform.cli(&["new", dir, "--template", "node"]));
    let again = platform.cli(&["new", dir, "--template", "node"]);
    assert!(stderr(&again).contains("already, and nothing was written"), "{}", stderr(&again));
    let mistyped = platform.cli(&["new", "other", "--template", "nod"]);
    assert!(stderr(&mistyped).contains("did you mean `node`?"), "{}", stderr(&mistyped));
    succeeded("push", &platform.cli(&["push", dir]));
    assert_eq!(platform.get("/hello/").0, 200);
}
