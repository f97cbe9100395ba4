//! Compose files of the shapes that people publish, deployed whole: with stand-ins for the images that they name, and with what
//! each of their services does seen from outside.

use std::time::Duration;

use cloudyknight_tests::{Client, Folder, Platform, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A store with a name and a volume, as Redis or a database is one: `PUT` keeps, `GET` gives.
const STORE: &str = "const fs = require('node:fs');
require('node:http').createServer((request, response) => {
  const file = '/data/' + encodeURIComponent(request.url);
  if (request.method === 'PUT') return request.pipe(fs.createWriteStream(file)).on('finish', () => response.end('kept'));
  response.end(fs.existsSync(file) ? fs.readFileSync(file) : 'nothing');
}).listen(6379);
process.on('SIGTERM', () => process.exit(0));
";

const PUT: &str =
    "module.exports = (url, body) => fetch(url, { method: 'PUT', body }).then(a => a.text());\n";

fn completed(status: &Value) -> Vec<&str> {
    let services = status["services"].as_array().expect("services").iter();
    services.filter(|one| one["completed"] == true).filter_map(|one| one["service"].as_str()).collect()
}

/// An app, its database, a migration that it waits for, a job that nobody waits for, and a tool that is started on request.
const WITH_DATABASE: &str = "x-node: &node
  image: workspace-node-ephemeral:latest
  env_file:
    - {path: .env.defaults, required: false}
    - app.env

services:
  db:
    image: workspace-node-ephemeral:latest
    command: node /workspace/index.js
    volumes: ['./db:/workspace:ro', 'db-data:/data']
    healthcheck:
      test: [CMD, node, -e, \"fetch('http://127.0.0.1:6379/').then(() => process.exit(0), () => process.exit(1))\"]
      interval: 2s
      retries: 5
      start_period: 5s
  migrate:
    <<: *node
    command: [node, /workspace/migrate.js]
    volumes: ['./migrations:/workspace:ro']
    depends_on: {db: {condition: service_healthy}}
  seed:
    <<: *node
    command: [node, /workspace/seed.js]
    volumes: ['./migrations:/workspace:ro']
    restart: on-failure
    depends_on: [db]
  web:
    <<: *node
    command: node /workspace/index.js
    volumes: ['./web:/workspace:ro']
    ports: ['3000']
    restart: unless-stopped
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
  adminer:
    image: adminer
    profiles: [tools]
    ports: ['8081:8080']

volumes:
  db-data:
    labels: {of: shop}
";

#[test]
fn an_app_with_a_database_a_migration_a_seed_and_a_tool_on_request() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let put = |file: &str, path: &str, body: &str| {
        (
            file.to_owned(),
            format!(
                "const put = require('./put.js');\nput(process.env.DATABASE_URL + '{path}', '{body}').then(console.log, error => {{ console.error(error); process.exit(1); }});\n"
            ),
        )
    };
    let (migrate, seed) = (put("migrate", "/schema", "schema 1"), put("seed", "/rows", "two rows"));
    let web = "const at = path => fetch(process.env.DATABASE_URL + path).then(a => a.text());
at('/schema').then(schema => require('node:http').createServer(async (_, response) => {
  response.end(`version 1: ${schema}, ${await at('/rows')}`);
}).listen(3000));\n";
    let app = Folder::of(&[
        ("compose.yaml", WITH_DATABASE),
        ("app.env", "DATABASE_URL=http://db:6379\n"),
        ("db/index.js", STORE),
        ("migrations/put.js", PUT),
        ("migrations/migrate.js", &migrate.1),
        ("migrations/seed.js", &seed.1),
        ("web/index.js", web),
    ]);
    s3.sync(app.path(), "boutique");
    platform.live("boutique");
    let says = |what: &'static str| {
        eventually(what, PATIENCE, || Some(platform.get("/boutique/").1).filter(|text| text == what))
    };
    says("version 1: schema 1, two rows");
    let status = eventually("both jobs are done", PATIENCE, || {
        Some(platform.status("boutique")).filter(|status| completed(status) == ["migrate", "seed"])
    });
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("service `adminer` is left out"), "{warnings}");
    let first = platform.docker().containers_of("boutique");

    // The next release finds all that they made, without their having been run again.
    s3.cp(&app.replace("web/index.js", "version 1", "version 2"), "boutique/web/index.js");
    platform.live("boutique");
    says("version 2: schema 1, two rows");
    let second = platform.docker().containers_of("boutique");
    for kept in ["db", "migrate", "seed"].map(|one| format!("workspace-boutique-{one}")) {
        assert_eq!(first[&kept], second[&kept], "{kept}");
    }

    // A changed label of the volume changes none of it, which is told.
    s3.cp(&app.replace("compose.yaml", "of: shop", "of: another"), "boutique/compose.yaml");
    platform.live("boutique");
    says("version 2: schema 1, two rows");
    let warnings = platform.status("boutique")["warnings"].to_string();
    assert!(warnings.contains("volume `db-data`: `labels` has no effect any more"), "{warnings}");
    assert!(warnings.contains("cloudyknight volumes rm boutique db-data"), "{warnings}");

    // As it says: then it is made anew.
    for words in [
        &["stop", "boutique"][..],
        &["volumes", "rm", "boutique", "db-data", "--yes"],
        &["start", "boutique"],
    ] {
        let output = platform.cli(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        if words[0] == "stop" {
            let stopped = || platform.docker().containers_of("boutique").is_empty().then_some(());
            eventually("it is stopped", PATIENCE, stopped);
        }
    }
    says("version 2: schema 1, two rows");
    let warnings = platform.live("boutique")["warnings"].to_string();
    assert!(!warnings.contains("db-data"), "{warnings}");
}

/// What is built, a broker, two workers, what makes the bucket that they need and is waited for by nobody, a secret, and a
/// network without a way out.
const WITH_WORKERS: &str = "services:
  web:
    build: {context: ./web, args: {GREETING: hello}}
    networks: [front, back]
    depends_on: [broker]
    labels:
      - traefik.enable=true
      - traefik.http.routers.web.rule=PathPrefix(`/factory`)
      - traefik.http.services.web.loadbalancer.server.port=8000
  worker:
    image: workspace-node-ephemeral:latest
    command: node /workspace/worker.js
    volumes: ['./worker:/workspace:ro']
    networks: [back]
    secrets: [token]
    deploy:
      replicas: 2
      restart_policy: {condition: on-failure}
    depends_on: [broker]
  createbuckets:
    image: workspace-node-ephemeral:latest
    entrypoint: >
      /bin/sh -c '
      until node /workspace/make.js; do sleep 0.2; done;
      exit 0;
      '
    volumes: ['./worker:/workspace:ro']
    networks: [back]
    depends_on: [broker]
  broker:
    image: workspace-node-ephemeral:latest
    command: node /workspace/index.js
    volumes: ['./broker:/workspace:ro', 'kept:/data']
    networks: [back]
    expose: ['6379']

networks:
  front: {}
  back: {internal: true}
volumes: {kept: {}}
secrets: {token: {file: ./token.txt}}
";

#[test]
fn what_is_built_a_broker_two_workers_and_a_bucket_that_a_job_makes() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[
        ("docker-compose.yml", WITH_WORKERS),
        ("token.txt", "open sesame"),
        (
            "web/Dockerfile",
            "FROM workspace-node-ephemeral:latest\nARG GREETING\nENV GREETING=$GREETING\nCOPY index.js /srv/\nENTRYPOINT [\"node\", \"/srv/index.js\"]\nCMD []\n",
        ),
        (
            "web/index.js",
            "require('node:http').createServer(async (_, response) => {
  const at = path => fetch('http://broker:6379' + path).then(a => a.text());
  response.end([process.env.GREETING, await at('/bucket'), await at('/work')].join(', '));
}).listen(8000);\n",
        ),
        ("worker/put.js", PUT),
        (
            "worker/make.js",
            "require('./put.js')('http://broker:6379/bucket', 'a bucket').then(() => {}, () => process.exit(1));\n",
        ),
        (
            "worker/worker.js",
            "const token = require('node:fs').readFileSync('/run/secrets/token', 'utf8');
const work = () => require('./put.js')('http://broker:6379/work', `work with ${token}`).catch(() => {});
work(); setInterval(work, 500);\n",
        ),
        ("broker/index.js", STORE),
    ]);
    s3.sync(app.path(), "factory");
    platform.live("factory");
    let expected = "hello, a bucket, work with open sesame";
    eventually("all of them do their work", PATIENCE, || {
        (platform.get("/factory/").1 == expected).then_some(())
    });
    let status = eventually("the bucket is made", PATIENCE, || {
        Some(platform.status("factory")).filter(|status| completed(status) == ["createbuckets"])
    });
    let workers =
        status["services"].as_array().expect("services").iter().filter(|one| one["service"] == "worker");
    assert_eq!(workers.count(), 2, "{status:#}");
    assert_eq!(status["state"], "live");
    assert_eq!(platform.deployments_of("factory"), 1);
}
