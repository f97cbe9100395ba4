//! When services start and stop: jobs that others wait for, and the grace of a container that is stopped.

use std::time::Duration;

use cloudyknight_tests::{Client, Folder, Lives, Platform};

const WEB: &str = "require('node:http').createServer((_, answer) => answer.end('version 1')).listen(3000);\n";

const JOB: &str = "services:
  web:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    depends_on:
      migrate: {condition: service_completed_successfully}
    labels:
      traefik.http.routers.web.rule: PathPrefix(`/orders`)
      traefik.http.services.web.loadbalancer.server.port: '3000'
  migrate:
    image: workspace-node-ephemeral:latest
    volumes: ['./db:/workspace:ro']
    command: node /workspace/migrate.js
";

/// Takes so long that whoever does not wait for it is there first.
const MIGRATE: &str = "console.log('migrating to 1'); setTimeout(() => process.exit(0), 1500);\n";

#[test]
fn what_waits_for_a_job_starts_when_it_has_ended_well_and_not_at_all_otherwise() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let docker = platform.docker();
    let app = Folder::of(&[("compose.yaml", JOB), ("web/index.js", WEB), ("db/migrate.js", MIGRATE)]);
    let lives = Lives::of(docker);
    s3.sync(app.path(), "orders");
    platform.live("orders");
    assert_eq!(platform.get("/orders/"), (200, "version 1".to_owned()));
    let done = lives.wait("die", "workspace-orders-migrate");
    assert_eq!(done.code, Some(0));
    let begun = lives.wait("start", "workspace-orders-web");
    assert!(begun.at > done.at, "{:?}", lives.so_far());
    let first = docker.containers_of("orders");

    // It is not done again for a release that does not change it.
    s3.cp(&app.replace("web/index.js", "version 1", "version 2"), "orders/web/index.js");
    platform.live("orders");
    assert_eq!(platform.get("/orders/"), (200, "version 2".to_owned()));
    let second = docker.containers_of("orders");
    assert_eq!(second["workspace-orders-migrate"], first["workspace-orders-migrate"]);
    assert_ne!(second["workspace-orders-web"], first["workspace-orders-web"]);

    // It fails: what waits for it is never started, and the release before serves.
    let started = || lives.so_far().iter().filter(|event| event.what == "start").count();
    let before = started();
    let wrong =
        app.replace("db/migrate.js", "process.exit(0)", "{ console.log('no such table'); process.exit(4); }");
    s3.cp(&wrong, "orders/db/migrate.js");
    let status = platform.failed("orders");
    let outcome = &status["deployment"]["outcome"];
    assert_eq!(
        (&status["state"], &outcome["service"]),
        (&"degraded".into(), &"migrate".into()),
        "{status:#}"
    );
    assert!(outcome["message"].as_str().is_some_and(|text| text.contains("exited with code 4")), "{outcome}");
    assert!(outcome["log"].to_string().contains("no such table"), "{outcome}");
    assert_eq!(started(), before + 1, "only the job: {:?}", lives.so_far());
    assert_eq!(platform.get("/orders/"), (200, "version 2".to_owned()));

    s3.cp(&app.write("db/migrate.js", MIGRATE.replace("to 1", "to 2")), "orders/db/migrate.js");
    platform.live("orders");
    assert!(docker.logs("workspace-orders-migrate").contains("migrating to 2"));
}

const GRACE: &str = "services:
  web:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    command: node /workspace/index.js
    init: true
    stop_grace_period: 1s
  worker:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    command: node /workspace/worker.js
    init: true
    stop_grace_period: 60s
";

/// Does not listen to a request to end.
const STUBBORN: &str = "process.on('SIGTERM', () => {});\n";
/// Needs longer to end than Docker gives by itself.
const SLOW: &str =
    "setInterval(() => {}, 1000); process.on('SIGTERM', () => setTimeout(() => process.exit(0), 12_000));\n";

#[test]
fn a_container_that_is_stopped_has_the_grace_that_its_file_asks_for() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let web = format!("{STUBBORN}{WEB}");
    let app = Folder::of(&[("compose.yaml", GRACE), ("web/index.js", &web), ("web/worker.js", SLOW)]);
    s3.sync(app.path(), "grace");
    platform.live("grace");
    let lives = Lives::of(platform.docker());
    s3.cp(&app.replace("web/index.js", "version 1", "version 2"), "grace/web/index.js");
    platform.live("grace");

    let lasted = |name: &str| {
        let ended = lives.wait("die", name);
        let asked =
            lives.so_far().into_iter().find(|one| one.what == "kill" && one.container == ended.container);
        (ended.code, ended.at - asked.expect("it was asked to end").at)
    };
    let (code, took) = lasted("workspace-grace-web");
    assert_eq!(code, Some(137), "it was killed");
    assert!(took < Duration::from_secs(8), "after its own grace and not Docker's: {took:?}");
    let (code, took) = lasted("workspace-grace-worker");
    assert_eq!(code, Some(0), "it could end by itself");
    assert!(took > Duration::from_secs(11), "{took:?}");
}
