//! What becomes of a request when its backend is not there, goes away, or does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloudyknight_core::route::RouteTable;
use cloudyknight_edge::Options;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::{Stage, Stand, read_to_end, read_until, route, until};

/// Answers the first `good` requests of each connection, and drops the connection when the next one comes.
async fn quitter(good: usize, asked: Arc<AtomicUsize>) -> Stand {
    Stand::raw(move |mut stream| {
        let asked = asked.clone();
        async move {
            for _ in 0..good {
                read_until(&mut stream, "\r\n\r\n").await;
                asked.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await.unwrap();
            }
            read_until(&mut stream, "\r\n\r\n").await;
            asked.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await
}

#[tokio::test]
async fn a_request_meets_no_backend_that_is_gone_while_another_is_there() {
    let (stage, gone, there) = (Stage::new().await, Stand::absent().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&gone, &there]);
    for _ in 0..10 {
        let request = Request::post("/").header("host", "h").body(Full::from("body")).unwrap();
        let (parts, told) = stage.ask(request).await;
        assert_eq!(parts.status, StatusCode::OK);
        assert!(told.ends_with("\n\nbody"), "{told}");
    }
}

#[tokio::test]
async fn a_request_that_waits_for_a_backend_which_is_gone_follows_the_new_table() {
    let (stage, gone, there) = (Stage::new().await, Stand::absent().await, Stand::named("there").await);
    stage.route("PathPrefix(`/`)", &[&gone]);
    let switch = async {
        until(|| async { stage.edge.stats().routes[0].retried > 0 }).await;
        stage.route("PathPrefix(`/`)", &[&there]);
    };
    let (answer, ()) = tokio::join!(stage.get("/"), switch);
    assert_eq!(answer.1, "there");
}

#[tokio::test]
async fn a_workspace_whose_backend_refuses_is_named_in_a_502() {
    let (stage, gone) = (Stage::new().await, Stand::absent().await);
    stage.route("PathPrefix(`/`)", &[&gone]);
    let (parts, text) = stage.get("/").await;
    assert_eq!(parts.status, StatusCode::BAD_GATEWAY);
    assert_eq!(parts.headers["x-cloudyknight-workspace"], "app");
    assert!(text.contains("cloudyknight logs app"), "{text}");
    let stats = stage.edge.stats().routes.remove(0);
    assert_eq!((stats.requests, stats.answers, stats.unreachable), (1, [0, 0, 0, 0, 1], 1));
    assert_eq!(stage.edge.in_flight(&gone.id), 0);
}

#[tokio::test]
async fn a_workspace_that_does_not_answer_in_time_is_named_in_a_504() {
    let stand = Stand::raw(|mut stream| async move {
        read_to_end(&mut stream).await;
    })
    .await;
    let stage =
        Stage::with(Options { response_timeout: Duration::from_millis(100), ..Options::default() }).await;
    stage.route("PathPrefix(`/`)", &[&stand]);
    let (parts, _) = stage.get("/").await;
    assert_eq!(parts.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(parts.headers["x-cloudyknight-workspace"], "app");
    assert_eq!(stage.edge.stats().routes[0].timed_out, 1);
    until(|| async { stage.edge.in_flight(&stand.id) == 0 }).await;
}

#[tokio::test]
async fn an_upload_that_takes_longer_than_the_timeout_is_no_timeout() {
    let timeout = Duration::from_millis(300);
    let (stage, echo) =
        (Stage::with(Options { response_timeout: timeout, ..Options::default() }).await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    let began = Instant::now();
    for _ in 0..40 {
        pace.tick().await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(began.elapsed() > timeout * 2);
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_not_blamed_on_the_workspace() {
    let timeout = Duration::from_millis(100);
    let (stage, echo) =
        (Stage::with(Options { response_timeout: timeout, ..Options::default() }).await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let answer = stage.raw("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(!answer.contains("x-cloudyknight-workspace"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_closes_just_as_it_is_used_again_fails_no_get() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (stage, quitter) = (Stage::new().await, quitter(1, asked.clone()).await);
    stage.route("PathPrefix(`/`)", &[&quitter]);
    for _ in 0..10 {
        let (parts, text) = stage.get("/").await;
        assert_eq!((parts.status, text.as_str()), (StatusCode::OK, "good"));
    }
    assert!(asked.load(Ordering::SeqCst) > 10, "no connection was used again, so none closed on a request");
}

#[tokio::test]
async fn what_a_backend_may_have_carried_out_is_not_sent_twice() {
    for (method, times) in [("GET", 2), ("PUT", 2), ("POST", 1), ("PATCH", 1)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (stage, quitter) = (Stage::new().await, quitter(0, asked.clone()).await);
        stage.route("PathPrefix(`/`)", &[&quitter]);
        let request =
            Request::builder().method(method).uri("/").header("host", "h").body(Full::default()).unwrap();
        let (parts, _) = stage.ask(request).await;
        assert_eq!(parts.status, StatusCode::BAD_GATEWAY);
        assert_eq!(asked.load(Ordering::SeqCst), times, "{method}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_not_trusted_for_long() {
    let asked = Arc::new(AtomicUsize::new(0));
    let quitter = quitter(1, asked.clone()).await;
    let stage =
        Stage::with(Options { backend_idle_timeout: Duration::from_millis(20), ..Options::default() }).await;
    stage.route("PathPrefix(`/`)", &[&quitter]);
    for _ in 0..5 {
        let request = Request::post("/").header("host", "h").body(Full::default()).unwrap();
        assert_eq!(stage.ask(request).await.1, "good");
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn two_routes_are_counted_apart_and_over_tables() {
    let (stage, one, gone) = (Stage::new().await, Stand::named("one").await, Stand::absent().await);
    let table = || {
        RouteTable::new(vec![
            route("a", "PathPrefix(`/a`)", &[&one]),
            route("b", "PathPrefix(`/b`)", &[&gone]),
        ])
    };
    for _ in 0..3 {
        stage.edge.replace(table()).unwrap();
        stage.get("/a").await;
    }
    stage.get("/b").await;
    stage.get("/c").await;
    let stats = stage.edge.stats();
    assert_eq!(stats.unrouted, 1);
    assert_eq!(
        stats.routes.iter().map(|route| route.answers).collect::<Vec<_>>(),
        [[0, 3, 0, 0, 0], [0, 0, 0, 0, 1]]
    );
}
