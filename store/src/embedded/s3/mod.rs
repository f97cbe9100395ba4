//! The S3 protocol in front of the embedded store: what any S3 client speaks, with signatures always required.
//!
//! `s3s` reads and writes the protocol and checks signatures; `gate` and `rechunk` stand before it, and `service`
//! behind it leads each operation to its module.

mod attributes;
mod auth;
mod body;
mod buckets;
mod checksum;
mod copy;
mod error;
mod gate;
mod listing;
mod multipart;
mod read;
mod rechunk;
mod service;
mod tagging;
mod write;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::USER_AGENT;
use http::{Request, Response};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::rechunk::Rechunk;
use self::service::Service;
use super::{EmbeddedStore, witness};

/// The one key pair that signs requests.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
}

/// Connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// For the head of a request.
const HEADER_PATIENCE: Duration = Duration::from_secs(30);
/// How long running requests may take to finish at the end.
const DRAIN: Duration = Duration::from_secs(30);
/// Serves S3 until `shutdown` is done, then lets running requests finish for up to 30 seconds.
pub async fn serve(
    listener: TcpListener,
    store: Arc<EmbeddedStore>,
    credentials: Credentials,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), std::io::Error> {
    let service = protocol(store, credentials);
    let stopping = CancellationToken::new();
    // Whichever way this ends, the connections hear of it.
    let _stop = stopping.clone().drop_guard();
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (service, stopping) = (service.clone(), stopping.clone());
                connections.spawn(async move {
                    connection(stream, service, stopping).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // One connection that broke early, or too many open files: neither ends the server.
                tracing::warn!(%error, "could not accept an S3 connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    stopping.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "S3 requests did not finish in time");
    }
    Ok(())
}

fn protocol(store: Arc<EmbeddedStore>, credentials: Credentials) -> S3Service {
    let mut config = S3Config::default();
    config.xml_max_body_size = gate::MAX_DOCUMENT;
    // Form uploads are refused before they get here; should one pass, it finds no room.
    config.post_object_max_file_size = 0;
    config.form_max_fields_size = 64 << 10;
    config.form_max_field_size = 16 << 10;
    let mut builder = S3ServiceBuilder::new(Service { store });
    builder.set_auth(credentials);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}

async fn connection(stream: TcpStream, service: S3Service, stopping: CancellationToken) {
    // Answers are small and whole; waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let answer = service_fn(move |request| answer(service.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
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
        tracing::debug!(%error, "an S3 connection broke");
    }
}

async fn answer(service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    let (head, body) = request.into_parts();
    if let Some(refused) = gate::refused(&head) {
        return refused.to_http_response().map_err(|error| HttpError::new(Box::new(error)));
    }
    let kind = head.headers.get("x-amz-content-sha256").map(|value| value.as_bytes());
    let body = if kind.is_some_and(|kind| kind.starts_with(b"STREAMING-")) {
        Body::http_body_unsync(StreamBody::new(rechunked(body)))
    } else {
        Body::from(body)
    };
    let is_of_witness = head.headers.get(USER_AGENT).is_some_and(|agent| agent == witness::AGENT);
    let answered = service.call(Request::from_parts(head, body));
    if is_of_witness { witness::untold(answered).await } else { answered.await }
}

fn rechunked(
    body: Incoming,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, BodyError>> + Send + 'static {
    let mut rechunk = Rechunk::default();
    BodyStream::new(body)
        .map(move |frame| {
            let data = match frame {
                Err(error) => return vec![Err(BodyError::Connection(error))],
                Ok(frame) => frame.into_data().unwrap_or_default(),
            };
            match rechunk.feed(data) {
                Err(error) => vec![Err(BodyError::Framing(error))],
                Ok(pieces) => pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect(),
            }
        })
        .flat_map(stream::iter)
}

#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("the connection broke")]
    Connection(#[source] hyper::Error),
    #[error("the framing of the body is broken")]
    Framing(#[source] rechunk::FramingError),
}

impl fmt::Debug for Credentials {
    /// Without the secret, which has no business in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}
