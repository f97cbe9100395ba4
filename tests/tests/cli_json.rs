//! Every command with `--json`, on a platform that runs: what it prints is what its schema says, and nothing else is on
//! stdout. `cloudyknight schema` is the list of them, so a command that is not run here is a failure.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::Output;

use cloudyknight_tests::run::{run, run_with_input, stderr, stdout};
use cloudyknight_tests::watching::Watching;
use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::{Value, json};

/// What was held against its schema.
struct Schemas {
    all: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Schemas {
    fn of(platform: &Platform) -> Self {
        let all = serde_json::from_str(&stdout(&platform.cli(&["schema"]))).expect("JSON");
        Self { all, seen: RefCell::default() }
    }

    #[track_caller]
    fn check(&self, command: &str, document: &Value) {
        let told = self.all.get(command).unwrap_or_else(|| panic!("there is no schema of `{command}`"));
        let validator = jsonschema::validator_for(&told["schema"]).expect("it is a schema");
        let errors: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{command}: {errors:#?}\n{document:#}");
        self.seen.borrow_mut().insert(command.to_owned());
    }

    /// What was printed, which must be documents and nothing else; the first of them.
    #[track_caller]
    fn checked(&self, command: &str, output: &Output) -> Value {
        let text = stdout(output);
        let lines = self.all[command]["lines"] == true;
        let documents: Vec<&str> = if lines { text.lines().collect() } else { vec![text.trim_end()] };
        let documents: Vec<Value> = documents
            .into_iter()
            .map(|text| {
                serde_json::from_str(text)
                    .unwrap_or_else(|error| panic!("{command}: no JSON ({error}): {text}{}", stderr(output)))
            })
            .collect();
        documents.iter().for_each(|document| self.check(command, document));
        documents.into_iter().next().unwrap_or_else(|| panic!("{command} printed nothing"))
    }

    /// A command that could not do what it was asked: one line on stderr, and nothing on stdout.
    #[track_caller]
    fn fails(&self, platform: &Platform, arguments: &[&str], code: i32) {
        let output = platform.cli(&[arguments, &["--json"]].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(code), String::new()), "{arguments:?}");
        let said = stderr(&output);
        let error = serde_json::from_str(&said);
        let error = error.unwrap_or_else(|error| panic!("{arguments:?}: no JSON ({error}): {said}"));
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        self.check("error", &error);
    }

    /// Nothing that a schema is of was left out.
    #[track_caller]
    fn are_all_seen(&self) {
        let all: BTreeSet<String> = self.all.as_object().expect("an object").keys().cloned().collect();
        let missing: Vec<_> = all.difference(&self.seen.borrow()).cloned().collect();
        assert_eq!(missing, [""; 0], "these were not run");
    }

    #[track_caller]
    fn run(&self, platform: &Platform, command: &str, arguments: &[&str]) -> Value {
        self.checked(command, &platform.cli(&[arguments, &["--json"]].concat()))
    }
}

#[test]
fn what_commands_print_with_json_is_what_their_schemas_say() {
    let platform =
        Platform::builder().rclone().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start();
    let schemas = Schemas::of(&platform);
    let run_ = |command: &str, arguments: &[&str]| schemas.run(&platform, command, arguments);
    let compose = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n    volumes: [data:/data]\nvolumes:\n  data:\n";
    let server = "console.log('started');\nrequire('node:http').createServer((_, answer) => answer.end('one'))\
                  .listen(process.env.PORT || 3000);\n";
    let folder = Folder::of(&[("docker-compose.yml", compose), ("package.json", "{}"), ("index.js", server)]);
    let dir = folder.path().to_str().expect("UTF-8");

    run_("up", &["up"]);
    run_("push --dry-run", &["push", dir, "app", "--dry-run"]);
    let first = run_("push", &["push", dir, "app"]);
    let release = first["release"].as_str().expect("a digest").to_owned();
    run_("wait", &["wait", "app"]);
    run_("logs", &["logs", "app"]);
    run_("open", &["open", "app"]);
    run_("volumes", &["volumes"]);
    run_("policy", &["policy"]);
    folder.replace("index.js", "one", "two");
    run_("push", &["push", dir, "app"]);
    run_("diff", &["diff", "app"]);
    run_("rollback", &["rollback", "app", &release]);
    run_("unpin", &["unpin", "app"]);
    run_("restart", &["restart", "app"]);
    run_("stop", &["stop", "app"]);
    run_("start", &["start", "app"]);

    // What is broken, cancelled and tried again.
    folder.write("docker-compose.yml", "services: [");
    let broken = platform.cli(&["push", dir, "app", "--json"]);
    // That it failed is its status, on stdout.
    assert_eq!((broken.status.code(), stderr(&broken)), (Some(1), String::new()));
    schemas.checked("push", &broken);
    schemas.checked("retry", &platform.cli(&["retry", "app", "--json"]));
    let slow = "FROM workspace-node-ephemeral:latest\nRUN sleep 600\n";
    let building = Folder::of(&[("Dockerfile", slow), ("index.js", server)]);
    platform.s3(Client::Boto3).sync(building.path(), "slow");
    let cancelled =
        cloudyknight_tests::eventually("a deployment to cancel", std::time::Duration::from_secs(60), || {
            let output = platform.cli(&["cancel", "slow", "--json"]);
            output.status.success().then_some(output)
        });
    schemas.checked("cancel", &cancelled);

    run_("history", &["history", "app"]);
    run_("ls", &["ls"]);
    run_("ls NAME", &["ls", "app"]);
    run_("status", &["status"]);
    run_("status NAME", &["status", "app"]);
    run_("audit", &["audit"]);
    let watching = Watching::start(&mut platform.cli_command(&["status", "app", "--watch", "--json"]));
    schemas.check("status --watch", &watching.json());
    watching.interrupt();

    folder.write("docker-compose.yml", compose);
    let watching = Watching::start(&mut platform.cli_command(&["push", dir, "app", "--watch", "--json"]));
    schemas.check("push --watch", &watching.json());
    watching.interrupt();

    run_("new", &["new"]);
    let parent = Folder::new();
    let made = parent.path().join("hello");
    run_("new DIR", &["new", made.to_str().expect("UTF-8"), "--template", "static"]);
    run_("completions", &["completions", "bash"]);
    run_("man", &["man"]);
    run_("man DIR", &["man", parent.path().to_str().expect("UTF-8")]);

    run_(
        "token create",
        &["token", "create", "ci", "--role", "deploy", "--workspace", "app", "--expires", "1h"],
    );
    let mut command = platform.cli_command(&["token", "create", "ada", "--password", "--json"]);
    schemas.checked("token create", &run_with_input(&mut command, b"a long password\n"));
    run_("token ls", &["token", "ls"]);
    run_("token rm", &["token", "rm", "ci"]);

    run_("env", &["env"]);
    run_("config", &["config"]);
    run_("config path", &["config", "path"]);
    run_("doctor", &["doctor"]);

    for (arguments, code) in [
        (&["status", "nobody"][..], 1),
        (&["push", parent.path().join("nowhere").to_str().expect("UTF-8")], 1),
        (&["diff", "app", "0000", "1111"], 1),
        (&["down", "--purge"], 1),
        (&["wait", "slow", "--release", &"0".repeat(64), "--timeout", "0"], 124),
        (&["statsu"], 2),
        (&["push", "--wach"], 2),
        (&["token"], 2),
    ] {
        schemas.fails(&platform, arguments, code);
    }

    let mounted = parent.path().join("mounted");
    let mounted = platform.cli(&["mount", mounted.to_str().expect("UTF-8"), "--json"]);
    if mounted.status.success() {
        schemas.checked("mount", &mounted);
    } else {
        // Not every machine can.
        let why = stderr(&mounted);
        assert!(why.contains("fuse") || why.contains("rclone"), "{why}");
        schemas.seen.borrow_mut().insert("mount".to_owned());
    }
    run_("unmount", &["unmount"]);
    run_("rm", &["rm", "app", "--yes"]);
    run_("volumes rm", &["volumes", "rm", "app", "data", "--yes"]);
    run_("restore", &["restore", "app", &release]);
    run_("rm", &["rm", "app", "--yes"]);
    run_("forget", &["forget", "app", "--yes"]);

    let other = Platform::builder().prepare();
    std::fs::create_dir_all(other.home()).expect("a home");
    std::fs::write(other.home().join("config.toml"), "").expect("settings");
    let to = other.home().join("config.toml");
    run_("migrate", &["migrate", "--to", to.to_str().expect("UTF-8")]);
    run_("down", &["down"]);

    schemas.are_all_seen();
    platform.up();
}

#[test]
fn with_quiet_commands_print_what_was_asked_for_and_nothing_else() {
    let platform =
        Platform::builder().rclone().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start();
    // Its list of commands is the one that there is.
    let schemas = Schemas::of(&platform);
    schemas.seen.borrow_mut().insert("error".to_owned());
    let said = |command: &str, arguments: &[&str]| {
        let output = platform.cli(&[arguments, &["--quiet"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{arguments:?}");
        schemas.seen.borrow_mut().insert(command.to_owned());
        stdout(&output)
    };
    let does = |command: &str, arguments: &[&str]| assert_eq!(said(command, arguments), "", "{arguments:?}");
    let tells = |command: &str, arguments: &[&str]| {
        let told = said(command, arguments);
        assert!(!told.trim().is_empty(), "{arguments:?} was asked for something");
        told
    };
    let compose = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n    volumes: [data:/data]\nvolumes:\n  data:\n";
    let server = "console.log('started');\nrequire('node:http').createServer((_, answer) => answer.end('one'))\
                  .listen(process.env.PORT || 3000);\n";
    let folder = Folder::of(&[("docker-compose.yml", compose), ("package.json", "{}"), ("index.js", server)]);
    let dir = folder.path().to_str().expect("UTF-8");

    does("up", &["up"]);
    assert_eq!(tells("push --dry-run", &["push", dir, "app", "--dry-run"]).lines().count(), 3);
    does("push", &["push", dir, "app"]);
    does("wait", &["wait", "app"]);
    assert_eq!(tells("logs", &["logs", "app"]), "started\n");
    assert_eq!(tells("open", &["open", "app"]).lines().count(), 1);
    folder.replace("index.js", "one", "two");
    does("push", &["push", dir, "app"]);
    for asked in ["volumes", "policy", "ls", "status", "audit", "new", "env", "config", "man"] {
        tells(asked, &[asked]);
    }
    for (command, arguments) in [
        ("diff", &["diff", "app"][..]),
        ("history", &["history", "app"]),
        ("ls NAME", &["ls", "app"]),
        ("status NAME", &["status", "app"]),
        ("config path", &["config", "path"]),
        ("completions", &["completions", "bash"]),
    ] {
        tells(command, arguments);
    }
    for wish in ["rollback", "unpin", "restart", "stop", "start"] {
        does(wish, &[wish, "app"]);
    }
    // All is well, or what is wrong is told.
    let doctor = platform.cli(&["doctor", "-q"]);
    assert!(stdout(&doctor).lines().all(|line| line.starts_with("WRONG") || line.starts_with("      hint:")));
    assert_eq!(stderr(&doctor), "");
    schemas.seen.borrow_mut().insert("doctor".to_owned());

    let watching = Watching::start(&mut platform.cli_command(&["status", "app", "--watch", "-q"]));
    assert!(watching.line().contains(" app live "));
    watching.interrupt();
    let watching = Watching::start(&mut platform.cli_command(&["push", dir, "app", "--watch", "-q"]));
    folder.write("docker-compose.yml", "services: [");
    assert!(watching.line().contains("docker-compose.yml → failed"));
    watching.interrupt();
    schemas.seen.borrow_mut().extend(["status --watch".to_owned(), "push --watch".to_owned()]);
    let failed = |command: &str, arguments: &[&str]| {
        let output = platform.cli(&[arguments, &["-q"]].concat());
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()), "{arguments:?}");
        assert!(stderr(&output).contains("invalid YAML"), "{arguments:?}: {}", stderr(&output));
        schemas.seen.borrow_mut().insert(command.to_owned());
    };
    failed("retry", &["retry", "app"]);
    let slow = "FROM workspace-node-ephemeral:latest\nRUN sleep 600\n";
    let building = Folder::of(&[("Dockerfile", slow), ("index.js", server)]);
    platform.s3(Client::Boto3).sync(building.path(), "slow");
    let cancelled =
        cloudyknight_tests::eventually("a deployment to cancel", std::time::Duration::from_secs(60), || {
            let output = platform.cli(&["cancel", "slow", "-q"]);
            output.status.success().then(|| format!("{}{}", stdout(&output), stderr(&output)))
        });
    assert_eq!(cancelled, "");
    schemas.seen.borrow_mut().insert("cancel".to_owned());

    let parent = Folder::new();
    let inside = |name: &str| parent.path().join(name).to_str().expect("UTF-8").to_owned();
    does("new DIR", &["new", &inside("hello"), "--template", "static"]);
    does("man DIR", &["man", &inside("man")]);
    assert_eq!(tells("token create", &["token", "create", "ci"]).lines().count(), 1);
    tells("token ls", &["token", "ls"]);
    does("token rm", &["token", "rm", "ci"]);
    let mounted = platform.cli(&["mount", &inside("mounted"), "-q"]);
    assert_eq!(stdout(&mounted), "");
    // Not every machine can.
    assert_eq!(mounted.status.success(), stderr(&mounted).is_empty(), "{}", stderr(&mounted));
    schemas.seen.borrow_mut().insert("mount".to_owned());
    does("unmount", &["unmount"]);
    does("rm", &["rm", "app", "--yes"]);
    does("volumes rm", &["volumes", "rm", "app", "data", "--yes"]);
    does("restore", &["restore", "app"]);
    does("rm", &["rm", "app", "--yes"]);
    does("forget", &["forget", "app", "--yes"]);
    let other = Platform::builder().prepare();
    std::fs::create_dir_all(other.home()).expect("a home");
    let to = other.home().join("config.toml");
    std::fs::write(&to, "").expect("settings");
    does("migrate", &["migrate", "--to", to.to_str().expect("UTF-8")]);
    does("down", &["down"]);
    does("up", &["up"]);
    schemas.are_all_seen();
}

#[test]
fn one_command_can_be_asked_for_its_schema() {
    let platform = Platform::builder().prepare();
    let schema: Value =
        serde_json::from_str(&stdout(&platform.cli(&["schema", "volumes", "rm"]))).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["required"], json!(["version", "workspace", "deleted"]));
    let watched = platform.cli(&["schema", "push", "--watch"]);
    assert!(stdout(&watched).contains("took_ms"), "{}", stderr(&watched));
    let mistyped = run(&mut platform.cli_command(&["schema", "stauts"]));
    assert!(stderr(&mistyped).contains("did you mean `status`?"), "{}", stderr(&mistyped));
}
