//! A body that is compressed on its way. While its source has more at once, the compressor gathers; as soon as the
//! source has to be waited for, all that was said so far goes out.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use flate2::write::GzEncoder;
use http::HeaderMap;
use hyper::body::{Body, Frame};

use super::{Encoding, Turn};
use crate::reply::ReplyError;

pub(crate) struct Compressing<B> {
    source: B,
    /// `None` once it is finished.
    encoder: Option<Encoder>,
    /// Something was said that has not gone out.
    dirty: bool,
    trailers: Option<HeaderMap>,
    _turn: Turn,
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

/// Enough for a frame.
const ENOUGH: usize = 16 * 1024;

impl<B> Compressing<B> {
    pub(crate) fn new(source: B, encoding: Encoding, turn: Turn) -> Self {
        Self { source, encoder: Encoder::new(encoding), dirty: false, trailers: None, _turn: turn }
    }
}

impl<B> Body for Compressing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<ReplyError>,
{
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            };
            match Pin::new(&mut this.source).poll_frame(cx) {
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        this.dirty |= data.has_remaining();
                        encoder.write(&data)?;
                        if encoder.made().len() >= ENOUGH {
                            return data_frame(std::mem::take(encoder.made()));
                        }
                    }
                    Err(frame) => this.trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(None) => {
                    let rest = this.encoder.take().map(Encoder::finish).transpose()?.unwrap_or_default();
                    if !rest.is_empty() {
                        return data_frame(rest);
                    }
                }
                Poll::Pending if this.dirty => {
                    this.dirty = false;
                    encoder.flush()?;
                    let said = std::mem::take(encoder.made());
                    return if said.is_empty() { Poll::Pending } else { data_frame(said) };
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn data_frame(data: Vec<u8>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from(data)))))
}

impl Encoder {
    /// Quick rather than small: it is done for each answer anew.
    fn new(encoding: Encoding) -> Option<Self> {
        Some(match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(5))),
            Encoding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, 4, 19)))
            }
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).ok()?;
                encoder.window_log(19).ok()?;
                Self::Zstd(encoder)
            }
        })
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    fn made(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}
