//! Promises 4 and 5: what is broken never takes traffic, and a redeploy drops nothing.

use std::io::{BufRead, Write};
use std::sync::mpsc;
use std::time::Duration;

use cloudyknight_tests::http::Connection;
use cloudyknight_tests::{Client, Folder, Platform, eventually};
use serde_json::Value;

/// Answers with its version; below `/slow` half of it soon, and the rest after a while.
const APP: &str = "const VERSION = 'version 1';
require('node:http').createServer((request, response) => {
  if (!request.url.endsWith('slow')) return response.end(VERSION);
  response.write('ver');
  setTimeout(() => response.end(VERSION.slice(3)), 300);
}).listen(3000);
";

const COMPOSE: &str = "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro']
";

fn app() -> Folder {
    Folder::of(&[("index.js", APP), ("compose.yaml", COMPOSE)])
}

#[test]
fn a_broken_release_leaves_the_one_before_serving_and_says_what_to_do() {
    let platform = Platform::builder().setting("health_timeout_s", 4).start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    let good = platform.live("app");
    let serving = platform.docker().container_of("app");

    let crash = "console.log('about to fall'); throw new Error('over the edge');";
    let deaf = "console.log('deaf'); setInterval(() => {}, 1000);";
    let inward = APP.replace("listen(3000)", "listen(3000, '127.0.0.1')");
    let elsewhere = APP.replace("listen(3000)", "listen(4567)");
    let broken: [(&str, &str, &str, &str); 5] = [
        // What is pushed, and what message, hint and log must say.
        (crash, "exited with code 1 before it was ready", "log", "over the edge"),
        ("syntax error here", "exited with code 1", "log", "SyntaxError"),
        (deaf, "does not answer on port 3000 after 4 s", "listens on no port", "deaf"),
        (&inward, "does not answer on port 3000", "127.0.0.1:3000", ""),
        (&elsewhere, "does not answer on port 3000", "4567", ""),
    ];
    for (source, message, hint, log) in broken {
        s3.cp(&app.write("index.js", source), "app/index.js");
        let status = platform.failed("app");
        assert_eq!(status["state"], "degraded", "{source}");
        assert_eq!(status["release"], good["release"], "{source}: the one before is still the release");
        let outcome = &status["deployment"]["outcome"];
        assert_eq!(outcome["service"], "app", "{source}");
        contains(&outcome["message"], message);
        contains(&outcome["hint"], hint);
        let lines = outcome["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let lines: Vec<&str> = lines.collect();
        assert!(lines.iter().any(|line| line.contains(log)) || log.is_empty(), "{lines:?}");

        assert_eq!(platform.get("/app"), (200, "version 1".to_owned()), "{source}");
        assert_eq!(platform.docker().container_of("app"), serving, "{source}: nothing else runs");
        let people = platform.cli(&["status", "app"]);
        let people = String::from_utf8_lossy(&people.stdout);
        assert!(people.contains(message) && people.contains("hint"), "people read it too: {people}");
    }

    s3.cp(&app.write("index.js", APP.replace("version 1", "version 2")), "app/index.js");
    let status = platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 2".to_owned()));
    assert_ne!(status["release"], good["release"]);
}

#[test]
fn a_first_release_that_is_broken_fails_and_mending_it_goes_live() {
    let platform = Platform::builder().setting("health_timeout_s", 4).start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    app.write("index.js", "process.exit(3)");
    s3.sync(app.path(), "app");
    let status = platform.failed("app");
    assert_eq!(status["state"], "failed");
    contains(&status["deployment"]["outcome"]["message"], "exited with code 3");
    assert_eq!(platform.get("/app").0, 404, "nothing serves, and nothing pretends to");
    assert_eq!(platform.docker().containers(), Vec::<String>::new(), "nothing of it stays");

    s3.cp(&app.write("index.js", APP), "app/index.js");
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 1".to_owned()));
}

/// How many redeploys the load lasts for.
const REDEPLOYS: u32 = 20;
/// Between two requests of one connection: constant load, and time for the rest of the machine.
const PACE: Duration = Duration::from_millis(4);

#[test]
fn twenty_redeploys_under_constant_load_drop_no_request() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.sync(app.path(), "app");
    platform.live("app");
    let watches = [
        Watch { keep_alive: true, method: "GET", path: "/app" },
        Watch { keep_alive: false, method: "GET", path: "/app" },
        // What nobody between may ask for a second time: an answer that has begun, and what changes something.
        Watch { keep_alive: true, method: "GET", path: "/app/slow" },
        Watch { keep_alive: true, method: "POST", path: "/app" },
        Watch { keep_alive: false, method: "POST", path: "/app/slow" },
    ];
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let load = watches.each_ref().map(|watch| {
            let (done, asked_to_end) = mpsc::channel::<()>();
            let platform = &platform;
            (done, scope.spawn(move || watch.load(platform, &asked_to_end)))
        });
        for version in 2..=REDEPLOYS + 1 {
            let source = APP.replace("version 1", &format!("version {version}"));
            s3.cp(&app.write("index.js", source), "app/index.js");
            platform.live("app");
        }
        let end = |(done, watcher): (mpsc::Sender<()>, std::thread::ScopedJoinHandle<'_, Report>)| {
            drop(done);
            watcher.join().expect("the watcher does not panic")
        };
        load.into_iter().map(end).collect()
    });
    for (watch, report) in watches.iter().zip(&reports) {
        assert_eq!(report.failures, Vec::<String>::new(), "{watch:?}");
        let versions: Vec<u32> = report.versions.clone();
        assert!(versions.is_sorted(), "{watch:?}: never back to an older one: {versions:?}");
        assert_eq!(versions.last(), Some(&(REDEPLOYS + 1)), "{watch:?}");
        assert!(versions.len() > REDEPLOYS as usize / 2, "{watch:?} saw the redeploys: {versions:?}");
    }
    let requests: usize = reports.iter().map(|report| report.requests).sum();
    println!("{requests} requests during {REDEPLOYS} redeploys, none failed");
    assert!(requests > 1_000, "{requests} requests are no load");
}

/// One client that asks again and again.
#[derive(Debug)]
struct Watch {
    keep_alive: bool,
    method: &'static str,
    path: &'static str,
}

#[derive(Default)]
struct Report {
    requests: usize,
    failures: Vec<String>,
    /// The versions that answered, each where it first did.
    versions: Vec<u32>,
}

impl Watch {
    fn load(&self, platform: &Platform, asked_to_end: &mpsc::Receiver<()>) -> Report {
        let mut report = Report::default();
        let mut kept: Option<Connection> = None;
        let mut over = false;
        while !over {
            // One more after the last redeploy.
            over = asked_to_end.recv_timeout(PACE) != Err(mpsc::RecvTimeoutError::Timeout);
            report.requests += 1;
            let asked = kept.take().map_or_else(|| platform.connection(), Ok).and_then(|mut connection| {
                let body: &[u8] = if self.method == "POST" { b"a body" } else { b"" };
                let answer = connection.request(self.method, platform.host(), self.path, &[], body)?;
                Ok((connection, answer))
            });
            let (connection, answer) = match asked {
                Ok(asked) => asked,
                Err(error) => {
                    report.failures.push(error.to_string());
                    continue;
                }
            };
            let version = answer.body.strip_prefix("version ").and_then(|version| version.parse().ok());
            match version {
                Some(version) if answer.status == 200 => {
                    if report.versions.last() != Some(&version) {
                        report.versions.push(version);
                    }
                }
                _ => report.failures.push(format!("{} {}", answer.status, answer.body)),
            }
            // An orderly `connection: close` is a server's right.
            let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            kept = (self.keep_alive && !closes).then_some(connection);
        }
        report
    }
}

/// Shakes hands as a WebSocket, and sends back every line with its version.
const SOCKET: &str = "const VERSION = 'version 1';
const { createHash } = require('node:crypto');
const server = require('node:http').createServer((_, response) => response.end(VERSION));
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

#[test]
fn a_websocket_outlives_a_redeploy_until_the_drain_is_over() {
    let platform = Platform::builder().setting("drain_timeout_s", 6).start();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    s3.cp(&app.write("index.js", SOCKET), "app/index.js");
    s3.cp(&app.path().join("compose.yaml"), "app/compose.yaml");
    platform.live("app");
    let mut old = upgraded(&platform);
    assert_eq!(echo(&mut old, "hello"), Some("version 1: hello\n".to_owned()));

    s3.cp(&app.replace("index.js", "version 1", "version 2"), "app/index.js");
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 2".to_owned()));
    assert_eq!(echo(&mut upgraded(&platform), "hi"), Some("version 2: hi\n".to_owned()));
    assert_eq!(echo(&mut old, "still"), Some("version 1: still\n".to_owned()), "it goes on after the switch");

    // Nor does it stand in the way of the next release.
    s3.cp(&app.replace("index.js", "version 2", "version 3"), "app/index.js");
    platform.live("app");
    assert_eq!(platform.get("/app"), (200, "version 3".to_owned()));
    // And it does not keep the old container alive for ever.
    let gone = || (platform.docker().containers_of("app").len() == 1).then_some(());
    eventually("the old container is gone", Duration::from_secs(30), gone);
    assert_eq!(echo(&mut old, "over"), None);
}

#[test]
fn a_websocket_has_the_grace_that_its_service_asks_for_and_holds_no_deployment_up() {
    let platform = Platform::builder().setting("drain_timeout_s", 2).start();
    let s3 = platform.s3(Client::Boto3);
    let of = |name: &str, grace: &str| {
        let app = app();
        s3.cp(&app.write("compose.yaml", format!("{COMPOSE}    {grace}\n")), &format!("{name}/compose.yaml"));
        s3.cp(&app.write("index.js", SOCKET), &format!("{name}/index.js"));
        platform.live(name);
        app
    };
    let (app, other) = (of("app", "stop_grace_period: 2m"), of("other", "init: true"));
    let (mut first, mut brief) = (upgraded(&platform), upgraded_at(&platform, "/other"));

    for (name, folder) in [("app", &app), ("other", &other)] {
        s3.cp(&folder.replace("index.js", "version 1", "version 2"), &format!("{name}/index.js"));
        platform.live(name);
    }
    let gone = || (platform.docker().containers_of("other").len() == 1).then_some(());
    eventually("the usual time is over", Duration::from_secs(30), gone);
    assert_eq!(echo(&mut brief, "over"), None);
    assert_eq!(echo(&mut first, "still"), Some("version 1: still\n".to_owned()));

    // One release after the other, and a socket on each: when there is no room any more, the oldest makes some.
    let mut sockets = Vec::new();
    for version in 3..=10 {
        sockets.push(upgraded(&platform));
        let next = SOCKET.replace("version 1", &format!("version {version}"));
        s3.cp(&app.write("index.js", next), "app/index.js");
        platform.live("app");
        assert_eq!(platform.get("/app"), (200, format!("version {version}")));
    }
    assert_eq!(echo(&mut first, "over"), None, "it has made room");
    let last = sockets.last_mut().expect("there are some");
    assert_eq!(echo(last, "still"), Some("version 9: still\n".to_owned()));

    // Who stops it does not wait for them either.
    let began = std::time::Instant::now();
    assert!(platform.cli(&["stop", "app"]).status.success());
    let stopped = || platform.docker().containers_of("app").is_empty().then_some(());
    eventually("nothing of it runs", Duration::from_secs(60), stopped);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

fn upgraded(platform: &Platform) -> Connection {
    upgraded_at(platform, "/app")
}

fn upgraded_at(platform: &Platform, path: &str) -> Connection {
    let mut connection = platform.connection().expect("the edge answers");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = connection.request("GET", platform.host(), path, &headers, b"").expect("an answer");
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
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

#[track_caller]
fn contains(value: &Value, part: &str) {
    assert!(value.as_str().is_some_and(|text| text.contains(part)), "{value} does not say {part:?}");
}
