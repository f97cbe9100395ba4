//! Promise 5: a redeploy drops no request. The old backend is switched off, all at once, as soon as the edge
//! says that it is drained.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::stage::{Stage, Stand, text, until};

/// Answers after a moment, so that there is always something in flight.
async fn moment() -> Stand {
    let turn = AtomicUsize::new(0);
    Stand::new(move |request| {
        let pause = Duration::from_micros(200 * (turn.fetch_add(1, Ordering::Relaxed) % 10) as u64);
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            tokio::time::sleep(pause).await;
            text(body)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_switches_under_load_fail_no_request() {
    const SWITCHES: usize = 300;
    let stage = Arc::new(Stage::new().await);
    let mut current = moment().await;
    stage.route("PathPrefix(`/`)", &[&current]);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = |number: usize| {
        let (stage, over, answered) = (stage.clone(), over.clone(), answered.clone());
        tokio::spawn(async move {
            let client = Client::builder(TokioExecutor::new())
                .http2_only(number.is_multiple_of(4))
                .build_http::<Full<bytes::Bytes>>();
            while !over.load(Ordering::SeqCst) {
                let uri = format!("http://{}/x", stage.address);
                let (request, sent) = match number % 2 {
                    0 => (Request::get(uri), ""),
                    _ => (Request::post(uri), "what must not be lost"),
                };
                let response =
                    client.request(request.body(Full::from(sent)).unwrap()).await.expect("an answer");
                let status = response.status();
                let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
                assert_eq!((status.as_u16(), body.as_ref()), (200, sent.as_bytes()));
                answered.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let clients: Vec<_> = (0..16).map(client).collect();
    for _ in 0..SWITCHES {
        let next = moment().await;
        stage.route("PathPrefix(`/`)", &[&next]);
        until(|| async { stage.edge.in_flight(&current.id) == 0 }).await;
        // Dropped here: the listener and all connections of the old one.
        current = next;
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no request failed");
    }
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered > 2 * SWITCHES, "only {answered} requests: that was no load");
    let known = stage.edge.known_backends();
    assert_eq!(known.len(), 1, "backends that are drained are forgotten: {known:?}");
}

#[tokio::test]
async fn a_backend_stays_known_until_its_last_request_has_ended() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waits = gate.clone();
    let slow = Stand::new(move |_| {
        let waits = waits.clone();
        async move {
            waits.acquire().await.unwrap().forget();
            text("late")
        }
    })
    .await;
    let (stage, next) = (Stage::new().await, Stand::named("next").await);
    stage.route("PathPrefix(`/`)", &[&slow]);
    let switch = async {
        until(|| async { stage.edge.in_flight(&slow.id) == 1 }).await;
        stage.route("PathPrefix(`/`)", &[&next]);
        let known = stage.edge.known_backends();
        let old = known.iter().find(|backend| backend.id == slow.id).unwrap();
        assert_eq!((old.in_flight, old.in_table), (1, false));
        assert_eq!(stage.get("/").await.1, "next");
        gate.add_permits(1);
    };
    let (late, ()) = tokio::join!(stage.get("/"), switch);
    assert_eq!(late.1, "late");
    until(|| async { stage.edge.known_backends().len() == 1 }).await;
}
