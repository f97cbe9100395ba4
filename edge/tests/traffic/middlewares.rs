//! Middlewares as clients meet them: what they change, answer and compress, and that nothing waits for them.

use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use cloudyknight_core::middleware::{BasicAuth, Compress, Headers, Middleware, RateLimit, StripPrefix};
use cloudyknight_core::route::{Route, RouteTable};
use cloudyknight_core::rule::Syntax;
use cloudyknight_edge::{Edge, Options};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::stage::{Answered, Stage, Stand, client, read_until, route, text, until};

/// `me:password`.
const ME: &str = "me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
const AUTHORIZATION: &str = "Basic bWU6cGFzc3dvcmQ=";

fn auth() -> Middleware {
    Middleware::BasicAuth(BasicAuth { users: vec![ME.into()], ..BasicAuth::default() })
}

fn adds(name: &str, value: &str) -> Middleware {
    let custom_response_headers = [(name.to_owned(), value.to_owned())].into();
    Middleware::Headers(Box::new(Headers { custom_response_headers, ..Headers::default() }))
}

fn table(rule: &str, middlewares: Vec<Middleware>, stands: &[&Stand]) -> RouteTable {
    RouteTable::new(vec![Route { syntax: Syntax::V3, middlewares, ..route("app", rule, stands) }])
}

async fn status(stage: &Stage, path: &str, authorization: Option<&str>) -> u16 {
    let mut request = Request::get(path).header("host", "h");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    stage.ask(request.body(Full::default()).unwrap()).await.0.status.as_u16()
}

#[tokio::test]
async fn nothing_leads_around_a_guard() {
    let (stage, open, guarded) =
        (Stage::new().await, Stand::named("open").await, Stand::named("guarded").await);
    let strip = Middleware::StripPrefix(StripPrefix { prefixes: vec!["/admin".into()], force_slash: None });
    let routes = vec![
        Route { syntax: Syntax::V3, ..route("open", "PathPrefix(`/`)", &[&open]) },
        Route {
            syntax: Syntax::V3,
            middlewares: vec![auth(), strip],
            ..route("guarded", "PathPrefix(`/admin`)", &[&guarded])
        },
    ];
    stage.edge.replace(RouteTable::new(routes)).unwrap();
    for path in ["/admin", "/admin/x", "//admin", "/x/../admin/", "/%61dmin", "/./admin", "/x/%2e%2E/admin"] {
        let answer = stage.raw(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        let told = answer.to_lowercase();
        assert!(told.contains("www-authenticate: basic realm=\"traefik\""), "{path}: {answer}");
    }
    assert_eq!(status(&stage, "/admin", Some(AUTHORIZATION)).await, 200);
    assert_eq!(status(&stage, "/other", None).await, 200);
}

#[tokio::test]
async fn what_an_inner_one_answers_passes_the_outer_ones() {
    let (stage, stand) = (Stage::new().await, Stand::named("there").await);
    let middlewares = vec![adds("x-outer", "1"), auth(), adds("x-inner", "1")];
    stage.edge.replace(table("PathPrefix(`/`)", middlewares, &[&stand])).unwrap();
    let (refused, _) = stage.get("/").await;
    assert_eq!((refused.status.as_u16(), &refused.headers["x-outer"]), (401, &"1".parse().unwrap()));
    assert!(!refused.headers.contains_key("x-inner"));
    assert_eq!(stage.edge.stats().routes[0].answers, [0, 0, 0, 1, 0]);
    // Also what the edge says about a backend that does not answer.
    stage
        .edge
        .replace(table("PathPrefix(`/`)", vec![adds("x-outer", "1")], &[&Stand::absent().await]))
        .unwrap();
    let (failed, _) = stage.get("/").await;
    assert_eq!((failed.status.as_u16(), &failed.headers["x-outer"]), (502, &"1".parse().unwrap()));
}

#[tokio::test]
async fn a_websocket_goes_through_all_of_them() {
    let stand = Stand::new(|mut request| async move {
        let switched = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(switched.await.unwrap()));
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        let response =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        response.body(Empty::new().map_err(|never| match never {}).boxed()).unwrap()
    })
    .await;
    let stage = Stage::new().await;
    let middlewares = vec![Middleware::Compress(Compress::default()), adds("x-a", "1"), auth()];
    stage.edge.replace(table("PathPrefix(`/`)", middlewares, &[&stand])).unwrap();
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let ask = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\n\
         Authorization: {AUTHORIZATION}\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("x-a: 1") && !head.contains("content-encoding"),
        "{head}"
    );
    stream.write_all(b"echo").await.unwrap();
    read_until(&mut stream, "echo").await;
    drop(stream);
    until(|| async { stage.edge.in_flight(&stand.id) == 0 }).await;
}

#[tokio::test]
async fn each_event_of_a_compressed_stream_arrives_before_the_next_is_made() {
    for encoding in ["gzip", "br", "zstd"] {
        let steps = Arc::new(Semaphore::new(0));
        let given = steps.clone();
        let stand = Stand::new(move |_| std::future::ready(events(given.clone()))).await;
        let stage = Stage::new().await;
        let compress = Middleware::Compress(Compress::default());
        stage.edge.replace(table("PathPrefix(`/`)", vec![compress], &[&stand])).unwrap();
        let request = Request::get(format!("http://{}/", stage.address)).header("accept-encoding", encoding);
        let response = client().request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        let (mut body, mut received) = (response.into_body(), Vec::new());
        for event in 0..3 {
            steps.add_permits(1);
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            received.extend_from_slice(&frame);
            let read = readable(encoding, &received);
            assert!(read.ends_with(&format!("data: {event}\n\n")), "{encoding}: {read:?}");
        }
    }
}

/// An event each time the test permits it.
fn events(steps: Arc<Semaphore>) -> Answered {
    let stream = futures::stream::unfold((steps, 0), |(steps, sent)| async move {
        steps.acquire().await.unwrap().forget();
        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(format!("data: {sent}\n\n"))));
        Some((frame, (steps, sent + 1)))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(stream).map_err(|never| match never {})));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

/// As much as can be read of a stream that has not ended.
fn readable(encoding: &str, bytes: &[u8]) -> String {
    let mut reader: Box<dyn Read> = match encoding {
        "gzip" => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        _ => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
    };
    let (mut read, mut some) = (Vec::new(), [0; 512]);
    while let Ok(count @ 1..) = reader.read(&mut some) {
        read.extend_from_slice(&some[..count]);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_large_answer_is_the_same_once_it_is_unpacked() {
    let page: String = (0..200_000).map(|line| format!("<p>{line}</p>\n")).collect();
    let sent = page.clone();
    let stand = Stand::new(move |_| std::future::ready(text(sent.clone()))).await;
    let stage = Stage::new().await;
    let compress = Middleware::Compress(Compress::default());
    stage.edge.replace(table("PathPrefix(`/`)", vec![compress], &[&stand])).unwrap();
    for encoding in ["gzip", "br", "zstd"] {
        let request = Request::get(format!("http://{}/", stage.address)).header("accept-encoding", encoding);
        let response = client().request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["vary"], "Accept-Encoding");
        let packed = response.into_body().collect().await.unwrap().to_bytes();
        assert!(packed.len() < page.len() / 3, "{encoding}: {}", packed.len());
        assert!(readable(encoding, &packed) == page, "{encoding}");
    }
    until(|| async { stage.edge.in_flight(&stand.id) == 0 }).await;
}

#[tokio::test]
async fn a_limit_counts_on_over_new_tables_as_long_as_it_stays_the_same() {
    let (stage, one, two) = (Stage::new().await, Stand::named("one").await, Stand::named("two").await);
    let limit = |average| Middleware::RateLimit(RateLimit { average, period: "1h".into(), burst: 2 });
    stage.edge.replace(table("PathPrefix(`/`)", vec![limit(1)], &[&one])).unwrap();
    assert_eq!((status(&stage, "/", None).await, status(&stage, "/", None).await), (200, 200));
    stage.edge.replace(table("PathPrefix(`/`)", vec![limit(1)], &[&two])).unwrap();
    assert_eq!(status(&stage, "/", None).await, 429);
    stage.edge.replace(table("PathPrefix(`/`)", vec![limit(2)], &[&two])).unwrap();
    assert_eq!(status(&stage, "/", None).await, 200);
}

#[tokio::test]
async fn a_table_that_an_older_edge_saved_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("routes.json");
    let old = r#"{"version":1,"routes":[{"workspace":"app","name":"app","rule":"PathPrefix(`/a`)","strip_prefixes":["/a"],
        "backends":[{"id":"x","address":"127.0.0.1:1"}]}]}"#;
    std::fs::write(&saved, old).unwrap();
    let edge = Edge::new(Options { saved_table: Some(saved), ..Options::default() });
    assert_eq!(
        (edge.routes().version, edge.routes().routes[0].strip_prefixes.as_slice()),
        (1, &["/a".to_owned()][..])
    );
    // And a table that needs nothing newer is one that an older edge takes.
    let plain = RouteTable::new(edge.routes().routes);
    assert!(plain.version == 1 && !serde_json::to_string(&plain).unwrap().contains("middlewares"));
    assert_eq!(table("Host(`a`)", vec![auth()], &[]).version, 2);
}
