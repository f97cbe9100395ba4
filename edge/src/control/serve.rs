//! The edge's side of the control socket. Switches take turns, so that the file holds what is in force.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::route::RouteTable;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Health, InForce, Refusal};
use crate::edge::Edge;

/// Tens of thousands of routes.
const MAX_TABLE_BYTES: usize = 32 * 1024 * 1024;
/// What is under way when the edge shuts down has this long.
const GRACE: Duration = Duration::from_secs(5);

struct Control {
    edge: Arc<Edge>,
    switching: Mutex<()>,
}

/// Answers the agent at `listener` until `shutdown` resolves.
pub async fn serve(edge: Arc<Edge>, listener: UnixListener, shutdown: impl Future<Output = ()>) {
    let control = Arc::new(Control { edge, switching: Mutex::new(()) });
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connection(control.clone(), stream, closing.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection on the control socket");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            () = &mut shutdown => break,
        }
    }
    closing.cancel();
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!("a request on the control socket was cut off");
    }
}

async fn connection(control: Arc<Control>, stream: UnixStream, closing: CancellationToken) {
    let service = service_fn(move |request| {
        let control = control.clone();
        async move { Ok::<_, Infallible>(control.answer(request).await) }
    });
    let http = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    let ended = tokio::select! {
        ended = http.as_mut() => ended,
        () = closing.cancelled() => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection on the control socket broke off");
    }
}

impl Control {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let edge = &self.edge;
        match (request.method(), request.uri().path()) {
            (&Method::PUT, "/routes") => match self.put_routes(request.into_body()).await {
                Ok(in_force) => json(StatusCode::OK, &in_force),
                Err((status, error)) => json(status, &Refusal { error }),
            },
            (&Method::GET, "/routes") => json(StatusCode::OK, &edge.routes()),
            (&Method::GET, "/backends") => json(StatusCode::OK, &edge.known_backends()),
            (&Method::GET, "/stats") => json(StatusCode::OK, &edge.stats()),
            (&Method::GET, "/health") => json(
                StatusCode::OK,
                &Health { generation: edge.generation(), routes: edge.routes().routes.len() },
            ),
            (method, path) => json(
                StatusCode::NOT_FOUND,
                &Refusal { error: format!("the control socket has no {method} {path}") },
            ),
        }
    }

    async fn put_routes(&self, body: Incoming) -> Result<InForce, (StatusCode, String)> {
        let body = Limited::new(body, MAX_TABLE_BYTES).collect().await;
        let body =
            body.map_err(|error| (StatusCode::BAD_REQUEST, format!("the table cannot be read: {error}")))?;
        let table: RouteTable = serde_json::from_slice(&body.to_bytes())
            .map_err(|error| (StatusCode::BAD_REQUEST, format!("the body is no table: {error}")))?;
        let _turn = self.switching.lock().await;
        let generation =
            self.edge.replace(table).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, story(&error)))?;
        tracing::info!(generation, "new routes in force");
        let edge = self.edge.clone();
        // Traffic has switched already; the disk does not hold it up.
        let saved = tokio::task::spawn_blocking(move || edge.save()).await;
        let not_saved = match saved {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(story(&error)),
            Err(error) => Some(error.to_string()),
        };
        if let Some(cause) = &not_saved {
            tracing::error!(generation, cause, "the routes in force are not saved");
        }
        Ok(InForce { generation, not_saved })
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let text = serde_json::to_vec(value).expect("what the control socket says is plain data");
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error with its causes, in one line.
fn story(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
