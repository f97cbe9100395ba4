//! Services that do their work and end: with one that serves beside them they make one deployment, and are not run again
//! before they change, whoever looks, dies or comes back meanwhile.

use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Client, Folder, Lives, Platform, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const COMPOSE: &str = "services:
  web:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    labels:
      traefik.http.routers.web.rule: PathPrefix(`/errands`)
      traefik.http.services.web.loadbalancer.server.port: '3000'
  short:
    image: workspace-node-ephemeral:latest
    volumes: ['./short:/workspace:ro', 'made:/made']
    command: node /workspace/index.js
    expose: ['9']
  long:
    image: workspace-node-ephemeral:latest
    volumes: ['./long:/workspace:ro']
    command: node /workspace/index.js
  stays:
    image: workspace-node-ephemeral:latest
    volumes: ['./stays:/workspace:ro']
    command: node /workspace/index.js
volumes: {made: {}}
";

const WEB: &str = "require('node:http').createServer((_, answer) => answer.end('version 1')).listen(3000);\n";
/// Over before anything could listen.
const SHORT: &str = "console.log('short 1');\n";
/// Over when all has been live for some time.
const LONG: &str = "setTimeout(() => console.log('long 1'), 6000);\n";
/// As a database does: ends with 0 when it is asked to.
const STAYS: &str = "setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(0));\n";

fn app() -> Folder {
    Folder::of(&[
        ("compose.yaml", COMPOSE),
        ("web/index.js", WEB),
        ("short/index.js", SHORT),
        ("long/index.js", LONG),
        ("stays/index.js", STAYS),
    ])
}

fn completed(status: &Value) -> Vec<&str> {
    let services = status["services"].as_array().expect("services").iter();
    services.filter(|one| one["completed"] == true).filter_map(|one| one["service"].as_str()).collect()
}

/// Waits until both jobs have been seen to be done.
#[track_caller]
fn done(platform: &Platform, workspace: &str) -> Value {
    eventually("both jobs are shown to be done", PATIENCE, || {
        Some(platform.status(workspace)).filter(|status| completed(status) == ["long", "short"])
    })
}

/// Has the platform look at the workspace once more, though it holds what it held.
fn look(platform: &Platform, s3: &S3, app: &Folder) {
    let sent = || platform.log().matches("sent a command").count();
    let before = sent();
    s3.cp(&app.path().join("web/index.js"), "errands/web/index.js");
    eventually("somebody is told to look", PATIENCE, || (sent() > before).then_some(()));
    platform.live("errands");
}

/// How often a service of any workspace was started.
fn starts(lives: &Lives, service: &str) -> usize {
    let of = |name: &str| name.split(['-', '.']).nth(2) == Some(service);
    lives.so_far().iter().filter(|event| event.what == "start" && of(&event.name)).count()
}

#[test]
fn a_job_that_nobody_waits_for_is_done_once_beside_what_serves() {
    let platform = Platform::builder().setting("sweep_interval_s", 1).setting("probation_s", 30).start();
    let (s3, docker) = (platform.s3(Client::Boto3), platform.docker());
    let (app, lives) = (app(), Lives::of(platform.docker()));
    s3.sync(app.path(), "errands");
    let live = platform.live("errands");
    assert_eq!(completed(&live), ["short"], "{live:#}");
    assert_eq!(live["warnings"].as_array().map(Vec::len), Some(1), "of the volume alone: {live:#}");
    assert_eq!(platform.get("/errands/"), (200, "version 1".to_owned()));
    let long = lives.wait("die", "workspace-errands-long");
    assert_eq!(long.code, Some(0));
    done(&platform, "errands");
    let shown = String::from_utf8(platform.cli(&["status", "errands"]).stdout).expect("text");
    assert_eq!(shown.lines().filter(|line| line.ends_with("), completed")).count(), 2, "{shown}");

    // Neither looks nor another agent change anything.
    let first = docker.containers_of("errands");
    look(&platform, &s3, &app);
    let killed = platform.kill(Role::Serve);
    let back = || {
        (platform.process(Role::Serve) != killed && platform.cli(&["status"]).status.success()).then_some(())
    };
    eventually("the agent is back", PATIENCE, back);
    look(&platform, &s3, &app);
    let status = platform.live("errands");
    assert_eq!((&status["state"], completed(&status)), (&"live".into(), vec!["long", "short"]), "{status:#}");
    assert_eq!(docker.containers_of("errands"), first);
    assert_eq!(platform.deployments_of("errands"), 1);
    assert_eq!(["web", "short", "long"].map(|one| starts(&lives, one)), [1; 3], "{:?}", lives.so_far());

    // Nor does a push that changes something else.
    s3.cp(&app.replace("web/index.js", "version 1", "version 2"), "errands/web/index.js");
    platform.live("errands");
    assert_eq!(platform.get("/errands/"), (200, "version 2".to_owned()));
    done(&platform, "errands");
    // Or one that fails.
    s3.cp(&app.write("web/index.js", "process.exit(7)"), "errands/web/index.js");
    platform.failed("errands");
    assert_eq!(["short", "long"].map(|one| starts(&lives, one)), [1; 2], "{:?}", lives.so_far());
    s3.cp(&app.write("web/index.js", WEB.replace("version 1", "version 3")), "errands/web/index.js");
    platform.live("errands");

    // One that changes it does, and its failure is that of the release.
    s3.cp(&app.replace("short/index.js", "short 1", "short 2"), "errands/short/index.js");
    done(&platform, "errands");
    platform.live("errands");
    assert_eq!(["short", "long"].map(|one| starts(&lives, one)), [2, 1], "{:?}", lives.so_far());
    assert_eq!(docker.logs("workspace-errands-short"), "short 2\n");
    s3.cp(
        &app.write("short/index.js", "console.log('no such bucket'); process.exit(4)"),
        "errands/short/index.js",
    );
    let failed = platform.failed("errands");
    let outcome = &failed["deployment"]["outcome"];
    assert_eq!((&failed["state"], &outcome["service"]), (&"degraded".into(), &"short".into()), "{failed:#}");
    assert!(outcome["log"].to_string().contains("no such bucket"), "{outcome}");
    assert_eq!(platform.get("/errands/"), (200, "version 3".to_owned()));
    assert_eq!(starts(&lives, "short"), 3, "the one before is over, and stays so: {:?}", lives.so_far());
}

#[test]
fn what_docker_took_down_with_it_comes_back_and_a_job_that_had_ended_does_not() {
    let platform = Platform::start();
    let (s3, docker) = (platform.s3(Client::Boto3), platform.docker());
    let (app, lives) = (app(), Lives::of(platform.docker()));
    s3.sync(app.path(), "outage");
    platform.live("outage");
    let policy = |service: &str| {
        docker.inspect(&format!("workspace-outage-{service}"), "{{.HostConfig.RestartPolicy.Name}}")
    };
    assert_eq!(["web", "stays", "short"].map(policy), ["unless-stopped", "on-failure", "no"]);
    let before = docker.containers_of("outage");

    // The long job ends while no agent is there, and what stays is stopped as when Docker itself ends.
    let processes = [Role::Run, Role::Serve].map(|role| platform.process(role));
    processes.iter().for_each(|process: &Pid| kill_process(*process, Signal::KILL).expect("it runs"));
    let long = lives.wait("die", "workspace-outage-long");
    assert_eq!(long.code, Some(0));
    succeeded("docker stop", &run(Command::new("docker").args(["stop", "workspace-outage-stays"])));
    assert_eq!(lives.wait("die", "workspace-outage-stays").code, Some(0));
    platform.up();
    done(&platform, "outage");
    eventually("what stays is back", PATIENCE, || (starts(&lives, "stays") == 2).then_some(()));
    assert_eq!(platform.live("outage")["state"], "live");
    assert_eq!(docker.containers_of("outage"), before, "the very same");
    assert_eq!(platform.deployments_of("outage"), 1);
    assert_eq!(["short", "long"].map(|one| starts(&lives, one)), [1; 2], "{:?}", lives.so_far());

    // What fails is started again by Docker.
    docker.exec("workspace-outage-stays", "kill -9 $(pidof node)");
    eventually("Docker starts it again", PATIENCE, || (starts(&lives, "stays") == 3).then_some(()));
}

#[test]
fn what_is_routed_to_may_not_just_end() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let compose = "services: {web: {image: 'workspace-node-ephemeral:latest', volumes: ['.:/workspace:ro'], restart: 'no'}}\n";
    let app = Folder::of(&[("compose.yaml", compose), ("index.js", "console.log('done')")]);
    s3.sync(app.path(), "brief");
    let failed = platform.failed("brief");
    let message = failed["deployment"]["outcome"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("service `web` exited with code 0"), "{message}");
    let hint = failed["deployment"]["outcome"]["hint"].as_str().unwrap_or_default().to_owned();
    assert!(hint.contains("it is routed to"), "{hint}");
}
