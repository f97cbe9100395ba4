//! Latest wins: a newer push, or somebody who cancels, ends a deployment that has not switched, wherever it is, and nothing
//! of it is left.

use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::run::{run, stdout, succeeded};
use cloudyknight_tests::{Api, Client, Platform, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

const COMPOSE: &str =
    "services: {app: {image: 'workspace-node-ephemeral:latest', volumes: ['.:/workspace:ro']}}\n";
const BUILD: &str = "services: {app: {build: ., expose: ['3000']}}\n";
/// Nothing else sleeps for so long.
const FOR_EVER: &str = "sleep 98765";

fn good(version: &str) -> String {
    format!(
        "require('node:http').createServer((_, answer) => answer.end('version {version}')).listen(3000);\n"
    )
}

/// So long that whoever waited for an end would wait in vain.
fn patient() -> Platform {
    Platform::builder().setting("health_timeout_s", 900).setting("build_timeout_s", 900).start()
}

/// Makes a deployment that comes to the named step, and stays there.
fn stuck(s3: &S3, step: &str) {
    match step {
        "check" => s3.put("app/index.js", "setInterval(() => {}, 1000);"),
        "dependencies" => s3.put(
            "app/package.json",
            format!(r#"{{"name": "a", "version": "1.0.0", "scripts": {{"preinstall": "{FOR_EVER}"}}}}"#),
        ),
        "build" => {
            s3.put("app/Dockerfile", format!("FROM workspace-node-ephemeral:latest\nRUN {FOR_EVER}\n"));
            s3.put("app/compose.yaml", BUILD);
        }
        other => unreachable!("{other}"),
    }
}

fn mended(s3: &S3, step: &str, version: &str) {
    match step {
        "dependencies" => s3.rm_one("app/package.json"),
        "build" => {
            s3.put("app/compose.yaml", COMPOSE);
            s3.rm_one("app/Dockerfile");
        }
        _ => {}
    }
    s3.put("app/index.js", good(version));
}

fn reached(api: &Api, step: &str) {
    eventually(&format!("the deployment is at the step {step}"), PATIENCE, || {
        (api.step("app").as_deref() == Some(step)).then_some(())
    });
}

/// What runs on the whole engine for an installation or a build that was given up.
fn runs_on() -> bool {
    let all = run(Command::new("docker").args(["ps", "--no-trunc", "--format", "{{.Command}}"]));
    stdout(&all).contains(FOR_EVER)
}

#[track_caller]
fn nothing_else_is_left(platform: &Platform, what: &str) {
    eventually(&format!("{what}: one container is left"), PATIENCE, || {
        let names: Vec<String> = platform.docker().containers();
        (names.len() == 1 && !names[0].contains(".next-") && !names[0].contains(".install-")).then_some(())
    });
    eventually(&format!("{what}: nothing works on"), PATIENCE, || (!runs_on()).then_some(()));
    eventually(&format!("{what}: no source but what serves is left"), PATIENCE, || {
        let folders = std::fs::read_dir(platform.source_dir()).expect("the source directory is there");
        // That of the newest deployment is kept beside the one that is mounted.
        (folders.count() <= 2).then_some(())
    });
}

#[test]
fn a_newer_push_ends_a_deployment_wherever_it_is_and_is_live_at_once() {
    let platform = patient();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/compose.yaml", COMPOSE);
    s3.put("app/index.js", good("1"));
    platform.live("app");
    for (step, version) in [("check", "2"), ("dependencies", "3"), ("build", "4")] {
        stuck(&s3, step);
        reached(&api, step);
        mended(&s3, step, version);
        platform.live("app");
        assert_eq!(platform.get("/app"), (200, format!("version {version}")), "{step}");
        nothing_else_is_left(&platform, step);
        let history = platform.cli_json(&["history", "app"]);
        let outcomes: Vec<_> = history["deployments"].as_array().into_iter().flatten().collect();
        assert!(outcomes.iter().any(|one| one["outcome"]["result"] == "superseded"), "{history:#}");
    }
}

#[test]
fn a_cancelled_deployment_leaves_nothing_and_is_not_tried_again_until_somebody_asks() {
    let platform = patient();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/compose.yaml", COMPOSE);
    s3.put("app/index.js", good("1"));
    let first = platform.live("app");
    for step in ["check", "dependencies", "build"] {
        stuck(&s3, step);
        reached(&api, step);
        succeeded("cancel", &platform.cli(&["cancel", "app"]));
        let status = eventually("it is cancelled", PATIENCE, || {
            let status = platform.status("app");
            (status["deployment"]["outcome"]["result"] == "cancelled").then_some(status)
        });
        assert_eq!(status["state"], "degraded", "{status:#}");
        nothing_else_is_left(&platform, step);
        assert_eq!(platform.get("/app"), (200, "version 1".to_owned()), "{step}");
        mended(&s3, step, "1");
        assert_eq!(platform.live("app")["release"], first["release"], "{step}");
    }
    stuck(&s3, "check");
    reached(&api, "check");
    succeeded("cancel", &platform.cli(&["cancel", "app"]));
    eventually("it is cancelled", PATIENCE, || {
        let status = platform.status("app");
        (status["deployment"]["outcome"]["result"] == "cancelled").then_some(())
    });
    // Nothing to cancel is said so.
    assert!(!platform.cli(&["cancel", "app"]).status.success());
}

#[test]
fn a_cancel_at_any_time_leaves_one_container_that_serves() {
    use std::hash::{BuildHasher, RandomState};
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/compose.yaml", COMPOSE);
    s3.put("app/index.js", good("0"));
    platform.live("app");
    for version in 1..=12 {
        s3.put("app/index.js", good(&version.to_string()));
        let delay = Duration::from_micros(RandomState::new().hash_one(version) % 1_200_000);
        let began = std::time::Instant::now();
        eventually("the time has come", PATIENCE, || (began.elapsed() >= delay).then_some(()));
        // It may have been too early or too late.
        let _ = platform.cli(&["cancel", "app"]);
        let serves = eventually("it has ended", PATIENCE, || {
            let status = platform.status("app");
            let outcome = status["deployment"]["outcome"]["result"].as_str().unwrap_or_default().to_owned();
            (outcome == "live" || outcome == "cancelled").then_some(outcome)
        });
        eventually(&format!("after {delay:?}, {serves}: one container is left"), PATIENCE, || {
            (platform.docker().containers().len() == 1).then_some(())
        });
        assert_eq!(platform.get("/app").0, 200, "after {delay:?}, {serves}");
    }
    s3.put("app/index.js", good("last"));
    platform.live("app");
    nothing_else_is_left(&platform, "the last");
    assert_eq!(platform.get("/app"), (200, "version last".to_owned()));
}

#[test]
fn under_endless_pushes_something_newer_goes_live_all_the_same() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/compose.yaml", COMPOSE);
    s3.put("app/index.js", good("0"));
    platform.live("app");
    let mut pushed = 0;
    eventually("one of them is live while they go on", PATIENCE, || {
        pushed += 1;
        s3.put("app/index.js", good(&pushed.to_string()));
        let (_, body) = platform.get("/app");
        (body != "version 0").then_some(())
    });
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, format!("version {pushed}")));
}

const ONE_AT_A_TIME: &str = "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro', 'data:/data']
volumes: {data: {}}
";

#[test]
fn what_cannot_run_twice_is_back_after_a_cancel_and_gives_way_to_a_newer_push() {
    let platform = patient();
    let (s3, api) = (platform.s3(Client::Boto3), Api::of(&platform));
    s3.put("app/compose.yaml", ONE_AT_A_TIME);
    s3.put("app/index.js", good("1"));
    platform.live("app");
    let serving = platform.docker().container_of("app");
    platform.docker().shell(&serving, "echo one > /data/note");

    stuck(&s3, "check");
    reached(&api, "check");
    assert_ne!(platform.get("/app").0, 200, "it is away meanwhile");
    succeeded("cancel", &platform.cli(&["cancel", "app"]));
    eventually("it is cancelled", PATIENCE, || {
        let status = platform.status("app");
        (status["deployment"]["outcome"]["result"] == "cancelled").then_some(())
    });
    nothing_else_is_left(&platform, "a cancel");
    assert_eq!(platform.docker().container_of("app"), serving);
    eventually("it answers again", PATIENCE, || {
        (platform.get("/app") == (200, "version 1".to_owned())).then_some(())
    });

    stuck(&s3, "check");
    s3.put("app/other.js", "");
    reached(&api, "check");
    mended(&s3, "check", "2");
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 2".to_owned()));
    nothing_else_is_left(&platform, "a newer push");
    let now = platform.docker().container_of("app");
    assert_eq!(platform.docker().shell(&now, "cat /data/note"), "one\n");
}
