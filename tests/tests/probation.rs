//! A release that fails soon after it went live does not hold: the one before serves again, by itself, and the status says
//! who failed, how, and what serves.

use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::{Client, Folder, Platform, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const GOOD: &str =
    "require('node:http').createServer((_, response) => response.end('version 1')).listen(3000);\n";

/// Serves, and ends a moment after.
const FALLS: &str =
    "require('node:http').createServer((_, response) => response.end('version 2')).listen(3000);
setTimeout(() => { console.log('about to fall'); process.exit(3); }, 1500);
";

fn app() -> Folder {
    let compose =
        "services: {app: {image: 'workspace-node-ephemeral:latest', volumes: ['.:/workspace:ro']}}\n";
    Folder::of(&[("index.js", GOOD), ("compose.yaml", compose)])
}

/// Long beside what the app does, so that a slow machine changes nothing.
fn patient() -> Platform {
    Platform::builder().setting("probation_s", 45).start()
}

fn status(platform: &Platform) -> Value {
    platform.status("app")
}

fn message(status: &Value) -> &str {
    status["deployment"]["outcome"]["message"].as_str().unwrap_or_default()
}

#[track_caller]
fn told(platform: &Platform, end: &str) -> Value {
    eventually("the status tells what serves", PATIENCE, || {
        Some(status(platform)).filter(|status| message(status).ends_with(end))
    })
}

#[test]
fn a_release_that_falls_after_it_went_live_gives_way_to_the_one_before() {
    let platform = patient();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    let good = platform.live("app");
    s3.cp(&app.write("index.js", FALLS), "app/index.js");
    let fell = told(&platform, "serves again");
    assert!(message(&fell).contains("service `app` exited with code 3"), "{fell:#}");
    assert_eq!((&fell["state"], &fell["release"]), (&"degraded".into(), &good["release"]), "{fell:#}");
    let log = fell["deployment"]["outcome"]["log"].as_array().cloned().unwrap_or_default();
    assert!(log.iter().any(|line| line == "about to fall"), "{log:?}");
    assert_eq!(platform.get("/app"), (200, "version 1".to_owned()));

    let history = platform.cli_json(&["history", "app"]);
    let causes: Vec<&Value> =
        history["deployments"].as_array().expect("a list").iter().map(|one| &one["cause"]["kind"]).collect();
    assert_eq!(causes.first(), Some(&&"fell_back".into()), "{history:#}");

    // It is not tried again, neither by a look nor by another agent.
    let serving = platform.docker().container_of("app");
    let killed = platform.kill(Role::Serve);
    let back = || {
        (platform.process(Role::Serve) != killed && platform.cli(&["status"]).status.success()).then_some(())
    };
    eventually("the agent is back", PATIENCE, back);
    let sent = || platform.log().matches("sent a command").count();
    let before = sent();
    s3.cp(&app.write("index.js", FALLS), "app/index.js");
    eventually("the same content is looked at", PATIENCE, || (sent() > before).then_some(()));
    told(&platform, "serves again");
    assert_eq!(platform.docker().container_of("app"), serving);

    s3.cp(&app.write("index.js", GOOD.replace("version 1", "version 3")), "app/index.js");
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 3".to_owned()));
    let after = platform.cli_json(&["history", "app"]);
    assert_eq!(after["deployments"].as_array().map(Vec::len), Some(causes.len() + 1), "{after:#}");
}

#[test]
fn a_first_release_that_falls_says_that_there_is_none_before_it() {
    let platform = patient();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    app.write("index.js", FALLS);
    s3.sync(app.path(), "app");
    let fell = told(&platform, "no release before it to go back to");
    assert!(fell["deployment"]["live_at"].is_string(), "{fell:#}");
}

#[test]
fn an_agent_that_dies_while_a_release_falls_still_brings_the_one_before_back() {
    let platform = patient();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    let good = platform.live("app");
    let slow = FALLS.replace("1500", "3000");
    s3.cp(&app.write("index.js", slow), "app/index.js");
    platform.live("app");
    let killed = platform.kill(Role::Serve);
    let back = || {
        (platform.process(Role::Serve) != killed && platform.cli(&["status"]).status.success()).then_some(())
    };
    eventually("the agent is back", PATIENCE, back);
    let fell = told(&platform, "serves again");
    assert_eq!(fell["release"], good["release"], "{fell:#}");
    assert_eq!(platform.get("/app"), (200, "version 1".to_owned()));
}

/// Well when it starts, and ill a moment after: it goes on running.
const SICKENS: &str = "let well = true;
require('node:http').createServer((request, response) => {
  response.statusCode = well || request.url !== '/health' ? 200 : 500;
  response.end('version 2');
}).listen(3000);
setTimeout(() => { well = false; console.log('about to be ill'); }, 3000);
";

#[test]
fn a_release_that_becomes_unhealthy_gives_way_to_the_one_before() {
    let platform = patient();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    let check =
        "fetch('http://127.0.0.1:3000/health').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))";
    let compose = format!(
        "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro']
    healthcheck: {{test: [CMD, node, -e, \"{check}\"], interval: 1s, retries: 1}}
"
    );
    app.write("compose.yaml", compose);
    s3.sync(app.path(), "app");
    let good = platform.live("app");
    s3.cp(&app.write("index.js", SICKENS), "app/index.js");
    let fell = told(&platform, "serves again");
    assert!(message(&fell).contains("service `app` became unhealthy"), "{fell:#}");
    assert!(fell["deployment"]["live_at"].is_string(), "it had passed the gate: {fell:#}");
    assert_eq!((&fell["state"], &fell["release"]), (&"degraded".into(), &good["release"]), "{fell:#}");
    let log = fell["deployment"]["outcome"]["log"].to_string();
    assert!(log.contains("about to be ill"), "{log}");
    assert_eq!(platform.get("/app"), (200, "version 1".to_owned()));
}
