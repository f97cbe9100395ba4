//! The webhook as an HTTP server of the platform's own process.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Head, Ingest, MAX_BODY, Unread};

/// Connections at once; more wait to be accepted. Each holds little until it has shown the token.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take to say what it wants; also how long a connection may stand idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the body may take, all of it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long requests under way may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the webhook until `shutdown` is done, then lets running requests finish for up to 10 seconds. The path of a
/// request does not matter.
pub async fn serve(
    listener: TcpListener,
    ingest: Arc<Ingest>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let stopping = CancellationToken::new();
    // Whichever way this ends, the connections hear of it.
    let _stop = stopping.clone().drop_guard();
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &ingest, &stopping, &connections) => {}
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "events did not finish in time; their senders try again");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    ingest: &Arc<Ingest>,
    stopping: &CancellationToken,
    connections: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (ingest, stopping) = (Arc::clone(ingest), stopping.clone());
                connections.spawn(async move {
                    connection(stream, ingest, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                // One connection that broke early, or too many open files: neither ends the server.
                tracing::warn!(%error, "could not accept a connection to the webhook");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, ingest: Arc<Ingest>, stopping: CancellationToken) {
    let answer = service_fn(move |request| {
        let ingest = Arc::clone(&ingest);
        async move { Ok::<_, Infallible>(answer(&ingest, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the webhook broke");
    }
}

async fn answer(ingest: &Ingest, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let head = Head {
        method: parts.method.as_str(),
        authorization: parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes()),
        length: body.size_hint().exact(),
    };
    let answer = ingest.answer(head, read(body)).await;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from_static(answer.text().as_bytes()))).expect("its parts are constants")
}

async fn read(body: Incoming) -> Result<Bytes, Unread> {
    match tokio::time::timeout(BODY_PATIENCE, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(error)) => Err(Unread::Broken(error)),
        Err(_) => Err(Unread::Late),
    }
}
