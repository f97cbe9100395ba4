//! What happens, as it happens: the stream of events, the journal, the output of builds, and what was given up on and is
//! sent again.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Api, Client, Event, Events, Folder, Platform, StoreFile, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

fn journal<'a>(event: &'a Event, kind: &str, workspace: &str) -> Option<&'a Value> {
    let is_it = event.name == "journal" && event.data["kind"] == kind && event.data["workspace"] == workspace;
    is_it.then_some(&event.data)
}

/// The status in an event, if it says that a deployment of the workspace ended so.
fn outcome(event: &Event, workspace: &str, result: &str) -> Option<Value> {
    let status = &event.data;
    let is_it = event.name == "workspace"
        && status["workspace"] == workspace
        && status["deployment"]["outcome"]["result"] == result;
    is_it.then(|| status.clone())
}

fn ready(event: &Event) -> Option<()> {
    (event.name == "ready").then_some(())
}

#[test]
fn a_push_can_be_followed_from_the_object_to_the_drain() {
    let platform = Platform::start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/index.html", "one");
    platform.live("app");

    let mut events = Events::of(&api, "", None);
    events.until("the beginning", PATIENCE, ready);
    let names: Vec<&str> = events.seen().iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["hello", "workspace", "ready"]);
    assert_eq!(events.seen()[0].data["resumed"], false);
    assert_eq!(events.seen()[1].data["state"], "live");

    s3.put("app/index.html", "two");
    events.until("what changed", PATIENCE, |event| {
        let expected = json!({"workspace": "app", "paths": ["index.html"], "more": 0});
        (event.name == "changes" && event.data == expected).then_some(())
    });
    events.until("what was decided", PATIENCE, |event| {
        let entry = journal(event, "decided", "app")?;
        assert_eq!(entry["key"], "app/index.html");
        assert_eq!(entry["message"], "`index.html` was put: sent a command to deploy what the bucket holds");
        Some(())
    });
    events.until("that it was received", PATIENCE, |event| journal(event, "received", "app").map(drop));
    events.until("that it is under way", PATIENCE, |event| {
        (event.name == "workspace" && event.data["state"] == "updating").then_some(())
    });
    let live = events.until("that it is live", PATIENCE, |event| outcome(event, "app", "live"));
    let drained = events.until("that the old container carries nothing any more", PATIENCE, |event| {
        let status = outcome(event, "app", "live")?;
        let steps = status["deployment"]["steps"].as_array()?;
        steps.iter().any(|step| step["name"] == "drain" && !step["took_ms"].is_null()).then_some(status)
    });
    assert_eq!(drained["deployment"]["finished_at"], live["deployment"]["finished_at"], "it was live before");

    let deployment = &drained["deployment"];
    let time =
        |name: &str| deployment["origin"][name].as_str().unwrap_or_else(|| panic!("{name}: {deployment:#}"));
    let times = ["put_at", "notified_at", "decided_at", "received_at"].map(time);
    assert!(times.is_sorted(), "{times:?}");
    // To the millisecond: the one is told with `Z` right behind it, the other goes on.
    assert!(times[3][..23] <= deployment["started_at"].as_str().unwrap()[..23], "{deployment:#}");
    let steps: Vec<&str> =
        deployment["steps"].as_array().unwrap().iter().filter_map(|step| step["name"].as_str()).collect();
    let expected = ["list", "settle", "fetch", "start", "check", "switch", "drain"];
    let found: Vec<&str> = steps.into_iter().filter(|step| expected.contains(step)).collect();
    assert_eq!(found, expected);

    // The same is told later: by the history, once there is another deployment, and by the journal.
    let history = api.read("/api/v1/workspaces/app/history").unwrap();
    assert_eq!(history["deployments"][0]["origin"], deployment["origin"], "{history:#}");
    let drain = || {
        let history = api.read("/api/v1/workspaces/app/history")?;
        let steps = history["deployments"][0]["steps"].as_array()?.clone();
        steps.iter().any(|step| step["name"] == "drain").then_some(())
    };
    eventually("the history tells of the drain", PATIENCE, drain);
    let entries = api.read("/api/v1/journal?workspace=app&limit=3").unwrap();
    let kinds: Vec<&str> =
        entries["entries"].as_array().unwrap().iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["deployed", "received", "decided"], "{entries:#}");
    let older =
        api.read(&format!("/api/v1/journal?workspace=app&cursor={}", entries["next"].as_str().unwrap()));
    let older = older.unwrap();
    assert_eq!(
        (&older["entries"][0]["kind"], &older["next"]),
        (&json!("deployed"), &Value::Null),
        "{older:#}"
    );
}

#[test]
fn a_reader_that_comes_back_is_told_what_it_missed() {
    let platform = Platform::start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/index.html", "one");
    platform.live("app");
    let mut events = Events::of(&api, "", None);
    events.until("the beginning", PATIENCE, ready);
    s3.put("app/index.html", "two");
    let last =
        events.until("an entry", PATIENCE, |event| journal(event, "received", "app").and(event.id.clone()));
    drop(events);
    s3.put("app/about.html", "three");
    platform.live("app");

    let mut events = Events::of(&api, "", Some(&last));
    events.until("what changed meanwhile", PATIENCE, |event| {
        (event.name == "changes" && event.data["paths"] == json!(["about.html"])).then_some(())
    });
    assert_eq!(events.seen()[0].data["resumed"], true);
    let again = events
        .seen()
        .iter()
        .filter(|event| event.name == "changes" && event.data["paths"] == json!(["index.html"]));
    assert_eq!(again.count(), 0, "what was seen does not come again");

    for (query, last) in [("", Some("nonsense-7")), ("?workspace=app", None)] {
        let mut events = Events::of(&api, query, last);
        events.until("the beginning", PATIENCE, ready);
        let names: Vec<&str> = events.seen().iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["hello", "workspace", "ready"], "{query} {last:?}");
        assert_eq!(events.seen()[0].data["resumed"], false);
    }
}

#[test]
fn a_burst_is_one_entry_and_what_is_ignored_says_why() {
    let platform = Platform::builder().setting("burst_quiet_ms", 300).start();
    let api = Api::of(&platform);
    let mut events = Events::of(&api, "", None);
    events.until("the beginning", PATIENCE, ready);
    let site = Folder::of(&[("index.html", "many")]);
    for n in 0..300 {
        site.write(&format!("{n}.txt"), "x");
    }
    let s3 = platform.s3(Client::Aws);
    s3.sync(site.path(), "site");
    s3.put("top.txt", "it lies in no folder");
    events.until("why it is ignored", PATIENCE, |event| {
        let is_it =
            event.name == "journal" && event.data["kind"] == "ignored" && event.data["key"] == "top.txt";
        is_it.then(|| {
            let message = event.data["message"].as_str().unwrap();
            assert!(
                message.starts_with("its key belongs to no workspace: key `top.txt` lies in no folder"),
                "{message}"
            );
        })
    });
    // It may have gone live before the other object was put.
    let live = |event: &Event| outcome(event, "site", "live");
    if !events.seen().iter().any(|event| live(event).is_some()) {
        events.until("that it is live", PATIENCE, live);
    }
    let decided = events.seen().iter().filter(|event| journal(event, "decided", "site").is_some()).count();
    // One for each batch that a function was given, and never one for each file.
    assert!((1..150).contains(&decided), "{decided} entries for 301 files");
    let paths =
        events.seen().iter().filter(|event| event.name == "changes" && event.data["workspace"] == "site");
    let paths: u64 = paths
        .map(|event| {
            event.data["paths"].as_array().unwrap().len() as u64 + event.data["more"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(paths, 301);
}

#[test]
fn streams_end_when_the_platform_is_stopped_and_hold_it_up_no_longer() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let mut events = Events::of(&api, "", None);
    events.until("the beginning", PATIENCE, ready);
    let stopping = Instant::now();
    assert!(platform.cli(&["down"]).status.success());
    let took = stopping.elapsed();
    // The last chunk is there: nobody cut it off.
    events.until_it_ends().expect("an orderly end");
    assert!(took < Duration::from_secs(8), "it took {took:?}");
}

#[test]
fn a_message_that_was_given_up_on_can_be_sent_again() {
    let platform = Platform::builder().setting("quiet_ms", 20).start();
    let (s3, api, file) = (platform.s3(Client::Boto3), Api::of(&platform), StoreFile::of(&platform));
    let mut events = Events::of(&api, "", None);
    events.until("the beginning", PATIENCE, ready);
    let queue = |name: &str| file.sql("SELECT id FROM queues WHERE name = ?", &[name.into()])[0][0].clone();
    // Longer than what is shown of it.
    let body = format!("no notification: {}", "x".repeat(20_000));
    let insert = "INSERT INTO messages (id, queue, grp, body) VALUES (?, ?, NULL, ?)";
    file.sql(insert, &[(1_u64 << 40).into(), queue("events"), body.as_str().into()]);
    s3.put("bell/index.html", "have a look");
    events.until("that it is no notification", PATIENCE, |event| {
        (event.name == "journal" && event.data["kind"] == "unreadable").then_some(())
    });
    let letters = || {
        let letters = api.read("/api/v1/dead-letters")?["dead_letters"].as_array()?.clone();
        (!letters.is_empty()).then_some(letters)
    };
    // What is received in vain comes back after a while; here the while is made short.
    let mut round = 0;
    let letters_before = eventually("it is given up on", PATIENCE, || {
        round += 1;
        file.sql("UPDATE messages SET visible_ms = 0 WHERE id = ?", &[(1_u64 << 40).into()]);
        s3.put("bell/index.html", format!("round {round}"));
        platform.live("bell");
        letters()
    });
    let letter = &letters_before[0];
    let shown = letter["body"].as_str().unwrap().len();
    assert_eq!((shown, letter["body_bytes"].as_u64()), (16 * 1024, Some(body.len() as u64)));
    let platform_status = api.read("/api/v1/platform").unwrap();
    let unreadable = platform_status["notifications"]["unreadable"].as_u64().unwrap();
    assert!(unreadable >= 5, "{platform_status:#}");

    let id = letter["id"].as_str().unwrap();
    let replayed = api.post(&format!("/api/v1/dead-letters/{id}/replay")).unwrap();
    assert_eq!(replayed.status, 202, "{}", replayed.body);
    assert_eq!(api.post(&format!("/api/v1/dead-letters/{id}/replay")).unwrap().status, 404);
    // It is what it was, so it is read again, and given up on again, whole.
    let again = || {
        let read = api.read("/api/v1/platform")?["notifications"]["unreadable"].as_u64()?;
        (read > unreadable).then_some(())
    };
    eventually("it is read again", PATIENCE, again);
    let held = file.sql(
        "SELECT length(body) FROM messages WHERE queue = ? AND length(body) > 20000",
        &[queue("events")],
    );
    assert_eq!(held, [json!([body.len()])], "all of it is on its queue");
}

#[test]
fn a_message_that_nobody_wants_can_be_thrown_away() {
    let platform = Platform::builder().setting("quiet_ms", 20).start();
    let (api, file) = (Api::of(&platform), StoreFile::of(&platform));
    let queue = file.sql("SELECT id FROM queues WHERE name = 'commands-dead'", &[])[0][0].clone();
    let insert = "INSERT INTO messages (id, queue, grp, body) VALUES (?, ?, 'x', '{\"version\":9}')";
    file.sql(insert, &[(1_u64 << 40).into(), queue]);
    // Nobody rings for what is put there by hand.
    let letters = || {
        let letters = api.read("/api/v1/dead-letters")?["dead_letters"].as_array()?.clone();
        (!letters.is_empty()).then_some(letters)
    };
    let letters = eventually("it is written down", 2 * PATIENCE, letters);
    let path = format!("/api/v1/dead-letters/{}", letters[0]["id"].as_str().unwrap());
    assert_eq!(api.delete(&path).unwrap().status, 204);
    assert_eq!(api.read("/api/v1/dead-letters").unwrap()["dead_letters"], json!([]));
    assert_eq!(api.delete(&path).unwrap().status, 404);
}

#[test]
fn what_a_build_prints_can_be_read_and_so_can_the_platforms_own_log() {
    let platform = Platform::start();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    assert_eq!(api.get("/api/v1/workspaces/app/build-log").unwrap().status, 404);
    let app = Folder::of(&[
        ("compose.yaml", "services: {app: {build: ., expose: ['3000']}}\n"),
        (
            "Dockerfile",
            "FROM workspace-node-ephemeral:latest\nRUN echo this is printed by the build\nCOPY app.js /srv/\n\
             ENTRYPOINT []\nCMD [\"node\", \"/srv/app.js\"]\n",
        ),
        (
            "app.js",
            "console.log('it runs');\nrequire('node:http').createServer((_, r) => r.end('x')).listen(3000);\n",
        ),
    ]);
    s3.sync(app.path(), "app");
    platform.live("app");
    let log = api.get("/api/v1/workspaces/app/build-log").unwrap();
    assert_eq!((log.status, log.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(log.body.starts_with("=== building the image of service `app` (deployment "), "{}", log.body);
    assert!(log.body.contains("\nthis is printed by the build\n"), "{}", log.body);
    // It is over, so following it is, too.
    assert_eq!(api.get("/api/v1/workspaces/app/build-log?follow=true").unwrap().body, log.body);

    // An installation that fails before it asks any registry.
    let node = Folder::of(&[
        ("index.js", "require('lib');\n"),
        ("package.json", r#"{"private": true, "dependencies": {"lib": "file:./lib"}}"#),
    ]);
    s3.sync(node.path(), "node");
    platform.failed("node");
    let log = api.get("/api/v1/workspaces/node/build-log").unwrap();
    assert!(
        log.body.starts_with("=== installing the dependencies of service `"),
        "{} {}",
        log.status,
        log.body
    );
    assert!(log.body.contains("\"file:./lib\" is a folder of the workspace"), "{}", log.body);

    let log = api.get("/api/v1/platform/log?tail=500").unwrap();
    assert!(log.body.contains("the platform is up") && log.body.contains("workspace=app"), "{}", log.body);
    assert!(!log.body.contains(api.operator()));
    assert_eq!(api.get("/api/v1/platform/log?tail=1").unwrap().body.lines().count(), 1);

    // A container's log, with times.
    let log = api.get("/api/v1/workspaces/app/logs?timestamps=true").unwrap();
    let (time, text) = log.body.trim_end().split_once(' ').unwrap_or_else(|| panic!("{log:?}"));
    assert!(time.contains('T') && time.ends_with('Z') && text == "it runs", "{}", log.body);
}

#[test]
fn a_log_is_read_from_a_time_on_and_followed_through_a_restart_in_place() {
    let platform = Platform::start();
    let speaker = |name: &str| {
        format!(
            "console.log('{name} begins');
             require('node:http').createServer((request, response) => {{
                 console.log('{name} saw ' + request.url);
                 response.end('{name}');
             }}).listen(3000);\n"
        )
    };
    let compose = "services:
  one:
    image: workspace-node-ephemeral:latest
    command: [node, one.js]
    labels: [\"traefik.http.services.one.loadbalancer.server.port=3000\"]
  two:
    image: workspace-node-ephemeral:latest
    command: [node, two.js]
    labels: [\"traefik.enable=false\"]
";
    let package = ("package.json", "{}");
    let (one, two) = (speaker("one"), speaker("two"));
    let folder = Folder::of(&[package, ("one.js", &one), ("two.js", &two), ("compose.yaml", compose)]);
    platform.s3(Client::Aws).sync(folder.path(), "twins");
    platform.live("twins");

    let told = folder.path().join("told.txt");
    let file = std::fs::File::create(&told).expect("a file");
    let mut follow = platform.cli_command(&["logs", "twins", "-f"]);
    let mut follow = follow.stdout(Stdio::from(file)).spawn().expect("it runs");
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(&told).expect("what was told");
        text.lines().map(str::to_owned).collect()
    };
    let is_told = |words: &str, times: usize| {
        eventually(words, PATIENCE, || {
            (lines().iter().filter(|line| line.ends_with(words)).count() >= times).then_some(())
        });
    };
    is_told("one begins", 1);
    is_told("two begins", 1);
    let containers = platform.docker().containers_of("twins");
    let (_, one) = containers.iter().find(|(name, _)| name.contains("one")).expect("it runs");
    for round in 1..=2 {
        succeeded("docker restart", &run(Command::new("docker").args(["restart", "--time", "1", one])));
        is_told("one begins", 1 + round);
    }
    eventually("it answers", PATIENCE, || (platform.get("/twins/after").0 == 200).then_some(()));
    is_told("/after", 1);
    let count = |words: &str| lines().iter().filter(|line| line.ends_with(words)).count();
    assert_eq!((count("one begins"), count("two begins")), (3, 1), "no line twice: {:#?}", lines());
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");

    let api = Api::of(&platform);
    let read = |query: &str| {
        let answer = api.get(&format!("/api/v1/workspaces/twins/logs?service=one&timestamps=true{query}"));
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = read("");
    let (third, _) = all[2].split_once(' ').expect("a time");
    assert_eq!(read(&format!("&since={third}")), all[2..], "to the nanosecond");
    assert_eq!(read(&format!("&since={third}&tail=1")), all[all.len() - 1..]);
    assert_eq!(read("&since=2100-01-01T00:00:00Z"), Vec::<String>::new());
    let answer = api.get("/api/v1/workspaces/twins/logs?since=yesterday").expect("an answer");
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[test]
fn a_workspace_tells_what_was_given_up_on_about_it_to_those_who_see_it() {
    let platform = Platform::builder().setting("quiet_ms", 20).start();
    let (s3, api, file) = (platform.s3(Client::Boto3), Api::of(&platform), StoreFile::of(&platform));
    for name in ["app", "other"] {
        s3.put(&format!("{name}/index.html"), "one");
        platform.live(name);
    }
    assert_eq!(platform.status("app")["dead_letters"], json!([]));
    let queue = file.sql("SELECT id FROM queues WHERE name = 'commands-dead'", &[])[0][0].clone();
    let insert = "INSERT INTO messages (id, queue, grp, body) VALUES (?, ?, ?, ?)";
    for (id, name) in [(1_u64 << 40, "app"), ((1 << 40) + 1, "other")] {
        let body = format!(r#"{{"version":9,"workspace":"{name}","action":"teleport"}}"#);
        file.sql(insert, &[id.into(), queue.clone(), name.into(), body.as_str().into()]);
    }
    let of_app = || {
        let letters = platform.status("app")["dead_letters"].as_array()?.clone();
        (!letters.is_empty()).then_some(letters)
    };
    let letters = eventually("it is told", 2 * PATIENCE, of_app);
    let about: Vec<_> = letters.iter().map(|letter| letter["workspaces"].clone()).collect();
    assert_eq!(about, [json!(["app"])]);
    let told = platform.cli(&["status", "app"]);
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(words.contains("a message about `app` was given up on, found on commands-dead"), "{words}");
    assert!(words.contains("hint: ") && !words.contains("`other`"), "{words}");

    let (_, shop) = api.token(r#"{"name": "app", "role": "read", "workspaces": ["app"]}"#);
    let asked = |query: &str| api.ask(&shop, "GET", &format!("/api/v1/dead-letters{query}"), "");
    let seen: Value = serde_json::from_str(&asked("?workspace=app").body).expect("JSON");
    assert_eq!(seen["dead_letters"].as_array().map(Vec::len), Some(1), "{seen}");
    assert_eq!((asked("?workspace=other").status, asked("").status), (403, 403));
}
