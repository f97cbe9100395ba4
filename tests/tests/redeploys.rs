//! Redeploys nobody notices: an app of two services under constant load, of every kind of connection, while it is redeployed
//! again and again. No request is dropped, and none is answered from a half-state: a front of one release never sees a back
//! of another.
//!
//! `CLOUDYKNIGHT_TEST_REDEPLOYS` says how often; 25 times otherwise.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloudyknight_tests::http::Connection;
use cloudyknight_tests::{Client, Folder, Platform, eventually};

const COMPOSE: &str = "services:
  front:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro']
    command: node /workspace/front.js
    depends_on: [back]
    labels:
      traefik.enable: 'true'
      traefik.http.routers.front.rule: PathPrefix(`/app`)
      traefik.http.services.front.loadbalancer.server.port: '3000'
  back:
    image: workspace-node-ephemeral:latest
    volumes: ['.:/workspace:ro']
    command: node /workspace/back.js
    expose: ['4000']
";

const BACK: &str = "const { version } = require('./version.js');
require('node:http').createServer((request, answer) => {
  if (request.url === '/slow') setTimeout(() => answer.end(version), 200);
  else answer.end(version);
}).listen(4000);
";

/// Answers with its own version and the back's; takes a body whole; streams; and shakes hands as a WebSocket.
const FRONT: &str = "const { version } = require('./version.js');
const http = require('node:http');
const { createHash } = require('node:crypto');
const back = (path) => new Promise((done, failed) => {
  http.get({ host: 'back', port: 4000, path, agent: false }, (answer) => {
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
    answer.end(`${version} ${await back('/')} ${size}`);
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
    requests: AtomicUsize,
    failures: std::sync::Mutex<Vec<String>>,
}

impl Seen {
    fn note(&self, kind: &str, answered: io::Result<String>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let failure = match answered {
            Ok(text) => {
                let mut words = text.split_whitespace();
                let (front, back) = (words.next(), words.next());
                if front.is_some_and(|word| word.starts_with('v')) && front == back {
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

#[test]
fn redeploys_of_two_services_drop_no_request_and_answer_none_from_a_half_state() {
    let times: u32 =
        std::env::var("CLOUDYKNIGHT_TEST_REDEPLOYS").map_or(25, |times| times.parse().expect("a number"));
    // Long for a socket, so that one that is cut off is a failure; several releases drain at the same time.
    let platform = Platform::builder().setting("drain_timeout_s", 20).start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[
        ("compose.yaml", COMPOSE),
        ("front.js", FRONT),
        ("back.js", BACK),
        ("version.js", &version(0)),
    ]);
    s3.sync(app.path(), "app");
    platform.live("app");
    let seen = Seen::default();
    let mut took = Vec::new();
    std::thread::scope(|scope| {
        let (platform, seen) = (&platform, &seen);
        scope.spawn(|| requests(platform, seen, "keep-alive", "GET", "/app", true, b""));
        scope.spawn(|| requests(platform, seen, "new connections", "GET", "/app", false, b""));
        scope.spawn(|| requests(platform, seen, "stream", "GET", "/app/stream", true, b""));
        scope.spawn(|| requests(platform, seen, "post", "POST", "/app", true, b"a body"));
        scope.spawn(|| uploads(platform, seen));
        scope.spawn(|| sockets(platform, seen));
        let redeploy = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for n in 1..=times {
                let began = Instant::now();
                s3.put("app/version.js", version(n));
                platform.live("app");
                took.push(began.elapsed());
            }
        }));
        seen.over.store(true, Ordering::Relaxed);
        redeploy.expect("every redeploy goes live");
    });
    took.sort();
    let (requests, failures) =
        (seen.requests.into_inner(), seen.failures.into_inner().expect("nobody panicked"));
    println!("{requests} requests during {times} redeploys; median of a redeploy {:?}", took[took.len() / 2]);
    assert_eq!(failures, Vec::<String>::new());
    assert!(requests > 500, "{requests} requests are no load");
    assert_eq!(platform.get("/app"), (200, format!("v{times} v{times} 0")));
    eventually("nothing else is left", Duration::from_secs(60), || {
        (platform.docker().containers().len() == 2).then_some(())
    });
}
