//! `develop.watch` of a compose file: what is pushed goes into the containers that run, where the rules cover all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudyknight_tests::docker::{Docker, docker};
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, stdout, succeeded};
use cloudyknight_tests::{Client, Folder, Platform, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Serves files as they are now, and below `/started` as they were when it started.
const APP: &str = "const fs = require('node:fs');
const conf = fs.readFileSync('/srv/conf/name', 'utf8');
if (conf === 'broken') { console.log('cannot start'); process.exit(4); }
require('node:http').createServer((request, response) => {
  const path = request.url.replace('/app/', '/').slice(1);
  if (path === 'conf') return response.end(conf);
  try { response.end(fs.readFileSync('/srv/' + path)); } catch { response.statusCode = 404; response.end('none'); }
}).listen(3000);
";

const DOCKERFILE: &str = "FROM workspace-node-ephemeral:latest
COPY . /srv
ENTRYPOINT []
CMD [\"node\", \"/srv/app.js\"]
";

const COMPOSE: &str = "services:
  app:
    build: .
    expose: ['3000']
    deploy: {replicas: 2}
    stop_grace_period: 2s
    develop:
      watch:
        - {path: web, action: sync, target: /srv/web, ignore: ['*.tmp']}
        - {path: conf, action: sync+restart, target: /srv/conf}
        - {path: flag, action: restart}
        - {path: lib, action: rebuild}
        - path: told
          action: sync+exec
          target: /srv/told
          exec: {command: [sh, -c, 'grep -v fail /srv/told/in > /tmp/out']}
";

fn app() -> Folder {
    Folder::of(&[
        ("compose.yaml", COMPOSE),
        ("Dockerfile", DOCKERFILE),
        ("app.js", APP),
        ("web/index.html", "page 1"),
        ("web/old/gone.html", "old"),
        ("conf/name", "conf 1"),
        ("flag/x", "flag 1"),
        ("lib/x", "lib 1"),
        ("told/in", "told 1"),
        ("other.txt", "other 1"),
    ])
}

/// Which containers run, and since when: by id.
fn running(engine: &Docker, workspace: &str) -> BTreeMap<String, String> {
    let ids = engine.containers_of(workspace).into_values();
    let since = |id: String| {
        // It may be gone by now.
        let output = docker(&["inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}}", &id]);
        output.status.success().then(|| (id, stdout(&output)))
    };
    ids.filter_map(since).collect()
}

/// Waits until what was replaced is gone, too.
#[track_caller]
fn settled(platform: &Platform, workspace: &str, count: usize) -> BTreeMap<String, String> {
    eventually("the old containers are gone", PATIENCE, || {
        Some(running(platform.docker(), workspace)).filter(|all| all.len() == count)
    })
}

fn ids(all: &BTreeMap<String, String>) -> Vec<&String> {
    all.keys().collect()
}

fn steps(status: &Value) -> Vec<&str> {
    let steps = status["deployment"]["steps"].as_array().into_iter().flatten();
    steps.filter_map(|step| step["name"].as_str()).collect()
}

/// What each container of the workspace has in a file.
fn everywhere(platform: &Platform, workspace: &str, path: &str) -> Vec<String> {
    let engine = platform.docker();
    engine.containers_of(workspace).values().map(|id| engine.shell(id, &format!("cat {path}"))).collect()
}

#[track_caller]
fn ask(platform: &Platform, arguments: &[&str]) {
    succeeded(&arguments.join(" "), &platform.cli(arguments));
}

#[test]
fn files_go_into_every_container_without_a_restart_and_new_containers_have_them_too() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    let first = platform.live("app");
    assert_eq!(first["warnings"], Value::Array(Vec::new()), "{first:#}");
    let before = settled(&platform, "app", 2);
    assert_eq!(platform.get("/app/web/index.html"), (200, "page 1".to_owned()));

    app.write("web/index.html", "page 2");
    app.write("web/new/deep/a.html", "new");
    s3.sync(app.path(), "app");
    let second = platform.live("app");
    assert_ne!(second["release"], first["release"]);
    assert_eq!(second["services"], first["services"]);
    assert!(steps(&second).contains(&"sync") && !steps(&second).contains(&"build"), "{second:#}");
    assert_eq!(running(platform.docker(), "app"), before, "the same processes run");
    assert_eq!(everywhere(&platform, "app", "/srv/web/index.html"), ["page 2", "page 2"]);
    assert_eq!(platform.get("/app/web/index.html"), (200, "page 2".to_owned()));
    assert_eq!(platform.get("/app/web/new/deep/a.html"), (200, "new".to_owned()));

    s3.rm_one("app/web/old/gone.html");
    let third = platform.live("app");
    assert_eq!(running(platform.docker(), "app"), before);
    for id in before.keys() {
        assert_eq!(platform.docker().shell(id, "ls /srv/web"), "index.html\nnew\n");
    }
    assert_eq!(platform.get("/app/web/old/gone.html").0, 404);
    let history = platform.cli_json(&["history", "app"]);
    let releases: Vec<&Value> =
        history["deployments"].as_array().expect("a list").iter().map(|one| &one["release"]).collect();
    // A client that is slow between two files pushes twice.
    let ends = (releases.first(), releases.last());
    assert_eq!(ends, (Some(&&third["release"]), Some(&&first["release"])), "{history:#}");
    assert!(releases.contains(&&second["release"]), "{history:#}");

    // Others are made of what is pushed.
    ask(&platform, &["restart", "app"]);
    let fresh = settled(&platform, "app", 2);
    assert!(ids(&fresh).iter().all(|id| !before.contains_key(*id)), "{fresh:?}");
    assert_eq!(everywhere(&platform, "app", "/srv/web/index.html"), ["page 2", "page 2"]);
    assert_eq!(platform.get("/app/web/old/gone.html").0, 404);

    // And of what was pushed before, though the containers of that release have been given something else since.
    s3.cp(&app.write("web/index.html", "page 3"), "app/web/index.html");
    platform.live("app");
    assert_eq!(running(platform.docker(), "app"), fresh);
    let release = first["release"].as_str().expect("a digest");
    ask(&platform, &["rollback", "app", release]);
    settled(&platform, "app", 2);
    assert_eq!(everywhere(&platform, "app", "/srv/web/index.html"), ["page 1", "page 1"]);
    assert_eq!(platform.get("/app/web/old/gone.html"), (200, "old".to_owned()));
    ask(&platform, &["unpin", "app"]);
    platform.live("app");
    settled(&platform, "app", 2);
    assert_eq!(everywhere(&platform, "app", "/srv/web/index.html"), ["page 3", "page 3"]);

    // Whoever does not know what was put where makes new ones.
    let killed = platform.kill(Role::Serve);
    eventually("the agent is back", PATIENCE, || {
        (platform.process(Role::Serve) != killed && platform.cli(&["status"]).status.success()).then_some(())
    });
    let before = settled(&platform, "app", 2);
    s3.cp(&app.write("web/index.html", "page 4"), "app/web/index.html");
    platform.live("app");
    let after = settled(&platform, "app", 2);
    assert_ne!(ids(&after), ids(&before));
    assert_eq!(everywhere(&platform, "app", "/srv/web/index.html"), ["page 4", "page 4"]);
}

#[test]
fn each_action_does_what_compose_says_and_what_no_rule_covers_is_redeployed() {
    let platform = Platform::builder().setting("health_timeout_s", 5).start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    platform.live("app");
    let mut before = settled(&platform, "app", 2);
    let mut push = |path: &str, content: &str| {
        s3.cp(&app.write(path, content), &format!("app/{path}"));
        let status = platform.live("app");
        let after = settled(&platform, "app", 2);
        let before = std::mem::replace(&mut before, after.clone());
        (status, before, after)
    };

    let (status, was, is) = push("conf/name", "conf 2");
    assert_eq!(ids(&is), ids(&was), "sync+restart keeps the containers: {status:#}");
    assert!(is.iter().all(|(id, since)| was[id] != *since), "and starts them again: {is:?}");
    assert_eq!(platform.get("/app/conf"), (200, "conf 2".to_owned()));

    let (_, was, is) = push("flag/x", "flag 2");
    assert_eq!(ids(&is), ids(&was), "restart keeps the containers");
    assert!(is.iter().all(|(id, since)| was[id] != *since), "and starts them again: {is:?}");
    assert_eq!(platform.get("/app/flag/x"), (200, "flag 1".to_owned()), "and puts nothing into them");

    let (_, was, is) = push("told/in", "told 2");
    assert_eq!(is, was, "sync+exec restarts nothing");
    assert_eq!(everywhere(&platform, "app", "/tmp/out"), ["told 2\n", "told 2\n"]);

    for (path, content) in
        [("lib/x", "lib 2"), ("web/x.tmp", "ignored"), ("other.txt", "other 2"), ("app.js", APP)]
    {
        let content =
            if path == "app.js" { content.replace("'none'", "'nothing'") } else { content.to_owned() };
        let (status, was, is) = push(path, &content);
        assert!(is.keys().all(|id| !was.contains_key(id)), "{path} is redeployed: {status:#}");
        assert!(!steps(&status).contains(&"sync"), "{path}: {status:#}");
        assert_eq!(platform.get(&format!("/app/{path}")), (200, content), "{path}");
    }
    assert_eq!(platform.get("/app/flag/x"), (200, "flag 2".to_owned()), "new containers have all of it");

    // What cannot be carried out whole is redeployed, and told.
    let (status, was, is) = push("told/in", "fail");
    assert!(is.keys().all(|id| !was.contains_key(id)), "{status:#}");
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("so it was redeployed"), "{warnings}");
    assert_eq!(everywhere(&platform, "app", "/srv/told/in"), ["fail", "fail"]);

    // What does not come up again gives way to what was there.
    let good = platform.status("app");
    s3.cp(&app.write("conf/name", "broken"), "app/conf/name");
    let end = "serves again";
    let fell = eventually("the release before serves", PATIENCE, || {
        let status = platform.status("app");
        let message = status["deployment"]["outcome"]["message"].as_str().unwrap_or_default().to_owned();
        (status["state"] == "degraded" && status["release"] == good["release"]).then_some((status, message))
    });
    assert!(fell.1.contains("exited with code 4"), "{end}: {:#}", fell.0);
    settled(&platform, "app", 2);
    assert_eq!(platform.get("/app/conf"), (200, "conf 2".to_owned()));
    s3.cp(&app.write("conf/name", "conf 3"), "app/conf/name");
    platform.live("app");
    settled(&platform, "app", 2);
    assert_eq!(everywhere(&platform, "app", "/srv/conf/name"), ["conf 3", "conf 3"]);
}

/// On the runtime images: one runs from memory, where the image copies the source to; one serves the mount itself; and one
/// has files that nothing but the rule brings.
const MOUNTED: &str = "services:
  node:
    image: workspace-node-ephemeral:latest
    expose: ['3000']
    labels: ['traefik.http.routers.n.rule=PathPrefix(`/app`)']
    develop: {watch: [{path: web, action: sync, target: /app/web}, {path: html, action: sync, target: /app/html}]}
  site:
    image: workspace-static-ephemeral:latest
    volumes: ['./html:/workspace:ro']
    labels: ['traefik.enable=false']
    develop: {watch: [{path: html, action: sync, target: /workspace}]}
  notes:
    image: workspace-static-ephemeral:latest
    command: [sleep, '100000']
    volumes: ['./html:/workspace:ro']
    labels: ['traefik.enable=false']
    develop:
      watch:
        - {path: notes, action: sync, target: /var/notes}
        - {path: html, action: sync, target: /workspace}
";

#[test]
fn what_containers_mount_or_copied_is_brought_up_to_date_and_survives_a_crash_of_the_app() {
    // A crash is one, and no reason to go back.
    let platform = Platform::builder().setting("probation_s", 0).start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[
        ("compose.yaml", MOUNTED),
        (
            "index.js",
            &APP.replace("'/srv/' + path", "'/app/' + path").replace("/srv/conf/name", "/app/web/a"),
        ),
        ("web/a", "a 1"),
        ("html/b", "b 1"),
        ("notes/c", "c 1"),
    ]);
    // All that the node image mounts must be covered by a rule of its own.
    app.replace(
        "compose.yaml",
        "target: /app/html}]}",
        "target: /app/html}, {path: notes, action: sync, target: /app/notes}]}",
    );
    s3.sync(app.path(), "app");
    let status = platform.live("app");
    let of = |service: &str| -> String {
        let services = status["services"].as_array().expect("services");
        let one = services.iter().find(|one| one["service"] == service).expect(service);
        one["container"].as_str().expect("a name").to_owned()
    };
    let engine = platform.docker();
    let cat = |service: &str, path: &str| engine.shell(&of(service), &format!("cat {path}"));
    let before = settled(&platform, "app", 3);
    assert_eq!(cat("notes", "/var/notes/c"), "c 1", "a new container has what only the rule brings");

    for (path, content) in [("web/a", "a 2"), ("html/b", "b 2"), ("notes/c", "c 2")] {
        s3.cp(&app.write(path, content), &format!("app/{path}"));
        let status = platform.live("app");
        assert!(steps(&status).contains(&"sync"), "{path}: {status:#}");
    }
    assert_eq!(running(engine, "app"), before, "the same processes run");
    assert_eq!(platform.get("/app/web/a"), (200, "a 2".to_owned()));
    assert_eq!(
        (cat("node", "/app/html/b"), cat("site", "/workspace/b")),
        ("b 2".to_owned(), "b 2".to_owned())
    );
    assert_eq!(
        (cat("notes", "/var/notes/c"), cat("notes", "/workspace/b")),
        ("c 2".to_owned(), "b 2".to_owned())
    );
    s3.put("app/html/d", "d");
    platform.live("app");
    s3.rm_one("app/html/b");
    platform.live("app");
    assert_eq!(running(engine, "app"), before);
    assert_eq!(engine.shell(&of("site"), "ls /workspace"), "d\n");
    assert_eq!(engine.shell(&of("node"), "ls /app/html"), "d\n");

    // The app ends, and Docker starts it again: from memory that is empty.
    let pid = engine.inspect(&of("node"), "{{.State.Pid}}");
    succeeded("kill", &run(std::process::Command::new("kill").args(["-9", &pid])));
    eventually("it runs again", PATIENCE, || (platform.get("/app/web/a").0 == 200).then_some(()));
    assert_eq!(platform.get("/app/web/a"), (200, "a 2".to_owned()));
    assert_eq!(engine.shell(&of("node"), "ls /app/html"), "d\n");

    ask(&platform, &["restart", "app"]);
    platform.live("app");
    let after = settled(&platform, "app", 3);
    assert!(after.keys().all(|id| !before.contains_key(id)));
    assert_eq!(cat("notes", "/var/notes/c"), "c 2", "a new container has it too");
    assert_eq!(platform.get("/app/web/a"), (200, "a 2".to_owned()));
}
