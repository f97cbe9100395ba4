//! The body of an answer on its way to the client: the edge's own words, or what a backend streams. While it
//! lasts, the backend is leased and the client's connection is busy.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::connection::Busy;
use crate::lease::Lease;

pub(crate) struct Reply {
    content: Content,
    _busy: Busy,
}

pub(crate) enum Content {
    Own(Full<Bytes>),
    Streamed { body: Incoming, _lease: Lease },
}

impl Reply {
    pub(crate) fn new(content: Content, busy: Busy) -> Self {
        Self { content, _busy: busy }
    }
}

impl Content {
    pub(crate) fn streamed(body: Incoming, lease: Lease) -> Self {
        Self::Streamed { body, _lease: lease }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Own(bytes) => {
                let frame = Pin::new(bytes).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(|never: Infallible| match never {})))
            }
            Content::Streamed { body, .. } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_end_stream(),
            Content::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => bytes.size_hint(),
            Content::Streamed { body, .. } => body.size_hint(),
        }
    }
}
