//! Where traffic comes in: accepts connections up to a bound, and on shutdown lets what is under way finish.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, HttpBuilder};
use crate::edge::Edge;

/// What the connections of one listener share.
pub(crate) struct Listening {
    pub edge: Arc<Edge>,
    pub http: HttpBuilder,
    /// Connections and tunnels under way.
    pub tasks: TaskTracker,
    /// No further request is taken.
    pub closing: CancellationToken,
    /// The time to finish is over.
    pub cut_off: CancellationToken,
}

/// Carries the traffic that arrives at `listener` until `shutdown` resolves. Then it accepts nothing more, tells
/// clients to close, and returns when all requests and tunnels have ended, at the latest after
/// [`crate::Options::grace`].
pub async fn serve(edge: Arc<Edge>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let listening = Arc::new(Listening {
        http: connection::builder(&edge.options),
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        cut_off: CancellationToken::new(),
        edge,
    });
    tokio::select! {
        never = accept(&listening, &listener) => match never {},
        () = shutdown => {}
    }
    drop(listener);
    finish(&listening).await;
}

async fn accept(listening: &Arc<Listening>, listener: &TcpListener) -> Infallible {
    /// Out of file descriptors, mostly: connections that end give some back.
    const PAUSE: Duration = Duration::from_millis(50);
    let places = Arc::new(Semaphore::new(listening.edge.options.max_connections));
    let mut full = false;
    loop {
        if places.available_permits() == 0 && !full {
            tracing::warn!(connections = listening.edge.options.max_connections, "full: new clients wait");
        }
        full = places.available_permits() == 0;
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let visit = connection::carry(listening.clone(), stream, peer.ip(), place);
                listening.tasks.spawn(visit);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn finish(listening: &Listening) {
    listening.closing.cancel();
    listening.tasks.close();
    let mut ended = pin!(listening.tasks.wait());
    if tokio::time::timeout(listening.edge.options.grace, &mut ended).await.is_err() {
        tracing::warn!(cut_off = listening.tasks.len(), "the grace period is over");
        listening.cut_off.cancel();
        ended.await;
    }
}
