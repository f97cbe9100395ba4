//! With `edge = "traefik"` a real Traefik carries the traffic, by the same labels: push, redeploys and rollbacks under
//! load, delete; labels that Traefik refuses; and everybody started again.

use std::io::{BufRead, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use cloudyknight_tests::http::Connection;
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::server::Traefik;
use cloudyknight_tests::server::traefik::Place;
use cloudyknight_tests::{Client, DockerDoor, Folder, Platform, Visitor, eventually};
use rustix::process::{Pid, Signal, kill_process};

/// Says its version and asks the other service for that one's, once it has read the request; below `/slow` half of it
/// soon, the rest after a while; and a WebSocket that sends back every line.
const WEB: &str = "const VERSION = 'version 1';
const { createHash } = require('node:crypto');
const http = require('node:http');
const server = http.createServer((request, response) => {
  if (request.url.endsWith('headers')) return response.end(JSON.stringify(request.headers));
  if (request.url.endsWith('url')) return response.end(request.url);
  request.resume().on('end', () => http.get('http://api:4000/', answer => {
    let other = '';
    answer.on('data', part => other += part);
    answer.on('end', () => {
      const text = `${VERSION} ${other}`;
      if (!request.url.endsWith('slow')) return response.end(text);
      response.write(text.slice(0, 4));
      setTimeout(() => response.end(text.slice(4)), 300);
    });
  }).on('error', error => { response.statusCode = 500; response.end(String(error)); }));
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
    `Sec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`);
  socket.on('data', line => socket.write(`${VERSION}: ${line}`));
  socket.on('error', () => {});
});
server.listen(3000);
";
const API: &str = "const VERSION = 'version 1';
require('node:http').createServer((_, response) => response.end(VERSION)).listen(4000);
";
const COMPOSE: &str = "services:
  web:
    image: workspace-node-ephemeral:latest
    volumes: ['./web:/workspace:ro']
    depends_on: {api: {condition: service_healthy}}
    environment: {PORT: '3000'}
    labels:
      traefik.enable: 'true'
      traefik.http.routers.shop.rule: PathPrefix(`/shop`)
      traefik.http.routers.shop.middlewares: cut@docker, marked
      traefik.http.middlewares.cut.stripprefix.prefixes: /shop
      traefik.http.middlewares.marked.headers.customresponseheaders.X-Shop: '{{ env \"HOME\" }}'
      traefik.http.services.shop.loadbalancer.server.port: '3000'
  api:
    image: workspace-node-ephemeral:latest
    volumes: ['./api:/workspace:ro']
    environment: {PORT: '4000'}
    labels: {traefik.enable: 'false'}
    healthcheck:
      test: ['CMD', 'node', '-e', \"require('http').get('http://127.0.0.1:4000', () => process.exit(0))\"]
      interval: 1s
";

fn shop() -> Folder {
    Folder::of(&[("web/index.js", WEB), ("api/index.js", API), ("compose.yaml", COMPOSE)])
}

/// A platform whose traffic a Traefik of its own carries.
fn stage(settings: &[(&str, &str)]) -> (Platform, Traefik) {
    Traefik::place().carrying(settings)
}

#[test]
fn an_app_is_pushed_changed_and_deleted_on_traefik() {
    let (platform, traefik) = stage(&[]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    let status = platform.live("shop");
    assert_eq!(status["warnings"], serde_json::json!([]), "{status:#}");
    assert_eq!(platform.get("/shop"), (200, "version 1 version 1".to_owned()));
    assert_eq!(platform.get("/shop/deep/url"), (200, "/deep/url".to_owned()), "the prefix is stripped");
    let answer =
        platform.connection().and_then(|mut one| one.get(platform.host(), "/shop")).expect("an answer");
    assert_eq!(answer.header("x-shop"), Some("{{ env \"HOME\" }}"), "no template is run: {answer:?}");
    assert_eq!(platform.get_as("shop.localhost", "/").0, 200, "the name of the workspace as host");
    assert_eq!(platform.get("/api").0, 404, "what is not to be reached is not");

    for container in platform.docker().containers_of("shop").values() {
        let labels = platform.docker().inspect(container, "{{json .Config.Labels}}");
        let labels: serde_json::Value = serde_json::from_str(&labels).expect("JSON");
        let own: Vec<&String> = labels
            .as_object()
            .into_iter()
            .flatten()
            .map(|(label, _)| label)
            .filter(|l| l.starts_with("traefik."))
            .collect();
        assert_eq!(own, ["traefik.enable"], "a Traefik that reads Docker's labels leaves it alone");
        assert_eq!(labels["traefik.enable"], "false");
    }

    s3.cp(&shop.write("web/index.js", WEB.replace("version 1", "version 2")), "shop/web/index.js");
    platform.live("shop");
    assert_eq!(platform.get("/shop"), (200, "version 2 version 1".to_owned()));

    // One without labels, by path and by host.
    let plain = Folder::of(&[("index.html", "<p>plain</p>")]);
    s3.sync(plain.path(), "plain");
    platform.live("plain");
    assert_eq!(platform.get("/plain/").1, "<p>plain</p>");
    assert_eq!(platform.get_as("plain.localhost", "/").1, "<p>plain</p>");
    let browser = [("accept", "text/html,*/*")];
    let page = platform
        .connection()
        .and_then(|mut one| one.request("GET", platform.host(), "/plain?a=b", &browser, b""));
    let page = page.expect("an answer");
    assert_eq!(page.status, 302);
    assert!(page.header("location").is_some_and(|to| to.ends_with("/plain/?a=b")), "{page:?}");

    s3.rm("shop");
    platform.removed("shop");
    assert_eq!(platform.get("/shop").0, 404);
    assert_eq!(platform.get("/plain/").0, 200);
    let files = || std::fs::read_dir(traefik.dir()).expect("the folder").flatten().map(|one| one.file_name());
    assert!(files().all(|name| !name.to_string_lossy().contains("shop")), "its file is gone");
    assert!(!traefik.log().contains("ERR"), "Traefik complains of nothing: {}", traefik.log());

    platform.down();
    assert_eq!(
        files().filter(|name| name.to_string_lossy().ends_with(".yml")).count(),
        0,
        "`down` leaves no route"
    );
    platform.up();
    platform.live("plain");
    assert_eq!(platform.get("/plain/").1, "<p>plain</p>");
}

const REDEPLOYS: u32 = 12;
const REDEPLOYS_OF_USUAL_PROXY: u32 = 5;
const PACE: Duration = Duration::from_millis(5);

/// With an app that answers before it has read what it was sent, which is the hardest for proxies.
#[test]
fn redeploys_under_load_drop_no_request_and_answer_none_from_a_half_state_on_traefik() {
    let early = WEB.replace("request.resume().on('end', () => http.get(", "http.get(");
    let early = early.replace("String(error)); }));", "String(error)); });");
    assert!(!early.contains("request.resume()"));
    let (reports, _) = redeploys_under_load(Traefik::place().argument(FAST_PROXY), &early, REDEPLOYS);
    for (visit, report) in VISITS.iter().zip(&reports) {
        assert_eq!(report.failures, Vec::<String>::new(), "{visit:?}");
    }
}

/// What `docs/traefik.md` says of Traefik's usual proxy: it may cut the answer to a request with a body, and says so in its
/// log. Nothing else fails.
#[test]
fn with_its_usual_proxy_traefik_drops_nothing_in_redeploys_but_what_it_cuts_by_itself_on_traefik() {
    let place = Traefik::place().argument("--log.level=DEBUG");
    let (reports, log) = redeploys_under_load(place, WEB, REDEPLOYS_OF_USUAL_PROXY);
    let told = |line: &&str| {
        line.contains("read error during body copy") && line.contains("use of closed network connection")
    };
    let cut = log.lines().filter(told).count();
    let mut failures = Vec::new();
    for (visit, report) in VISITS.iter().zip(&reports) {
        let cut_short = |failure: &String| !failure.starts_with(|c: char| c.is_ascii_digit());
        let excused = visit.method == "POST" && report.failures.iter().all(cut_short);
        assert!(excused || report.failures.is_empty(), "{visit:?}: {:?}", report.failures);
        failures.extend(&report.failures);
    }
    assert!(failures.len() <= cut, "{cut} were cut by Traefik itself: {failures:?}");
}

const FAST_PROXY: &str = "--experimental.fastproxy=true";
static VISITS: [Visit; 5] = [
    Visit { keep_alive: true, method: "GET", path: "/shop" },
    Visit { keep_alive: false, method: "GET", path: "/shop" },
    // What nobody may ask for a second time: an answer that has begun, and what changes something.
    Visit { keep_alive: true, method: "GET", path: "/shop/slow" },
    Visit { keep_alive: true, method: "POST", path: "/shop" },
    Visit { keep_alive: false, method: "POST", path: "/shop/slow" },
];

/// Answers what visitors met, one report for each of [`VISITS`], and what Traefik logged.
fn redeploys_under_load(place: Place, web: &str, redeploys: u32) -> (Vec<Report>, String) {
    let (platform, traefik) = place.carrying(&[("drain_timeout_s", "8")]);
    let s3 = platform.s3(Client::Boto3);
    let shop = Folder::of(&[("web/index.js", web), ("api/index.js", API), ("compose.yaml", COMPOSE)]);
    s3.sync(shop.path(), "shop");
    platform.live("shop");
    let mut socket = upgraded(&platform);
    assert_eq!(echo(&mut socket, "hello"), Some("version 1: hello\n".to_owned()));
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let load = VISITS.each_ref().map(|visit| {
            let (done, over) = channel::<()>();
            let platform = &platform;
            (done, scope.spawn(move || visit.load(platform, &over)))
        });
        for version in 2..=redeploys + 1 {
            // Both services in one push: whoever sees one old and one new has seen a half of a release.
            let next = format!("version {version}");
            shop.write("web/index.js", web.replace("version 1", &next));
            shop.write("api/index.js", API.replace("version 1", &next));
            s3.sync(shop.path(), "shop");
            platform.live("shop");
            if version == 2 {
                assert_eq!(echo(&mut socket, "still"), Some("version 1: still\n".to_owned()), "it goes on");
            }
        }
        let end =
            |(done, visit): (std::sync::mpsc::Sender<()>, std::thread::ScopedJoinHandle<'_, Report>)| {
                drop(done);
                visit.join().expect("the visitor does not panic")
            };
        load.into_iter().map(end).collect()
    });
    for (visit, report) in VISITS.iter().zip(&reports) {
        assert!(report.versions.is_sorted(), "{visit:?}: never back to an older one: {:?}", report.versions);
        assert_eq!(report.versions.last(), Some(&(redeploys + 1)), "{visit:?}");
    }
    let requests: usize = reports.iter().map(|report| report.requests).sum();
    println!("{requests} requests during {redeploys} redeploys");
    eventually("the old containers are gone", Duration::from_secs(60), || {
        (platform.docker().containers_of("shop").len() == 2).then_some(())
    });
    assert_eq!(echo(&mut socket, "over"), None, "a socket is cut off when the drain is over");
    (reports, traefik.log())
}

#[derive(Debug)]
struct Visit {
    keep_alive: bool,
    method: &'static str,
    path: &'static str,
}

#[derive(Default)]
struct Report {
    requests: usize,
    failures: Vec<String>,
    versions: Vec<u32>,
}

impl Visit {
    fn load(&self, platform: &Platform, over: &std::sync::mpsc::Receiver<()>) -> Report {
        let mut report = Report::default();
        let mut kept: Option<Connection> = None;
        let mut ends = false;
        while !ends {
            ends = over.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout);
            report.requests += 1;
            let began = Instant::now();
            let asked = kept.take().map_or_else(|| platform.connection(), Ok).and_then(|mut connection| {
                let body: &[u8] = if self.method == "POST" { b"a body" } else { b"" };
                let answer = connection.request(self.method, platform.host(), self.path, &[], body)?;
                Ok((connection, answer))
            });
            match asked {
                Err(error) => {
                    let (took, last) = (began.elapsed(), report.versions.last());
                    report
                        .failures
                        .push(format!("{error} after {took:?}; the answer before was of {last:?}"));
                }
                Ok((connection, answer)) => {
                    let versions: Vec<u32> =
                        answer.body.split("version ").filter_map(|text| text.trim().parse().ok()).collect();
                    match versions.as_slice() {
                        [one, other] if one == other && answer.status == 200 => {
                            if report.versions.last() != Some(one) {
                                report.versions.push(*one);
                            }
                        }
                        _ => report.failures.push(format!("{} {}", answer.status, answer.body)),
                    }
                    kept = self.keep_alive.then_some(connection);
                }
            }
        }
        report
    }
}

fn upgraded(platform: &Platform) -> Connection {
    let mut connection = platform.connection().expect("Traefik answers");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = connection.request("GET", platform.host(), "/shop", &headers, b"").expect("an answer");
    assert_eq!(answer.status, 101, "{answer:?}");
    connection
}

/// The line that comes back; `None` when the connection is over.
fn echo(connection: &mut Connection, text: &str) -> Option<String> {
    let stream = connection.stream();
    stream.get_mut().write_all(format!("{text}\n").as_bytes()).ok()?;
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line),
    }
}

#[test]
fn a_rollback_takes_routes_and_containers_back_at_once_on_traefik() {
    let (platform, _traefik) = stage(&[]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    let first = platform.live("shop")["release"].clone();
    let header = |expected: &str| {
        let answer = platform.connection().and_then(|mut one| one.get(platform.host(), "/shop"));
        assert_eq!(answer.expect("an answer").header("x-shop"), Some(expected));
    };

    // Source and labels are changed at once, and both are gone back on.
    shop.write("web/index.js", WEB.replace("version 1", "version 2"));
    shop.write("api/index.js", API.replace("version 1", "version 2"));
    shop.write("compose.yaml", COMPOSE.replace("{{ env \"HOME\" }}", "second"));
    s3.sync(shop.path(), "shop");
    let second = platform.live("shop")["release"].clone();
    header("second");
    let visitor = Visitor::at(&platform, "/shop");
    let status = platform.cli_json(&["rollback", "shop"]);
    assert_eq!((&status["release"], &status["state"]), (&first, &"live".into()), "{status:#}");
    header("{{ env \"HOME\" }}");
    let status = platform.cli_json(&["rollback", "shop", "--follow"]);
    assert_eq!((&status["release"], &status["state"]), (&second, &"live".into()), "{status:#}");
    header("second");
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["version 2 version 2", "version 1 version 1", "version 2 version 2"]);
}

#[test]
fn labels_that_traefik_refuses_fail_the_push_and_nothing_else_notices_on_traefik() {
    let (platform, traefik) = stage(&[]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    let good = platform.live("shop");
    let other = Folder::of(&[("index.html", "<p>other</p>")]);
    s3.sync(other.path(), "other");
    platform.live("other");
    let visitor = Visitor::at(&platform, "/shop");
    let neighbour = Visitor::at(&platform, "/other/");

    let rule = "traefik.http.routers.shop.rule: PathPrefix(`/shop`)";
    let refused: [(&str, &str, &str); 8] = [
        // What the compose file says instead, and what message and hint must say. The first four only Traefik can find.
        (&rule.replace("PathPrefix", "Nonsense"), "unsupported function: Nonsense", "label"),
        (&format!("{rule} && ClientIP(`nonsense`)"), "ClientIP", "label"),
        (&format!("{rule}\n      traefik.http.routers.shop.entrypoints: nowhere"), "nowhere", "entry points"),
        (
            &format!("{rule}\n      traefik.http.middlewares.marked.addprefix.prefix: /two-kinds"),
            "multi-types",
            "label",
        ),
        (&format!("{rule}\n      traefik.http.routers.shop.priority: high"), "whole number", "whole number"),
        (
            &format!("{rule}\n      traefik.http.routers.shop.service: api@internal"),
            "api@internal",
            "traefik = [\"api@internal\"]",
        ),
        (
            &format!("{rule}\n      traefik.http.middlewares.marked.basicauth.usersfile: /etc/passwd"),
            "names a file",
            "labels",
        ),
        (&format!("{rule}\n      traefik.http.middlewares.cut.chain.middlewares: gone"), "`gone`", "define"),
    ];
    for (labels, message, hint) in refused {
        s3.cp(&shop.write("compose.yaml", COMPOSE.replace(rule, labels)), "shop/compose.yaml");
        let status = platform.failed("shop");
        assert_eq!(status["state"], "degraded", "{labels}");
        assert_eq!(status["release"], good["release"], "{labels}");
        let outcome = &status["deployment"]["outcome"];
        let says = |field: &str| outcome[field].as_str().unwrap_or_default().to_owned();
        assert!(says("message").contains(message), "{labels}: {outcome:#}");
        assert!(says("hint").contains(hint), "{labels}: {outcome:#}");
    }
    // Others go on being deployed.
    s3.cp(&other.write("index.html", "<p>other 2</p>"), "other/index.html");
    platform.live("other");
    s3.cp(&shop.write("compose.yaml", COMPOSE), "shop/compose.yaml");
    platform.live("shop");
    let (visits, others) = (visitor.leave(), neighbour.leave());
    visits.all_answered();
    others.all_answered();
    assert_eq!(visits.bodies, ["version 1 version 1"]);
    assert_eq!(others.bodies, ["<p>other</p>", "<p>other 2</p>"]);
    assert!(!traefik.log().contains("trial.cloudyknight.invalid` && error"), "{}", traefik.log());
}

#[test]
fn whatever_is_started_again_the_routes_are_right_without_a_deployment_on_traefik() {
    // Containers that somebody stops have failed, as long as their release is on probation.
    let (platform, mut traefik) = stage(&[("probation_s", "0")]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    let before = platform.live("shop");
    let serves = |what: &str| {
        eventually(what, Duration::from_secs(60), || {
            let answer = platform.connection().ok()?.get(platform.host(), "/shop").ok()?;
            (answer.status == 200 && answer.body == "version 1 version 1").then_some(())
        });
    };

    let visitor = Visitor::at(&platform, "/shop");
    let killed = platform.kill(Role::Serve);
    comes_back(&platform, killed);
    platform.live("shop");
    visitor.leave().all_answered();

    traefik.restart();
    serves("Traefik reads what it was told");

    // Both away, and Traefik back first.
    let killed = platform.kill(Role::Serve);
    traefik.restart();
    serves("the routes are there without the agent");

    // Somebody tidies up.
    comes_back(&platform, killed);
    platform.live("shop");
    for file in std::fs::read_dir(traefik.dir()).expect("the folder").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yml") {
            std::fs::remove_file(file.path()).expect("it is removed");
        }
    }
    serves("the files are written again");

    // A container comes back at another address.
    let containers = platform.docker().containers_of("shop");
    let ids: Vec<&str> = containers.values().map(String::as_str).collect();
    docker(&[&["stop"], ids.as_slice()].concat());
    let reversed: Vec<&str> = ids.iter().rev().copied().collect();
    docker(&[&["start"], reversed.as_slice()].concat());
    serves("the routes follow the containers");
    let after = platform.live("shop");
    assert_eq!(after["deployment"]["id"], before["deployment"]["id"], "nothing was deployed");
    assert_eq!(platform.docker().containers_of("shop"), containers);
}

#[test]
fn docker_and_its_containers_may_be_started_again_without_a_deployment_on_traefik() {
    let door = DockerDoor::open();
    let (name, socket) = door.setting();
    // Containers that somebody stops have failed, as long as their release is on probation.
    let (platform, traefik) = stage(&[(name, &socket), ("probation_s", "0")]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    let before = platform.live("shop");
    let containers = platform.docker().containers_of("shop");
    let addresses = || {
        let of = |id: &String| {
            platform.docker().inspect(id, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")
        };
        containers.values().map(of).collect::<Vec<String>>()
    };
    let old = addresses();

    door.shut();
    let ids: Vec<&str> = containers.values().map(String::as_str).collect();
    docker(&[&["stop"], ids.as_slice()].concat());
    assert_ne!(platform.get("/shop").0, 200, "nothing runs");
    let reversed: Vec<&str> = ids.iter().rev().copied().collect();
    docker(&[&["start"], reversed.as_slice()].concat());
    assert_ne!(addresses(), old, "they came back at other addresses");
    door.reopen();
    eventually("the routes follow the containers", Duration::from_secs(60), || {
        let answer = platform.connection().ok()?.get(platform.host(), "/shop").ok()?;
        (answer.status == 200 && answer.body == "version 1 version 1").then_some(())
    });
    let after = platform.live("shop");
    assert_eq!(after["deployment"]["id"], before["deployment"]["id"], "nothing was deployed");
    assert_eq!(platform.docker().containers_of("shop"), containers);

    // And a push goes on as ever.
    s3.cp(&shop.write("web/index.js", WEB.replace("version 1", "version 2")), "shop/web/index.js");
    platform.live("shop");
    assert_eq!(platform.get("/shop").1, "version 2 version 1");
    assert!(!traefik.log().contains("ERR"), "Traefik complains of nothing: {}", traefik.log());
}

#[test]
fn a_machine_that_was_restarted_serves_again_on_traefik() {
    // What ended together with the machine has failed, as long as its release is on probation.
    let (platform, mut traefik) = stage(&[("probation_s", "0")]);
    let s3 = platform.s3(Client::Boto3);
    let shop = shop();
    s3.sync(shop.path(), "shop");
    platform.live("shop");

    let processes = [Role::Run, Role::Serve].map(|role| platform.process(role));
    for process in processes {
        kill_process(process, Signal::KILL).expect("it runs");
    }
    traefik.kill();
    docker(
        &[&["kill"], &*platform.docker().containers().iter().map(String::as_str).collect::<Vec<_>>()]
            .concat(),
    );
    std::fs::remove_dir_all(platform.source_dir()).expect("memory forgets");
    traefik.restart();
    assert_ne!(platform.get("/shop").0, 200, "nothing runs");

    platform.up();
    platform.live("shop");
    assert_eq!(platform.get("/shop"), (200, "version 1 version 1".to_owned()));
    s3.cp(&shop.write("web/index.js", WEB.replace("version 1", "version 2")), "shop/web/index.js");
    platform.live("shop");
    assert_eq!(platform.get("/shop").1, "version 2 version 1");
}

/// Waits until another process plays the role of one that was killed, and answers.
fn comes_back(platform: &Platform, killed: Pid) {
    eventually("the agent is back", Duration::from_secs(60), || {
        let other = platform.process(Role::Serve) != killed;
        (other && platform.cli(&["status", "shop"]).status.success()).then_some(())
    });
}

fn docker(arguments: &[&str]) {
    let status =
        std::process::Command::new("docker").args(arguments).stdout(std::process::Stdio::null()).status();
    assert!(status.expect("docker runs").success(), "docker {arguments:?}");
}

#[test]
fn doctor_says_what_is_wrong_with_a_traefik_and_up_needs_none_on_traefik() {
    let place = Traefik::place();
    let mut builder = Platform::builder();
    for (name, value) in place.settings() {
        builder = builder.setting(name, value);
    }
    let mut platform = builder.prepare();
    let output = platform.try_up();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && words.contains("Traefik does not answer"), "{words}");
    platform.learn();
    assert!(!platform.home().join("run/edge.lock").exists(), "no edge of ours runs");
    let findings = |platform: &Platform| -> Vec<(String, bool, String)> {
        let output = platform.cli(&["doctor", "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |one: &serde_json::Value| one.as_str().unwrap_or_default().to_owned();
        let findings = told["findings"].as_array().into_iter().flatten();
        findings
            .map(|one| {
                let words = format!("{} {}", text(&one["message"]), text(&one["hint"]));
                (text(&one["check"]), one["ok"] == true, words)
            })
            .collect()
    };
    let of = |platform: &Platform, check: &str| {
        let found = findings(platform).into_iter().find(|(name, ..)| name == check);
        let (_, ok, words) = found.unwrap_or_else(|| panic!("doctor looks at `{check}`"));
        (ok, words)
    };
    let (ok, words) = of(&platform, "traefik");
    assert!(!ok && words.contains("--providers.file.directory="), "{words}");
    assert!(!of(&platform, "entry point").0);
    assert!(!of(&platform, "agent to edge").0);

    let mut traefik = place.start(platform.edge_address());
    eventually("doctor is content", Duration::from_secs(30), || {
        let well = ["traefik", "entry point", "agent to edge"].map(|check| of(&platform, check).0);
        (well == [true; 3]).then_some(())
    });
    assert!(of(&platform, "traefik").1.contains("Traefik 3."));

    // Somebody else's file that Traefik cannot read: it takes nothing any more from this folder.
    std::fs::write(traefik.dir().join("mine.yml"), "http: {nonsense: 1}").expect("a file");
    traefik.restart();
    eventually("doctor sees that the routes are not taken", Duration::from_secs(30), || {
        let (ok, words) = of(&platform, "agent to edge");
        (!ok && words.contains("does not come into force") && words.contains("its log")).then_some(())
    });
    std::fs::remove_file(traefik.dir().join("mine.yml")).expect("it is removed");
    traefik.kill();
}
