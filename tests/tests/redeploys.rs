//! Redeploys nobody notices: an app of two services under constant load, of every kind of connection, while it is redeployed
//! again and again, both services at once or one of them alone. No request is dropped, and none is answered from a half-state:
//! a front of one release never sees a back of another, be that one before, one that is not ready, or one that never will be.
//!
//! `CLOUDYKNIGHT_TEST_REDEPLOYS` says how often; 25 times otherwise.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloudyknight_tests::http::Connection;
use cloudyknight_tests::platform::Builder;
use cloudyknight_tests::{Client, Folder, Platform, eventually};

const COMPOSE: &str = "services:
  front:
    image: workspace-node-ephemeral:latest
    volumes: ['./front:/workspace:ro']
    command: node /workspace/front.js
    depends_on: [back]
    labels:
      traefik.enable: 'true'
      traefik.http.routers.front.rule: PathPrefix(`/app`)
      traefik.http.services.front.loadbalancer.server.port: '3000'
  back:
    image: workspace-node-ephemeral:latest
    volumes: ['./back:/workspace:ro']
    command: node /workspace/back.js
    expose: ['4000']
";

const BACK: &str = "const { version } = require('./version.js');
require('node:http').createServer((request, answer) => {
  if (request.url === '/slow') setTimeout(() => answer.end(version), 200);
  else answer.end(version);
}).listen(4000);
";

/// Answers with its own version and the back's; takes a body whole; streams; and shakes hands as a WebSocket. For a body it
/// asks the back on a connection that it keeps, otherwise on a new one, and so by name.
const FRONT: &str = "const { version } = require('./version.js');
const http = require('node:http');
const { createHash } = require('node:crypto');
const kept = new http.Agent({ keepAlive: true });
const back = (path, agent = false) => new Promise((done, failed) => {
  http.get({ host: 'back', port: 4000, path, agent }, (answer) => {
    let text = '';
    answer.on('data', (piece) => text += piece).on('end', () => done(text)).on('error', failed);
  }).on('error', failed);
});
const server = http.createServer(async (request, answer) => {
  try {
    if (request.url.endsWith('/stream')) {
      answer.write(`${version} `);
      return answer.end(await back('/slow'));
    }
    let size = 0;
    for await (const piece of request) size += piece.length;
    answer.end(`${version} ${await back('/', size > 0 ? kept : false)} ${size}`);
  } catch (error) {
    answer.writeHead(500).end(String(error));
  }
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
    `Sec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`);
  socket.on('data', async () => socket.write(`${version} ${await back('/')}\\n`));
  socket.on('error', () => {});
});
server.listen(3000);
";

const PACE: Duration = Duration::from_millis(10);
/// How long a socket is used; far less than it may live on after a switch.
const SOCKET: Duration = Duration::from_millis(1500);
const FAILURES: usize = 10;

fn version(n: u32) -> String {
    format!("exports.version = 'v{n}';\n")
}

/// What was seen from outside.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    /// What may answer: the versions of front and back in each release that was pushed to be live.
    releases: std::sync::Mutex<BTreeSet<(String, String)>>,
    requests: AtomicUsize,
    failures: std::sync::Mutex<Vec<String>>,
}

impl Seen {
    fn release(&self, front: u32, back: u32) {
        let pair = (format!("v{front}"), format!("v{back}"));
        self.releases.lock().expect("nobody panics here").insert(pair);
    }

    fn note(&self, kind: &str, answered: io::Result<String>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let failure = match answered {
            Ok(text) => {
                let mut words = text.split_whitespace();
                let pair =
                    words.next().zip(words.next()).map(|(front, back)| (front.to_owned(), back.to_owned()));
                if pair.is_some_and(|pair| self.releases.lock().expect("nobody panics here").contains(&pair))
                {
                    return;
                }
                format!("{kind}: {text:?}")
            }
            Err(error) => format!("{kind}: {error}"),
        };
        let mut failures = self.failures.lock().expect("nobody panics here");
        if failures.len() < FAILURES {
            failures.push(failure);
        }
    }

    fn go_on(&self) -> bool {
        let began = Instant::now();
        eventually("the time has come", Duration::from_secs(10), || (began.elapsed() >= PACE).then_some(()));
        !self.over.load(Ordering::Relaxed)
    }
}

fn ask(
    platform: &Platform,
    kept: &mut Option<Connection>,
    method: &str,
    path: &str,
    body: &[u8],
) -> io::Result<String> {
    let mut connection = kept.take().map_or_else(|| platform.connection(), Ok)?;
    let answer = connection.request(method, platform.host(), path, &[], body)?;
    if answer.status != 200 {
        return Err(io::Error::other(format!("{} {}", answer.status, answer.body)));
    }
    if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        *kept = Some(connection);
    }
    Ok(answer.body)
}

fn requests(platform: &Platform, seen: &Seen, kind: &str, method: &str, path: &str, keep: bool, body: &[u8]) {
    let mut kept = None;
    while seen.go_on() {
        seen.note(kind, ask(platform, &mut kept, method, path, body));
        if !keep {
            kept = None;
        }
    }
}

/// Sends half of a body, waits, and sends the rest.
fn uploads(platform: &Platform, seen: &Seen) {
    while seen.go_on() {
        let upload = || {
            let mut connection = platform.connection()?;
            let head =
                format!("POST /app HTTP/1.1\r\nhost: {}\r\ncontent-length: 200000\r\n\r\n", platform.host());
            let stream = connection.stream();
            stream.get_mut().write_all(head.as_bytes())?;
            stream.get_mut().write_all(&[b'x'; 100_000])?;
            let began = Instant::now();
            eventually("the time has come", Duration::from_secs(10), || {
                (began.elapsed() >= PACE * 20).then_some(())
            });
            stream.get_mut().write_all(&[b'x'; 100_000])?;
            let answer = connection.answer()?;
            match answer.status {
                200 if answer.body.ends_with(" 200000") => Ok(answer.body),
                status => Err(io::Error::other(format!("{status} {}", answer.body))),
            }
        };
        seen.note("upload", upload());
    }
}

/// Opens a socket, speaks for a while, and opens another one.
fn sockets(platform: &Platform, seen: &Seen) {
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    while seen.go_on() {
        let opened = platform.connection().and_then(|mut connection| {
            let answer = connection.request("GET", platform.host(), "/app", &headers, b"")?;
            if answer.status == 101 { Ok(connection) } else { Err(io::Error::other(answer.body)) }
        });
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                seen.note("socket", Err(error));
                continue;
            }
        };
        let began = Instant::now();
        while began.elapsed() < SOCKET && seen.go_on() {
            let stream = connection.stream();
            let mut line = String::new();
            let said = stream.get_mut().write_all(b"hello").and_then(|()| stream.read_line(&mut line));
            let failed = said.is_err();
            seen.note("socket", said.map(|_| line));
            if failed {
                break;
            }
        }
    }
}

/// The app with both of its services at version 0, live; pushed and asked for by a client.
fn begin(builder: Builder, compose: &str) -> (Platform, Folder, Seen) {
    // Long for a socket, so that one that is cut off is a failure; several releases drain at the same time.
    let platform = builder.setting("drain_timeout_s", 20).start();
    let app = Folder::of(&[
        ("compose.yaml", compose),
        ("front/front.js", FRONT),
        ("front/version.js", &version(0)),
        ("back/back.js", BACK),
        ("back/version.js", &version(0)),
    ]);
    platform.s3(Client::Boto3).sync(app.path(), "app");
    platform.live("app");
    let seen = Seen::default();
    seen.release(0, 0);
    (platform, app, seen)
}

/// Runs this under load of every kind, and fails if anybody noticed.
fn unnoticed(platform: &Platform, mut seen: Seen, what: impl FnOnce(&Seen)) -> usize {
    std::thread::scope(|scope| {
        let seen = &seen;
        scope.spawn(|| requests(platform, seen, "keep-alive", "GET", "/app", true, b""));
        scope.spawn(|| requests(platform, seen, "new connections", "GET", "/app", false, b""));
        scope.spawn(|| requests(platform, seen, "stream", "GET", "/app/stream", true, b""));
        scope.spawn(|| requests(platform, seen, "post", "POST", "/app", true, b"a body"));
        scope.spawn(|| uploads(platform, seen));
        scope.spawn(|| sockets(platform, seen));
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(seen)));
        seen.over.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    let requests = *seen.requests.get_mut();
    assert_eq!(seen.failures.into_inner().expect("nobody panicked"), Vec::<String>::new());
    assert!(requests > 500, "{requests} requests are no load");
    requests
}

#[track_caller]
fn only_the_live_release_is_left(platform: &Platform) {
    eventually("nothing else is left", Duration::from_secs(60), || {
        (platform.docker().containers().len() == 2).then_some(())
    });
}

#[test]
fn redeploys_of_two_services_drop_no_request_and_answer_none_from_a_half_state() {
    let times: u32 =
        std::env::var("CLOUDYKNIGHT_TEST_REDEPLOYS").map_or(25, |times| times.parse().expect("a number"));
    let (platform, app, seen) = begin(Platform::builder(), COMPOSE);
    let s3 = platform.s3(Client::Boto3);
    let mut took = Vec::new();
    let requests = unnoticed(&platform, seen, |seen| {
        for n in 1..=times {
            let began = Instant::now();
            seen.release(n, n);
            app.write("front/version.js", version(n));
            app.write("back/version.js", version(n));
            s3.sync(app.path(), "app");
            platform.live("app");
            took.push(began.elapsed());
        }
    });
    took.sort();
    println!("{requests} requests during {times} redeploys; median of a redeploy {:?}", took[took.len() / 2]);
    assert_eq!(platform.get("/app"), (200, format!("v{times} v{times} 0")));
    only_the_live_release_is_left(&platform);
}

#[test]
fn a_redeploy_of_one_service_alone_is_noticed_by_nobody_either() {
    let (platform, app, seen) = begin(Platform::builder(), COMPOSE);
    let s3 = platform.s3(Client::Boto3);
    let (mut front, mut back) = (0, 0);
    unnoticed(&platform, seen, |seen| {
        for service in ["front", "back", "back", "front", "back", "front", "front", "back", "back", "back"] {
            let changed = if service == "front" { &mut front } else { &mut back };
            *changed += 1;
            let source = version(*changed);
            seen.release(front, back);
            let path = format!("{service}/version.js");
            s3.cp(&app.write(&path, source), &format!("app/{path}"));
            platform.live("app");
        }
    });
    assert_eq!(platform.get("/app"), (200, format!("v{front} v{back} 0")));
    only_the_live_release_is_left(&platform);
}

/// A back that listens nowhere.
fn deaf(n: u32) -> String {
    BACK.replace("listen(4000)", &format!("on('never', () => {n})")) + "setInterval(() => {}, 1000);\n"
}

#[test]
fn a_back_that_never_gets_ready_is_seen_by_no_front() {
    let (platform, app, seen) = begin(Platform::builder().setting("health_timeout_s", 3), COMPOSE);
    let s3 = platform.s3(Client::Boto3);
    unnoticed(&platform, seen, |seen| {
        for n in 1..=3 {
            s3.cp(&app.write("back/back.js", deaf(n)), "app/back/back.js");
            let status = platform.failed("app");
            assert_eq!(status["deployment"]["outcome"]["service"], "back");
            // Then a good one, so that the next failure is beside another live release.
            seen.release(0, n);
            app.write("back/back.js", BACK);
            app.write("back/version.js", version(n));
            s3.sync(&app.path().join("back"), "app/back");
            platform.live("app");
        }
    });
    assert_eq!(platform.get("/app"), (200, "v0 v3 0".to_owned()));
    only_the_live_release_is_left(&platform);
}

#[test]
fn a_front_that_is_kept_finds_the_old_back_as_long_as_no_other_is_live() {
    let compose = COMPOSE.replace("    depends_on: [back]", "    x-cloudyknight: {strategy: recreate}");
    let (platform, app, seen) = begin(Platform::builder().setting("health_timeout_s", 3), &compose);
    let s3 = platform.s3(Client::Boto3);
    // What was there at first is free again, and its networks sort before those in use.
    s3.cp(&app.write("front/version.js", version(1)), "app/front/version.js");
    platform.live("app");
    only_the_live_release_is_left(&platform);
    seen.release(1, 0);
    let front = |platform: &Platform| {
        platform.docker().containers_of("app").into_iter().find(|(name, _)| name.contains("front"))
    };
    let before = front(&platform);
    unnoticed(&platform, seen, |_| {
        for n in 1..=2 {
            s3.cp(&app.write("back/back.js", deaf(n)), "app/back/back.js");
            let status = platform.failed("app");
            assert_eq!(status["deployment"]["outcome"]["service"], "back");
        }
    });
    assert_eq!(front(&platform), before, "a push of the back does not take it away");
}
