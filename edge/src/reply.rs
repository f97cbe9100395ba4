//! The body of an answer on its way to the client: the edge's own words, or what a backend streams. While it
//! lasts, the backend is leased and the client's connection is busy.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::connection::Busy;
use crate::lease::Lease;
use crate::middleware::{Compressing, Encoding, Place, Turn};

pub(crate) struct Reply {
    content: Content,
    _busy: Busy,
}

/// What is held while it lasts, beside the body: the backend, and places in limits.
pub(crate) struct Content {
    body: Inner,
    _lease: Option<Lease>,
    places: Vec<Place>,
}

enum Inner {
    Own(Full<Bytes>),
    Streamed(Incoming),
    Compressed(Box<Compressing<Incoming>>),
}

/// Why an answer broke off.
pub(crate) type ReplyError = Box<dyn std::error::Error + Send + Sync>;

impl Reply {
    pub(crate) fn new(content: Content, busy: Busy) -> Self {
        Self { content, _busy: busy }
    }
}

impl Content {
    pub(crate) fn streamed(body: Incoming, lease: Lease) -> Self {
        Self { body: Inner::Streamed(body), _lease: Some(lease), places: Vec::new() }
    }

    pub(crate) fn is_from_backend(&self) -> bool {
        matches!(self.body, Inner::Streamed(_))
    }

    pub(crate) fn compressed(self, encoding: Encoding, turn: Turn) -> Self {
        let body = match self.body {
            Inner::Streamed(body) => Inner::Compressed(Box::new(Compressing::new(body, encoding, turn))),
            other => other,
        };
        Self { body, ..self }
    }

    pub(crate) fn hold(&mut self, place: Place) {
        self.places.push(place);
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.body {
            Inner::Own(bytes) => bytes.size_hint(),
            Inner::Streamed(body) => body.size_hint(),
            Inner::Compressed(_) => SizeHint::new(),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { body: Inner::Own(Full::new(bytes)), _lease: None, places: Vec::new() }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        match &mut self.content.body {
            Inner::Own(bytes) => Pin::new(bytes).poll_frame(cx).map_err(Into::into),
            Inner::Streamed(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Inner::Compressed(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content.body {
            Inner::Own(bytes) => bytes.is_end_stream(),
            Inner::Streamed(body) => body.is_end_stream(),
            Inner::Compressed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
