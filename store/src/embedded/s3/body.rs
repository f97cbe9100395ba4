//! A request's body, from the wire into the store: bounded in size and in patience, and refused whole when it
//! is not what the request said.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders};

use super::checksum::Expected;
use super::error::{error, refuse, refuse_as};
use crate::embedded::EmbeddedStore;
use crate::embedded::intake::{Intake, Staged};

/// As S3 limits one PUT or part.
const MAX_SIZE: u64 = 5 << 30;
/// How long a client may send nothing in the middle of a body.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn receive(
    store: &EmbeddedStore,
    headers: &HeaderMap,
    body: Option<StreamingBlob>,
    trailers: Option<&TrailingHeaders>,
    expected: &Expected,
) -> S3Result<Staged> {
    let size = announced_size(headers)?;
    let mut intake = Intake::new(Arc::clone(&store.blobs), expected.algorithm);
    if let Some(mut body) = body {
        loop {
            let piece = tokio::time::timeout(PATIENCE, body.next()).await;
            let piece = piece.map_err(|_| refuse(S3ErrorCode::RequestTimeout, "the body stopped coming"))?;
            let Some(piece) = piece else { break };
            intake.write(&piece.map_err(|cause| broken_body(&*cause))?).await.map_err(error)?;
            if intake.size() > size {
                return Err(refuse(S3ErrorCode::IncompleteBody, "the body is longer than announced"));
            }
        }
    }
    // The framing alone does not tell: an aws-chunked body may end before its last chunk.
    if intake.size() != size {
        return Err(refuse(S3ErrorCode::IncompleteBody, "the body is shorter than announced"));
    }
    let staged = intake.finish().await.map_err(error)?;
    expected.check(&staged, trailers)?;
    Ok(staged)
}

/// Of the content, without the framing of aws-chunked.
fn announced_size(headers: &HeaderMap) -> S3Result<u64> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let size = number("x-amz-decoded-content-length").or_else(|| number("content-length"));
    match size {
        None => Err(S3ErrorCode::MissingContentLength.into()),
        Some(size) if size > MAX_SIZE => Err(S3ErrorCode::EntityTooLarge.into()),
        Some(size) => Ok(size),
    }
}

/// The protocol layer checks body signatures while it streams, and its error types are private: their text is
/// all there is. What is not recognised is a connection that broke.
fn broken_body(cause: &(dyn std::error::Error + Send + Sync)) -> S3Error {
    let text = cause.to_string();
    if text.contains("Sha256Mismatch") {
        let message = "the body does not have the given x-amz-content-sha256".to_owned();
        return refuse_as("XAmzContentSHA256Mismatch", StatusCode::BAD_REQUEST, message);
    }
    if text.contains("SignatureMismatch") {
        return S3ErrorCode::SignatureDoesNotMatch.into();
    }
    refuse(S3ErrorCode::IncompleteBody, "the body ended early or is malformed")
}
