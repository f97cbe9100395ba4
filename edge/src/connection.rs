//! One client's connection: HTTP/1.1, or HTTP/2 when the client begins with it. It ends when the client ends
//! it, when no request has come for a while, or when the edge shuts down.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::forward;
use crate::listen::Listening;
use crate::options::Options;
use crate::patience::Patient;

pub(crate) type HttpBuilder = auto::Builder<TokioExecutor>;

/// Who is connected, as long as the connection or a tunnel made of it lasts.
pub(crate) struct Visitor {
    pub listening: Arc<Listening>,
    pub peer: IpAddr,
    activity: Arc<Activity>,
    _place: OwnedSemaphorePermit,
}

/// Held while a request is under way.
pub(crate) struct Busy(Arc<Activity>);

struct Activity {
    requests: AtomicU64,
    idle_since: Mutex<Instant>,
}

pub(crate) fn builder(options: &Options) -> HttpBuilder {
    let mut builder = HttpBuilder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(options.max_head_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_header_list_size(u32::try_from(options.max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(100)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024);
    builder
}

pub(crate) async fn carry(
    listening: Arc<Listening>,
    stream: TcpStream,
    peer: IpAddr,
    place: OwnedSemaphorePermit,
) {
    prepare(&stream);
    let edge = listening.edge.clone();
    let visitor = Arc::new(Visitor {
        activity: Arc::new(Activity { requests: AtomicU64::new(0), idle_since: Mutex::new(Instant::now()) }),
        listening: listening.clone(),
        peer,
        _place: place,
    });
    edge.connections.fetch_add(1, Ordering::Relaxed);
    let activity = visitor.activity.clone();
    let service = service_fn(move |request| {
        let visitor = visitor.clone();
        async move { Ok::<_, Infallible>(forward::respond(&visitor, request).await) }
    });
    let stream = TokioIo::new(Patient::new(stream, edge.options.stall_timeout));
    let mut http = pin!(listening.http.serve_connection_with_upgrades(stream, service));
    // Long enough for a client to read why the connection ends.
    const PARTING: Duration = Duration::from_secs(1);
    let mut parting = false;
    let mut deadline = Instant::now() + edge.options.head_timeout;
    loop {
        tokio::select! {
            ended = http.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a client's connection broke off");
                }
                return;
            }
            () = sleep_until(deadline) => match activity.idle_since() {
                _ if parting && activity.is_idle() => return,
                Some(since) if since + edge.options.head_timeout <= Instant::now() => {
                    http.as_mut().graceful_shutdown();
                    parting = true;
                    deadline = Instant::now() + PARTING;
                }
                since => deadline = since.unwrap_or_else(Instant::now) + edge.options.head_timeout,
            },
            () = listening.closing.cancelled(), if !parting => {
                http.as_mut().graceful_shutdown();
                parting = true;
                deadline = Instant::now() + PARTING;
            }
            () = listening.cut_off.cancelled() => return,
        }
    }
}

/// Small answers leave at once, and a peer that vanished is noticed even where nothing is sent.
fn prepare(stream: &TcpStream) {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let prepared =
        stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = prepared {
        // Only a connection that is already gone refuses them.
        tracing::debug!(%error, "cannot set a connection's options");
    }
}

impl Visitor {
    pub(crate) fn busy(&self) -> Busy {
        self.activity.requests.fetch_add(1, Ordering::SeqCst);
        Busy(self.activity.clone())
    }
}

impl Activity {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::SeqCst) == 0
    }

    /// `None` while a request is under way.
    fn idle_since(&self) -> Option<Instant> {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_idle().then_some(since)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.listening.edge.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
