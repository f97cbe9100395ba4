//! WebSockets and whatever else switches protocols.

use http::Response;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::{Stage, Stand, read_to_end, read_until, until};

const ASK: &str = "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

/// Switches to a protocol that sends back what it gets.
async fn parrot() -> Stand {
    Stand::new(|mut request| async move {
        let switched = hyper::upgrade::on(&mut request);
        let protocol = request.headers()["upgrade"].clone();
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(switched.await.unwrap()));
            // Ends when the client does, in whatever way.
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.shutdown().await;
        });
        let response =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", protocol);
        response
            .header("sec-websocket-accept", "a")
            .body(Empty::new().map_err(|never| match never {}).boxed())
            .unwrap()
    })
    .await
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways_and_is_in_flight_until_it_closes() {
    let (stage, parrot) = (Stage::new().await, parrot().await);
    stage.route("PathPrefix(`/`)", &[&parrot]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for field in ["upgrade: websocket\r\n", "connection: upgrade\r\n", "sec-websocket-accept: a\r\n"] {
        assert!(head.to_lowercase().contains(field), "{head}");
    }
    stage.edge.replace(Default::default()).unwrap();
    for word in ["one", "two", "three"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        read_until(&mut stream, word).await;
        assert_eq!(stage.edge.in_flight(&parrot.id), 1);
    }
    assert_eq!(stage.edge.stats().connections, 1);
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    until(|| async { stage.edge.in_flight(&parrot.id) == 0 && stage.edge.stats().connections == 0 }).await;
}

#[tokio::test]
async fn what_a_client_sends_right_behind_its_upgrade_is_not_lost() {
    let (stage, parrot) = (Stage::new().await, parrot().await);
    stage.route("PathPrefix(`/`)", &[&parrot]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(format!("{ASK}early bytes").as_bytes()).await.unwrap();
    read_until(&mut stream, "early bytes").await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "x-real-ip").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\nupgrade: websocket\n"), "{answer}");
    until(|| async { stage.edge.in_flight(&echo.id) == 0 }).await;
}

#[tokio::test]
async fn no_tunnel_opens_to_another_http() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let answer = stage
        .raw("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("\nupgrade") && !answer.contains("http2-settings"), "{answer}");
}

#[tokio::test]
async fn a_backend_that_switches_unasked_is_no_answer() {
    let stand = Stand::raw(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            .await
            .unwrap();
        read_to_end(&mut stream).await;
    })
    .await;
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let (parts, _) = stage.get("/").await;
    assert_eq!(parts.status, 502);
}
