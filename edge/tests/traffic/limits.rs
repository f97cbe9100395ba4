//! What a client can hold, and for how long; and how the edge goes.

use std::time::Duration;

use cloudyknight_edge::Options;
use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{PATIENCE, Stage, Stand, read_to_end, read_until, text, until};

const SHORT: Duration = Duration::from_millis(150);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn a_connection_that_sends_no_whole_request_is_closed_in_time() {
    let stage = Stage::with(Options { head_timeout: SHORT, ..Options::default() }).await;
    // Nothing; half an HTTP/2 preface; a head without its end; an idle connection after a request.
    for begin in ["", "PRI * HT", "GET / HTTP/1.1\r\nHost: h\r\nX: ", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"] {
        stage.raw(begin).await;
    }
    // An HTTP/2 client that asks for nothing.
    stage.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    until(|| async { stage.edge.stats().connections == 0 }).await;
}

#[tokio::test]
async fn a_head_that_trickles_in_is_closed_in_time() {
    let stage = Stage::with(Options { head_timeout: SHORT, ..Options::default() }).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").await.unwrap();
    let trickle = async {
        let mut pace = tokio::time::interval(SHORT / 10);
        loop {
            pace.tick().await;
            if stream.write_all(b"X: y\r\n").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("the edge closes");
}

#[tokio::test]
async fn a_request_that_is_under_way_is_not_idle() {
    let stand = Stand::new(|_| async {
        tokio::time::sleep(SHORT * 4).await;
        text("late")
    })
    .await;
    let stage = Stage::with(Options { head_timeout: SHORT, ..Options::default() }).await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    assert_eq!(stage.get("/").await.1, "late");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let stage = Stage::with(Options { max_head_bytes: 8 * 1024, ..Options::default() }).await;
    let answer = stage.raw(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(100_000))).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let answer = stage.raw(format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_places_wait_for_one_to_end() {
    let (stage, stand) = (
        Stage::with(Options { max_connections: 2, ..Options::default() }).await,
        Stand::named("there").await,
    );
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut first = TcpStream::connect(stage.address).await.unwrap();
    let second = TcpStream::connect(stage.address).await.unwrap();
    until(|| async { stage.edge.stats().connections == 2 }).await;
    let mut third = TcpStream::connect(stage.address).await.unwrap();
    third.write_all(GET).await.unwrap();
    let mut byte = [0];
    assert!(
        tokio::time::timeout(SHORT, third.read(&mut byte)).await.is_err(),
        "a third connection was taken"
    );
    first.write_all(GET).await.unwrap();
    read_until(&mut first, "there").await;
    drop(second);
    read_until(&mut third, "there").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_frees_the_backend() {
    let large = vec![7u8; 64 * 1024 * 1024];
    let stand = Stand::new(move |_| {
        let body = Full::from(large.clone()).map_err(|never| match never {}).boxed();
        async { Response::new(body) }
    })
    .await;
    let stage = Stage::with(Options { stall_timeout: SHORT, ..Options::default() }).await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    until(|| async { stage.edge.in_flight(&stand.id) == 1 }).await;
    until(|| async { stage.edge.in_flight(&stand.id) == 0 && stage.edge.stats().connections == 0 }).await;
}

#[tokio::test]
async fn on_shutdown_what_is_under_way_finishes_and_nothing_new_begins() {
    let (stand, gate) = gated().await;
    let mut stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut idle = TcpStream::connect(stage.address).await.unwrap();
    let mut busy = TcpStream::connect(stage.address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    until(|| async { stage.edge.in_flight(&stand.id) == 1 && stage.edge.stats().connections == 2 }).await;
    stage.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    until(|| async { TcpStream::connect(stage.address).await.is_err() }).await;
    gate.add_permits(1);
    let answer = read_to_end(&mut busy).await;
    assert!(answer.ends_with("late") && answer.contains("connection: close\r\n"), "{answer}");
    tokio::time::timeout(PATIENCE, &mut stage.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn on_shutdown_what_does_not_finish_is_cut_off_after_the_grace_period() {
    let (stand, _gate) = gated().await;
    let mut stage = Stage::with(Options { grace: SHORT, ..Options::default() }).await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut busy = TcpStream::connect(stage.address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    until(|| async { stage.edge.in_flight(&stand.id) == 1 }).await;
    stage.stop.cancel();
    tokio::time::timeout(PATIENCE, &mut stage.served).await.unwrap().unwrap();
    assert_eq!(read_to_end(&mut busy).await, "");
}

/// A backend that answers when the test lets it.
async fn gated() -> (Stand, std::sync::Arc<tokio::sync::Semaphore>) {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waits = gate.clone();
    let stand = Stand::new(move |_| {
        let waits = waits.clone();
        async move {
            waits.acquire().await.unwrap().forget();
            text("late")
        }
    });
    (stand.await, gate)
}
