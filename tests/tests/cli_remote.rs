//! The command line of somebody who has nothing of the platform but its address and a token: no home, no credentials of the
//! store.

use std::process::{Command, Output};
use std::time::Duration;

use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::watching::Watching;
use cloudyknight_tests::{Api, Client, Deployments, Folder, Platform, eventually};
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

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.platform.cli_command(arguments);
        command.env("CLOUDYKNIGHT_HOME", self.home.path());
        command.env("CLOUDYKNIGHT_API", &self.platform.variables()["CLOUDYKNIGHT_API"]);
        command.env("CLOUDYKNIGHT_TOKEN", &self.token);
        command
    }

    fn cli(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments))
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

#[test]
fn a_push_through_the_api_is_a_commit_where_a_workspace_waits_for_one() {
    // With a quiet window that no test would wait for: what is live was committed.
    let platform =
        Platform::builder().setting("quiet_ms", 600_000).setting("burst_quiet_ms", 600_000).start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    let create = ["token", "create", "ci", "--role", "deploy", "--workspace", "site", "--quiet"];
    let person = Person::with(&platform, &succeeded("token create", &platform.cli(&create)));
    let folder = Folder::of(&[("index.html", "one"), ("other.html", "one")]);
    let dir = folder.path().to_str().expect("UTF-8");
    let ids = || -> Vec<Value> {
        let history = platform.cli_json(&["history", "site"]);
        history["deployments"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect()
    };

    // The first push, which was announced; it goes on being a workspace that waits.
    s3.put("site/.cloudyknight/", "");
    person.succeeds(&["push", dir, "site"]);
    assert_eq!(platform.get("/site/other.html"), (200, "one".to_owned()));
    assert!(person.succeeds(&["ls", "site"]).contains(".cloudyknight/commit"));

    // Each push is one deployment, however the platform saw its files come.
    let watch = Deployments::of(&platform, "site");
    for round in ["two", "three", "four"] {
        folder.write("index.html", round);
        folder.write("other.html", round);
        let said = person.succeeds(&["push", dir, "site"]);
        assert!(said.contains("site is live at "), "{said}");
        assert_eq!(platform.get("/site/"), (200, round.to_owned()));
        assert_eq!(platform.get("/site/other.html"), (200, round.to_owned()));
        assert!(person.json(&["status", "site"])["uncommitted"].is_null());
    }
    assert_eq!(watch.seen().len(), 4, "with the one before");
    // More files than go one by one: the archive is the commit.
    for number in 0..30 {
        folder.write(&format!("page-{number}.html"), "five");
    }
    person.succeeds(&["push", dir, "site"]);
    assert_eq!(platform.get("/site/page-29.html"), (200, "five".to_owned()));
    // And after it, the marker counts as before.
    folder.write("index.html", "six");
    person.succeeds(&["push", dir, "site"]);
    assert_eq!(platform.get("/site/"), (200, "six".to_owned()));
    assert_eq!(ids().len(), 6);

    // What nobody has committed is not told to be live.
    s3.put("site/late.html", "late");
    eventually("it waits", Duration::from_secs(60), || {
        let status = api.read("/api/v1/workspaces/site")?;
        (status["uncommitted"]["files"] == 1).then_some(())
    });
    let waited = person.cli(&["wait", "site"]);
    let (said, beside) = (stdout(&waited), stderr(&waited));
    assert!(waited.status.success() && said.contains("site serves what was committed last at "), "{said}");
    assert!(beside.contains("note: 1 file changed since the last commit, and not deployed"), "{beside}");
    assert!(beside.contains("hint: put `.cloudyknight/commit`"), "{beside}");
    assert!(person.succeeds(&["status", "site"]).contains("live: what was committed last serves"));
    assert_eq!(platform.get("/site/late.html").0, 404);
    // The folder does not hold it: it goes, and that is committed as well.
    person.succeeds(&["push", dir, "site"]);
    assert!(person.json(&["status", "site"])["uncommitted"].is_null());
}

#[test]
fn what_goes_on_and_what_is_of_the_platform_is_asked_of_the_platform_elsewhere() {
    let platform = quick();
    let token =
        succeeded("token create", &platform.cli(&["token", "create", "ops", "--role", "admin", "-q"]));
    let person = Person::with(&platform, &token);
    let server = "console.log('started');\nrequire('node:http').createServer((_, answer) => answer.end('one'))\
                  .listen(process.env.PORT || 3000);\n";
    let folder = Folder::of(&[("package.json", "{}"), ("index.js", server)]);
    let dir = folder.path().to_str().expect("UTF-8");

    let watching = Watching::start(&mut person.command(&["push", dir, "app", "--watch", "--json"]));
    assert_eq!(watching.json()["result"], "live");
    folder.replace("index.js", "one", "two");
    let saved = watching.json();
    assert_eq!((&saved["result"], &saved["uploaded"]), (&json!("live"), &json!(["index.js"])));
    watching.interrupt();
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));

    let watching = Watching::start(&mut person.command(&["logs", "app", "-f"]));
    assert_eq!(watching.line(), "started");
    drop(watching);
    let watching = Watching::start(&mut person.command(&["status", "app", "--watch", "--json"]));
    assert_eq!(watching.json()["state"], "live");
    watching.interrupt();

    person.succeeds(&["rollback", "app"]);
    let newest = person.json(&["history", "app", "--limit", "1"]);
    assert_eq!(newest["deployments"].as_array().map(Vec::len), Some(1), "{newest}");
    assert!(newest["next"].is_string(), "{newest}");
    assert!(person.succeeds(&["history", "app"]).contains("ops went back to "));
    person.succeeds(&["unpin", "app"]);

    // What is broken, tried again and cancelled.
    folder.write("docker-compose.yml", "services: [");
    assert_eq!(person.cli(&["push", dir, "app"]).status.code(), Some(1));
    person.refused(&["retry", "app"], "invalid YAML");
    let slow = "FROM workspace-node-ephemeral:latest\nRUN sleep 600\n";
    let building = Folder::of(&[("Dockerfile", slow), ("index.js", server)]);
    platform.s3(Client::Boto3).sync(building.path(), "slow");
    eventually("a deployment to cancel", Duration::from_secs(60), || {
        person.cli(&["cancel", "slow"]).status.success().then_some(())
    });
    for name in ["app", "slow"] {
        assert!(person.succeeds(&["ls"]).contains(name));
        person.succeeds(&["rm", name, "--yes"]);
    }
    person.succeeds(&["forget", "app", "--yes"]);
    let audit = person.succeeds(&["audit"]);
    assert!(audit.contains("DELETE /api/v1/workspaces/app/releases"), "{audit}");

    // The policy is the one that holds there, not one of a home that is empty.
    let there = "[[allow]]\nworkspaces = [\"shop-*\"]\nlow_ports = true\n";
    platform.set_policy(there);
    let told = person.json(&["policy"]);
    assert_eq!(told, platform.cli_json(&["policy"]));
    assert_eq!(
        (&told["grants"][0]["permission"], &told["grants"][0]["line"]),
        (&json!("low_ports"), &json!(1))
    );
    assert_eq!(person.json(&["policy", "blog"])["grants"], json!([]));
    platform.set_policy("[[allow]]\nworkspaces = [\"shop-*\"]\nlow_port = true\n");
    let doubtful = person.cli(&["policy", "shop-a"]);
    assert!(stdout(&doubtful).contains("low_ports = true"), "{}", stdout(&doubtful));
    assert!(stderr(&doubtful).contains("line 3: unknown field `low_port`"), "{}", stderr(&doubtful));
    platform.set_policy(there);
    let restricted = ["token", "create", "shop", "--workspace", "shop-*", "-q"];
    let restricted = Person::with(&platform, &succeeded("token create", &platform.cli(&restricted)));
    restricted.refused(&["policy"], "does not see the platform");

    let found = person.json(&["doctor"]);
    let checks: Vec<&str> = found["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["check"].as_str())
        .collect();
    assert_eq!(checks[..3], ["where", "platform", "agent to docker"], "{found:#}");
    for local in ["settings", "docker", "bucket", "mount", "source directory"] {
        assert!(!checks.contains(&local), "{local}: {found:#}");
    }

    // What is about the platform's machine is nothing to be guessed at from here.
    let store = person.home.path().join("config.toml");
    std::fs::write(&store, "").expect("settings");
    for (arguments, why) in [
        (&["config"][..], "its settings are read on its own machine"),
        (&["config", "path"], "its settings are read on its own machine"),
        (&["env"], "only its own machine knows the credentials of its store"),
        (&["mount"], "its workspaces are mounted on its own machine"),
        (&["migrate", "--to", store.to_str().expect("UTF-8")], "its buckets are copied from its own machine"),
    ] {
        person.refused(arguments, why);
        person.refused(arguments, "hint: run it on that platform's machine");
    }
}

#[test]
fn what_env_exports_names_no_platform_elsewhere() {
    let platform = quick();
    let with_exports = |arguments: &[&str]| {
        let mut command = platform.cli_command(arguments);
        run(command.envs(platform.variables()))
    };
    for arguments in [&["config", "path"][..], &["policy"], &["env"]] {
        let output = with_exports(arguments);
        assert_eq!(succeeded("with exports", &output), stdout(&platform.cli(arguments)), "{arguments:?}");
    }
    assert!(stdout(&with_exports(&["doctor"])).contains("settings: "));
    // Also with somebody's own token, and while it does not run.
    let token = succeeded("token create", &platform.cli(&["token", "create", "me", "-q"]));
    let mut command = platform.cli_command(&["config", "quiet_ms"]);
    command.envs(platform.variables()).env("CLOUDYKNIGHT_TOKEN", token.trim());
    assert_eq!(succeeded("config", &run(&mut command)), "20\n");
    platform.down();
    assert_eq!(succeeded("config", &with_exports(&["config", "quiet_ms"])), "20\n");
    platform.up();
}
