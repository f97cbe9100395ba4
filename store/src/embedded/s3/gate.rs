//! What is turned away before the protocol layer sees it, because that would take it or answer it wrongly.

use http::{Method, StatusCode, header, request::Parts};
use s3s::{S3Error, S3ErrorCode};

use super::error::refuse;

/// For the documents in a request, such as the 10,000 parts of an upload. Object bodies are not bound by it.
pub(super) const MAX_DOCUMENT: usize = 8 << 20;

/// What a presigned URL of version 2 may ask: all of it is signed, which is not so of other parameters.
const SIGNED_BY_VERSION_2: &[&str] = &[
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "uploadId",
    "versionId",
];

/// Signatures of version 2, but for presigned URLs, which boto3 makes unless it is told otherwise; form uploads,
/// which would be gathered in memory before it is known who sends them; and documents that are too large, which
/// would be answered with a 500 that clients repeat.
pub(super) fn refused(head: &Parts) -> Option<S3Error> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    if text(header::AUTHORIZATION).starts_with("AWS ") || is_loose_version_2(query) {
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

fn is_loose_version_2(query: &str) -> bool {
    let mut names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    let all_signed =
        names.len() == count && names.iter().all(|name| SIGNED_BY_VERSION_2.contains(&name.as_ref()));
    names.iter().any(|name| name == "Signature") && !all_signed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_url_of_version_2_asks_only_what_it_signs() {
        let check = |query, loose| assert_eq!(is_loose_version_2(query), loose, "{query}");
        check("", false);
        check("list-type=2&prefix=a", false);
        check("X-Amz-Signature=x&tagging=", false);
        check("AWSAccessKeyId=a&Signature=s&Expires=1&response-content-type=text%2Fcss", false);
        check("AWSAccessKeyId=a&Signature=s&Expires=1&tagging=", true);
        check("AWSAccessKeyId=a&Signature=s&Expires=1&Expires=2", true);
        check("AWSAccessKeyId=a&%53ignature=s&Expires=1&delete=", true);
    }
}
