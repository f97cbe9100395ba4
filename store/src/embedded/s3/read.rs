//! GetObject and HeadObject: conditions, then ranges, then a stream that stays the version it began as.

use std::ops::Range;

use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use s3s::dto::{
    ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob,
    Timestamp, TimestampFormat,
};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::{self, describe, seconds};
use super::error::{error, refuse, refuse_as};
use crate::embedded::content::{self, Opened};
use crate::embedded::objects::ObjectRow;
use crate::embedded::{EmbeddedError, EmbeddedStore};

pub(super) async fn get(
    store: &EmbeddedStore,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = request.input;
    let opened = open(store, &input.bucket, &input.key, input.version_id.as_deref()).await?;
    Conditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    }
    .check(&opened.object)?;
    let wanted = Wanted::of(&opened, input.range.as_ref(), input.part_number)?;
    let whole = wanted.range == (0..opened.object.size);
    let mut output = describe(&opened.object, input.checksum_mode.is_some() && whole);
    wanted.describe(&mut output, opened.object.size);
    let key = input.key;
    let pieces = opened.stream(wanted.range).map_ok(Frame::data).map_err(move |source| {
        // The answer has begun: all that is left is to break it off, and to say why in the log.
        tracing::error!(
            key,
            error = &source as &dyn std::error::Error,
            "an object could not be read to its end"
        );
        StreamFailed(source)
    });
    output.body = Some(StreamingBlob::from(Body::http_body_unsync(StreamBody::new(pieces))));
    Ok(S3Response::new(output))
}

pub(super) async fn head(
    store: &EmbeddedStore,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let opened = open(store, &input.bucket, &input.key, input.version_id.as_deref()).await?;
    Conditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    }
    .check(&opened.object)?;
    let wanted = Wanted::of(&opened, input.range.as_ref(), input.part_number)?;
    let whole = wanted.range == (0..opened.object.size);
    let mut output = describe(&opened.object, input.checksum_mode.is_some() && whole);
    wanted.describe(&mut output, opened.object.size);
    let partial = output.content_range.is_some();
    let mut response = S3Response::new(head_of(output));
    response.status = partial.then_some(StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

/// This server keeps no versions: every object is its `null` version.
pub(super) fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(S3ErrorCode::NoSuchVersion.into()),
    }
}

async fn open(store: &EmbeddedStore, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Opened> {
    check_version(version)?;
    content::open(&store.readers, &store.blobs, content::by_key(bucket, key)).await.map_err(error)
}

#[derive(Debug, thiserror::Error)]
#[error("reading an object failed")]
struct StreamFailed(#[source] EmbeddedError);

#[derive(Default)]
pub(super) struct Conditions<'a> {
    pub if_match: Option<&'a ETagCondition>,
    pub if_none_match: Option<&'a ETagCondition>,
    pub if_modified_since: Option<&'a Timestamp>,
    pub if_unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    /// In the order of RFC 9110, section 13.2.2.
    fn check(&self, object: &ObjectRow) -> S3Result<()> {
        match self.verdict(object) {
            Verdict::Met => Ok(()),
            Verdict::Failed => Err(S3ErrorCode::PreconditionFailed.into()),
            Verdict::NotModified => Err(not_modified(object)),
        }
    }

    /// For the source of a copy, where "not modified" is a failure like any other.
    pub fn check_source(&self, object: &ObjectRow) -> S3Result<()> {
        match self.verdict(object) {
            Verdict::Met => Ok(()),
            Verdict::Failed | Verdict::NotModified => Err(S3ErrorCode::PreconditionFailed.into()),
        }
    }

    fn verdict(&self, object: &ObjectRow) -> Verdict {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        // HTTP dates know only seconds.
        let modified = object.modified_ms.div_euclid(1000);
        match (self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) if !is(wanted) => return Verdict::Failed,
            (None, Some(since)) if modified > seconds(since.clone()) => return Verdict::Failed,
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) if is(unwanted) => Verdict::NotModified,
            (None, Some(since)) if modified <= seconds(since.clone()) => Verdict::NotModified,
            _ => Verdict::Met,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    Failed,
    NotModified,
}

/// A 304 tells the version that the client has.
fn not_modified(object: &ObjectRow) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut date = Vec::new();
    let modified = attributes::timestamp(object.modified_ms);
    if modified.format(TimestampFormat::HttpDate, &mut date).is_ok()
        && let Ok(value) = HeaderValue::from_bytes(&date)
    {
        headers.insert(http::header::LAST_MODIFIED, value);
    }
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", object.etag)) {
        headers.insert(http::header::ETAG, value);
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}

/// Which bytes of the object are answered.
struct Wanted {
    range: Range<u64>,
    partial: bool,
    parts: Option<i32>,
}

impl Wanted {
    fn of(opened: &Opened, range: Option<&s3s::dto::Range>, part: Option<i32>) -> S3Result<Self> {
        let size = opened.object.size;
        match (range, part) {
            (Some(_), Some(_)) => Err(refuse(S3ErrorCode::InvalidRequest, "a range and a part at once")),
            (None, None) => Ok(Self { range: 0..size, partial: false, parts: None }),
            (Some(range), None) => match range.check(size) {
                Ok(range) if size > 0 => Ok(Self { range, partial: true, parts: None }),
                _ => Err(not_satisfiable(size)),
            },
            (None, Some(number)) => {
                let parts = opened.ranges();
                let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let range = at.and_then(|at| parts.get(at).cloned());
                // Only what was uploaded in parts counts them.
                let count = opened.object.etag.contains('-').then_some(parts.len() as i32);
                let invalid = || {
                    let message = format!("the object has no part {number}");
                    refuse_as("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, message)
                };
                Ok(Self { range: range.ok_or_else(invalid)?, partial: size > 0, parts: count })
            }
        }
    }

    fn describe(&self, output: &mut GetObjectOutput, size: u64) {
        let Range { start, end } = self.range;
        output.content_length = Some((end - start) as i64);
        output.content_range =
            self.partial.then(|| format!("bytes {start}-{}/{size}", end.saturating_sub(1)));
        output.parts_count = self.parts;
    }
}

fn not_satisfiable(size: u64) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InvalidRange);
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        error.set_headers(HeaderMap::from_iter([(http::header::CONTENT_RANGE, value)]));
    }
    error
}

fn head_of(output: GetObjectOutput) -> HeadObjectOutput {
    HeadObjectOutput {
        accept_ranges: output.accept_ranges,
        cache_control: output.cache_control,
        checksum_crc32: output.checksum_crc32,
        checksum_crc32c: output.checksum_crc32c,
        checksum_crc64nvme: output.checksum_crc64nvme,
        checksum_sha1: output.checksum_sha1,
        checksum_sha256: output.checksum_sha256,
        checksum_type: output.checksum_type,
        content_disposition: output.content_disposition,
        content_encoding: output.content_encoding,
        content_language: output.content_language,
        content_length: output.content_length,
        content_range: output.content_range,
        content_type: output.content_type,
        e_tag: output.e_tag,
        expires: output.expires,
        last_modified: output.last_modified,
        metadata: output.metadata,
        parts_count: output.parts_count,
        website_redirect_location: output.website_redirect_location,
        ..HeadObjectOutput::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::objects::Attributes;

    #[test]
    fn conditions_are_judged_in_the_order_of_the_rfc() {
        let object = ObjectRow {
            key: "k".into(),
            body: 1,
            size: 1,
            etag: "a".into(),
            modified_ms: 10_500,
            attributes: Attributes::default(),
        };
        let check = |if_match: Option<&str>,
                     unmodified: Option<i64>,
                     none: Option<&str>,
                     modified: Option<i64>,
                     expected| {
            let etag = |text: &str| text.parse::<ETagCondition>().unwrap();
            let time = |seconds: i64| attributes::timestamp(seconds * 1000);
            let (if_match, none) = (if_match.map(etag), none.map(etag));
            let (unmodified, modified) = (unmodified.map(time), modified.map(time));
            let conditions = Conditions {
                if_match: if_match.as_ref(),
                if_none_match: none.as_ref(),
                if_modified_since: modified.as_ref(),
                if_unmodified_since: unmodified.as_ref(),
            };
            assert_eq!(conditions.verdict(&object), expected);
        };
        check(None, None, None, None, Verdict::Met);
        check(Some("\"a\""), None, None, None, Verdict::Met);
        check(Some("*"), None, None, None, Verdict::Met);
        check(Some("\"b\""), None, None, None, Verdict::Failed);
        check(None, Some(10), None, None, Verdict::Met);
        check(None, Some(9), None, None, Verdict::Failed);
        // If-Match that is met makes If-Unmodified-Since moot.
        check(Some("\"a\""), Some(9), None, None, Verdict::Met);
        check(None, None, Some("\"a\""), None, Verdict::NotModified);
        check(None, None, Some("\"b\""), None, Verdict::Met);
        check(None, None, None, Some(10), Verdict::NotModified);
        check(None, None, None, Some(9), Verdict::Met);
        // If-None-Match that is met makes If-Modified-Since moot.
        check(None, None, Some("\"b\""), Some(10), Verdict::Met);
    }
}
