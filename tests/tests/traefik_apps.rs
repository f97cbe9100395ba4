//! Apps behind a real Traefik whose labels ask for what only Traefik knows, or for several containers of a service.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::server::Traefik;
use cloudyknight_tests::{Client, Folder, Visitor, eventually};

const MANY: &str = "services:
  many:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro']
    deploy: {replicas: 3}
";
const WHOAMI: &str = "const VERSION = 'version 1';
require('node:http').createServer((_, response) => response.end(`${VERSION} ${require('node:os').hostname()}`))
  .listen(process.env.PORT);
";

#[test]
fn several_containers_of_a_service_share_its_route_and_come_and_go_unnoticed_on_traefik() {
    let (platform, _traefik) = Traefik::place().carrying(&[]);
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[("compose.yaml", MANY), ("src/index.js", WHOAMI)]);
    s3.sync(app.path(), "many");
    platform.live("many");
    // By their short ids, which are their host names.
    let running = || {
        let containers = platform.docker().containers_of("many");
        containers.values().map(|id| id[..12].to_owned()).collect::<BTreeSet<String>>()
    };
    let answering = |version: &str| -> BTreeSet<String> {
        let answers = (0..60).map(|_| platform.get("/many/"));
        answers
            .map(|(status, told)| {
                assert_eq!(status, 200);
                let host =
                    told.strip_prefix(&format!("{version} ")).expect("no old version answers any more");
                host.to_owned()
            })
            .collect()
    };
    let visitor = Visitor::at(&platform, "/many/");
    let three = answering("version 1");
    assert_eq!((three.len(), &three), (3, &running()), "each of them answers");

    s3.cp(&app.replace("compose.yaml", "replicas: 3", "replicas: 2"), "many/compose.yaml");
    platform.live("many");
    let two = answering("version 1");
    assert!(two.len() == 2 && two.is_subset(&three), "the ones that stay are the same: {two:?} of {three:?}");
    eventually("the third is gone", Duration::from_secs(60), || (running() == two).then_some(()));

    s3.cp(&app.replace("compose.yaml", "replicas: 2", "replicas: 4"), "many/compose.yaml");
    platform.live("many");
    let four = answering("version 1");
    assert!(four.len() == 4 && two.is_disjoint(&four), "those of a release are all new: {two:?}, {four:?}");

    s3.cp(&app.write("src/index.js", WHOAMI.replace("version 1", "version 2")), "many/src/index.js");
    platform.live("many");
    let new = answering("version 2");
    assert!(new.len() == 4 && new.is_disjoint(&four), "all of them are new: {new:?}, {four:?}");
    visitor.leave().all_answered();
    eventually("the old ones are gone", Duration::from_secs(60), || (running() == new).then_some(()));
}

const GUARDED: &str = "services:
  web:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    environment: {PORT: '3000'}
    labels:
      traefik.http.routers.asking.rule: PathPrefix(`/guarded`)
      traefik.http.routers.asking.middlewares: ask
      traefik.http.middlewares.ask.forwardauth.address: http://auth:4181/verify
      traefik.http.middlewares.ask.forwardauth.authresponseheaders: X-User
      traefik.http.routers.digesting.rule: PathPrefix(`/digest`)
      traefik.http.routers.digesting.middlewares: digest
      # `test`, with the password `test`
      traefik.http.middlewares.digest.digestauth.users: test:traefik:a2688e031edb4be6a3797f3882655c05
      traefik.http.services.web.loadbalancer.server.port: '3000'
  auth:
    image: workspace-node-ephemeral:latest
    volumes: ['./auth:/workspace:ro']
    environment: {PORT: '4181'}
    expose: ['4181']
    labels: {traefik.enable: 'false'}
";
const GREETS: &str = "require('node:http').createServer((request, response) =>
  response.end(`hello ${request.headers['x-user']}`)).listen(3000);
";
const ASKED: &str = "const VERSION = 'version 1';
require('node:http').createServer((request, response) => {
  const known = request.url === '/verify' && !request.headers['x-forwarded-uri'].endsWith('stranger');
  response.writeHead(known ? 200 : 401, { 'x-user': VERSION });
  response.end();
}).listen(4181);
";

#[test]
fn what_only_traefik_knows_is_passed_on_to_it_on_traefik() {
    let (platform, _traefik) = Traefik::place().carrying(&[("drain_timeout_s", "3")]);
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[("web/index.js", GREETS), ("auth/index.js", ASKED), ("compose.yaml", GUARDED)]);
    s3.sync(app.path(), "guarded");
    let good = platform.live("guarded");
    assert_eq!(good["warnings"], serde_json::json!([]), "{good:#}");
    assert_eq!(
        platform.get("/guarded"),
        (200, "hello version 1".to_owned()),
        "a service of its own says who it is"
    );
    assert_eq!(platform.get("/guarded/stranger").0, 401);

    let digest = |password: &str| {
        let url = format!("http://{}/digest", platform.edge_address());
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "--silent",
            "--digest",
            "--user",
            &format!("test:{password}"),
            "--write-out",
            "%{http_code}",
        ]);
        succeeded("curl", &run(curl.args(["--output", "/dev/null", &url])))
    };
    assert_eq!((digest("test"), digest("other")), ("200".to_owned(), "401".to_owned()));

    // Whom it asks is replaced like any other service.
    let visitor = Visitor::at(&platform, "/guarded");
    s3.cp(&app.write("auth/index.js", ASKED.replace("version 1", "version 2")), "guarded/auth/index.js");
    platform.live("guarded");
    assert_eq!(platform.get("/guarded"), (200, "hello version 2".to_owned()));
    assert_eq!(platform.get("/guarded/stranger").0, 401);
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["hello version 1", "hello version 2"]);

    // Nobody else is asked on a workspace's behalf, and no code of its own runs in Traefik.
    let good = platform.status("guarded");
    let api = &platform.variables()["CLOUDYKNIGHT_API"];
    for (label, instead, message, hint) in [
        ("http://auth:4181/verify", &**api, "no service of the workspace", "http://auth:4181"),
        (
            "http://auth:4181/verify",
            "http://elsewhere:4181",
            "no service of the workspace",
            "traefik = [\"forwardauth\"]",
        ),
        ("digestauth.users: test", "plugin.mine.users: test", "runs code in Traefik", "plugin"),
    ] {
        s3.cp(&app.write("compose.yaml", GUARDED.replace(label, instead)), "guarded/compose.yaml");
        let status = platform.failed("guarded");
        assert_eq!(
            (&status["state"], &status["release"]),
            (&"degraded".into(), &good["release"]),
            "{instead}"
        );
        let outcome = &status["deployment"]["outcome"];
        let says = |field: &str| outcome[field].as_str().unwrap_or_default().to_owned();
        assert!(says("message").contains(message) && says("hint").contains(hint), "{instead}: {outcome:#}");
        let line = GUARDED.lines().position(|line| line.contains(label)).expect("the line") + 1;
        assert!(says("message").starts_with(&format!("compose.yaml:{line}:7: ")), "{outcome:#}");
        assert_eq!(platform.get("/guarded/stranger").0, 401, "{instead}");
    }

    // The operator may let one workspace ask whom it wants, and no other.
    s3.cp(&app.write("yes/index.html", "yes"), "yes/index.html");
    platform.live("yes");
    let elsewhere = format!("http://{}/yes/", platform.edge_address());
    let asking = GUARDED.replace("http://auth:4181/verify", &elsewhere);
    let entry = "[[allow]]\nworkspaces = [\"guarded\"]\ntraefik = [\"forwardauth\"]\n";
    platform.set_policy(entry);
    s3.cp(&app.write("compose.yaml", &asking), "guarded/compose.yaml");
    platform.live("guarded");
    assert_eq!(platform.get("/guarded/stranger").0, 200, "it is asked at {elsewhere}");
    let other = asking.replace("/guarded", "/others").replace("/digest", "/others-digest");
    let folder = Folder::of(&[("web/index.js", GREETS), ("auth/index.js", ASKED), ("compose.yaml", &other)]);
    s3.sync(folder.path(), "others");
    let refused = platform.failed("others")["deployment"]["outcome"]["message"].to_string();
    assert!(refused.contains("no service of the workspace"), "{refused}");
}
