//! Bodies pass through as they come: nothing waits for their end, and nothing is piled up.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::stage::{Answered, Stage, Stand, read_to_end, read_until, text, until};

/// A body whose next chunk comes when the test permits it.
fn stepwise(steps: Arc<Semaphore>, chunks: usize) -> Answered {
    let stream = futures::stream::unfold((steps, 0), move |(steps, sent)| async move {
        if sent == chunks {
            return None;
        }
        steps.acquire().await.unwrap().forget();
        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(format!("<chunk {sent}>"))));
        Some((frame, (steps, sent + 1)))
    });
    Response::new(BodyExt::boxed(StreamBody::new(stream).map_err(|never| match never {})))
}

#[tokio::test]
async fn each_chunk_of_an_answer_arrives_before_the_next_is_made() {
    let steps = Arc::new(Semaphore::new(0));
    let given = steps.clone();
    let stand = Stand::new(move |_| std::future::ready(stepwise(given.clone(), 3))).await;
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    for chunk in 0..3 {
        assert_eq!(stage.edge.in_flight(&stand.id), 1);
        steps.add_permits(1);
        read_until(&mut stream, &format!("<chunk {chunk}>")).await;
    }
    read_to_end(&mut stream).await;
    until(|| async { stage.edge.in_flight(&stand.id) == 0 }).await;
}

#[tokio::test]
async fn a_large_upload_arrives_whole_while_it_is_sent() {
    const SIZE: u64 = 200 * 1024 * 1024;
    let received = Arc::new(AtomicU64::new(0));
    let counted = received.clone();
    let stand = Stand::new(move |request| {
        let counted = counted.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                counted.fetch_add(data.len() as u64, Ordering::SeqCst);
            }
            text(counted.load(Ordering::SeqCst).to_string())
        }
    })
    .await;
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![7u8; 1024 * 1024];
    for _ in 0..SIZE / 1024 / 1024 {
        stream.write_all(&block).await.unwrap();
    }
    assert!(read_to_end(&mut stream).await.ends_with(&SIZE.to_string()));
}

#[tokio::test]
async fn a_backend_that_does_not_read_stops_the_client_and_fills_no_memory() {
    let stand = Stand::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    let block = vec![7u8; 1024 * 1024];
    let mut sent = 0;
    // Stopped means: no megabyte goes out in half a second.
    while tokio::time::timeout(Duration::from_millis(500), stream.write_all(&block)).await.is_ok() {
        sent += 1;
        assert!(sent < 64, "the edge takes what its backend does not");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_backend() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    until(|| async { stage.edge.in_flight(&echo.id) == 1 }).await;
    drop(stream);
    until(|| async { stage.edge.in_flight(&echo.id) == 0 && stage.edge.stats().connections == 0 }).await;
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_go_on_when_the_backend_takes_the_body() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let first = read_until(&mut stream, "\r\n\r\n").await;
    assert!(first.starts_with("HTTP/1.1 100 Continue"), "{first}");
    stream.write_all(b"hello").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\n\nhello"), "{answer}");
    assert!(!answer.contains("\nexpect:"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_is_not_told_to_go_on_when_nobody_takes_the_body() {
    let stage = Stage::new().await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let answer = stage.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn chunked_bodies_and_head_answers_keep_their_framing() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = stage.raw(chunked).await;
    assert!(answer.contains("\ntransfer-encoding: chunked\n") && answer.ends_with("\n\nabcde"), "{answer}");
    let answer = stage.raw("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("\r\ncontent-length: ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_passed_on_as_whole() {
    let stand = Stand::raw(|mut stream| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            .await
            .unwrap();
    })
    .await;
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let answer = stage.raw("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.contains("half") && !answer.contains("\r\n0\r\n"), "{answer}");
}
