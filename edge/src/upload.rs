//! The body of a request on its way to a backend. It stays in its slot until a backend's connection first asks
//! for it, so that a request which did not get that far can be sent again, whole, elsewhere.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

/// Where the body is, and how far it got.
pub(crate) struct Slot {
    body: Mutex<Option<Incoming>>,
    hint: SizeHint,
    empty: bool,
    started: Instant,
    /// When the client last sent something, in milliseconds since `started`.
    last_frame: AtomicU64,
    /// The backend waits for bytes that the client has not sent.
    starved: AtomicBool,
}

/// One attempt's view of the slot.
pub(crate) struct Upload {
    slot: Arc<Slot>,
    body: Option<Incoming>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
    #[error("the body was given to an earlier attempt")]
    Gone,
}

impl Slot {
    pub(crate) fn new(body: Incoming) -> Arc<Self> {
        Arc::new(Self {
            hint: body.size_hint(),
            empty: body.is_end_stream(),
            body: Mutex::new(Some(body)),
            started: Instant::now(),
            last_frame: AtomicU64::new(0),
            starved: AtomicBool::new(false),
        })
    }

    pub(crate) fn upload(self: &Arc<Self>) -> Upload {
        Upload { slot: self.clone(), body: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// No byte of the body has left the edge, or been asked for.
    pub(crate) fn is_untouched(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    pub(crate) fn last_frame(&self) -> Instant {
        self.started + Duration::from_millis(self.last_frame.load(Ordering::Relaxed))
    }

    fn take(&self) -> Option<Incoming> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = &mut *self;
        let body = match &mut this.body {
            Some(body) => body,
            none => match this.slot.take() {
                Some(body) => none.insert(body),
                None => return Poll::Ready(Some(Err(UploadError::Gone))),
            },
        };
        let polled = Pin::new(body).poll_frame(cx);
        this.slot.starved.store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_ready() {
            let now = u64::try_from(this.slot.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            this.slot.last_frame.store(now, Ordering::Relaxed);
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(UploadError::Client)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().map_or(self.slot.empty, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| self.slot.hint, Body::size_hint)
    }
}
