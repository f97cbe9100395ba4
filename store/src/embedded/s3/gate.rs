//! What is turned away before the protocol layer sees it, because that would take it or answer it wrongly.

use http::{Method, StatusCode, header, request::Parts};
use s3s::{S3Error, S3ErrorCode};

use super::error::refuse;

/// For the documents in a request, such as the 10,000 parts of an upload. Object bodies are not bound by it.
pub(super) const MAX_DOCUMENT: usize = 8 << 20;

/// Signatures of version 2 (SHA-1, body unsigned); form uploads, which would be gathered in memory before it is
/// known who sends them; and documents that are too large, which would be answered with a 500 that clients
/// repeat.
pub(super) fn refused(head: &Parts) -> Option<S3Error> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "Signature");
    if text(header::AUTHORIZATION).starts_with("AWS ") || in_query {
        return Some(refuse(S3ErrorCode::InvalidRequest, "use signature version 4 (AWS4-HMAC-SHA256)"));
    }
    if head.method != Method::POST {
        return None;
    }
    if text(header::CONTENT_TYPE).trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return Some(refuse(S3ErrorCode::NotImplemented, "this server takes no form uploads; use PUT"));
    }
    if text(header::CONTENT_LENGTH).parse().is_ok_and(|length: u64| length > MAX_DOCUMENT as u64) {
        let mut refused = refuse(S3ErrorCode::MaxMessageLengthExceeded, "the document is too large");
        refused.set_status_code(StatusCode::BAD_REQUEST);
        return Some(refused);
    }
    None
}
