//! ListObjectsV2 and its elder: the same pages, in two dialects.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectStorageClass, Owner,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::{etag, timestamp};
use super::checksum;
use super::error::{error, refuse};
use crate::embedded::listing::{self, Page, Query, Start};
use crate::embedded::objects::ObjectRow;
use crate::embedded::{EmbeddedStore, OWNER, buckets};

/// As S3 limits one page.
const MAX_KEYS: usize = 1000;

pub(super) async fn list_v2(
    store: &EmbeddedStore,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let encode = encoder(input.encoding_type.as_ref())?;
    let max = bounded(input.max_keys)?;
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => from_token(token)?,
        (None, Some(key)) if !key.is_empty() => Start::AfterKey(key.clone()),
        _ => Start::Beginning,
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let page = page(store, &input.bucket, prefix, input.delimiter.clone(), start, max).await?;
    let with_owner = input.fetch_owner.unwrap_or(false);
    let (objects, prefixes) = entries(&page, with_owner, &encode);
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(input.prefix.as_deref().unwrap_or_default())),
        delimiter: shown(input.delimiter, &encode),
        start_after: input.start_after.as_deref().map(&encode),
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        max_keys: Some(max as i32),
        key_count: Some((page.objects.len() + page.common_prefixes.len()) as i32),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(to_token),
        contents: Some(objects),
        common_prefixes: Some(prefixes),
        ..ListObjectsV2Output::default()
    }))
}

pub(super) async fn list_v1(
    store: &EmbeddedStore,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let encode = encoder(input.encoding_type.as_ref())?;
    let max = bounded(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let start = after_marker(input.marker.as_deref(), &prefix, input.delimiter.as_deref());
    let page = page(store, &input.bucket, prefix, input.delimiter.clone(), start, max).await?;
    let (objects, prefixes) = entries(&page, true, &encode);
    let next = page.next.as_ref().map(|next| match next {
        Start::Beginning => String::new(),
        Start::AfterKey(key) | Start::AfterPrefix(key) => encode(key),
    });
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(input.prefix.as_deref().unwrap_or_default())),
        delimiter: shown(input.delimiter, &encode),
        marker: Some(encode(input.marker.as_deref().unwrap_or_default())),
        encoding_type: input.encoding_type,
        max_keys: Some(max as i32),
        is_truncated: Some(page.next.is_some()),
        next_marker: next,
        contents: Some(objects),
        common_prefixes: Some(prefixes),
        ..ListObjectsOutput::default()
    }))
}

/// How many entries a page may have, from what the client asked for.
pub(super) fn bounded(max: Option<i32>) -> S3Result<usize> {
    match max.map(usize::try_from) {
        None => Ok(MAX_KEYS),
        Some(Ok(max)) => Ok(max.min(MAX_KEYS)),
        Some(Err(_)) => Err(refuse(S3ErrorCode::InvalidArgument, "a page cannot have a negative length")),
    }
}

/// How keys are written: as they are, or percent-encoded where the client asked for it, as it must when keys
/// hold what XML cannot carry.
pub(super) fn encoder(encoding: Option<&EncodingType>) -> S3Result<impl Fn(&str) -> String + use<>> {
    let encoded = match encoding.map(EncodingType::as_str) {
        None => false,
        Some(EncodingType::URL) => true,
        Some(_) => {
            return Err(refuse(S3ErrorCode::InvalidArgument, "the only encoding type is url"));
        }
    };
    Ok(move |key: &str| if encoded { percent_encoded(key) } else { key.to_owned() })
}

pub(super) fn owner() -> Owner {
    Owner { id: Some(OWNER.to_owned()), display_name: Some(OWNER.to_owned()) }
}

async fn page(
    store: &EmbeddedStore,
    bucket: &str,
    prefix: String,
    delimiter: Option<String>,
    start: Start,
    max: usize,
) -> S3Result<Page> {
    let bucket = bucket.to_owned();
    let work = move |connection: &rusqlite::Connection| {
        let bucket = buckets::find(connection, &bucket)?;
        if max == 0 {
            return Ok(Page::default());
        }
        // An empty delimiter is none.
        let delimiter = delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        listing::page(connection, bucket, &Query { prefix: &prefix, delimiter, start, max })
    };
    store.readers.read(work).await.map_err(error)
}

fn entries(
    page: &Page,
    with_owner: bool,
    encode: &impl Fn(&str) -> String,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let object = |row: &ObjectRow| Object {
        key: Some(encode(&row.key)),
        size: Some(row.size as i64),
        e_tag: Some(etag(&row.etag)),
        last_modified: Some(timestamp(row.modified_ms)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        owner: with_owner.then(owner),
        checksum_algorithm: row
            .attributes
            .checksum
            .as_ref()
            .map(|checksum| vec![s3s::dto::ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
        checksum_type: row.attributes.checksum.as_ref().map(checksum::kind),
        ..Object::default()
    };
    let prefix = |prefix: &String| CommonPrefix { prefix: Some(encode(prefix)) };
    (page.objects.iter().map(object).collect(), page.common_prefixes.iter().map(prefix).collect())
}

fn shown(delimiter: Option<String>, encode: &impl Fn(&str) -> String) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty()).map(|delimiter| encode(&delimiter))
}

/// A marker that is itself a common prefix of this listing was the last entry of a page.
fn after_marker(marker: Option<&str>, prefix: &str, delimiter: Option<&str>) -> Start {
    let Some(marker) = marker.filter(|marker| !marker.is_empty()) else {
        return Start::Beginning;
    };
    let rest = marker.strip_prefix(prefix);
    let is_common_prefix = delimiter
        .filter(|delimiter| !delimiter.is_empty())
        .and_then(|delimiter| Some(rest?.find(delimiter)? + delimiter.len() == rest?.len()));
    match is_common_prefix {
        Some(true) => Start::AfterPrefix(marker.to_owned()),
        _ => Start::AfterKey(marker.to_owned()),
    }
}

fn to_token(start: &Start) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(match start {
        Start::Beginning => String::new(),
        Start::AfterKey(key) => format!("k{key}"),
        Start::AfterPrefix(prefix) => format!("p{prefix}"),
    })
}

fn from_token(token: &str) -> S3Result<Start> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_at_checked(1)) {
        Some(("k", key)) => Ok(Start::AfterKey(key.to_owned())),
        Some(("p", prefix)) => Ok(Start::AfterPrefix(prefix.to_owned())),
        _ => Err(refuse(S3ErrorCode::InvalidArgument, "this server did not make this continuation token")),
    }
}

fn percent_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_round_trip_and_others_are_refused() {
        for start in [Start::AfterKey("a b\n/é".into()), Start::AfterPrefix("p/".into())] {
            assert_eq!(from_token(&to_token(&start)).unwrap(), start);
        }
        for token in ["", "!", "AAAA", "eHg"] {
            assert!(from_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_stands_after_all_of_it() {
        let check = |marker, prefix, delimiter, expected| {
            assert_eq!(after_marker(marker, prefix, delimiter), expected);
        };
        check(None, "", Some("/"), Start::Beginning);
        check(Some(""), "", Some("/"), Start::Beginning);
        check(Some("a/"), "", Some("/"), Start::AfterPrefix("a/".into()));
        check(Some("a/b"), "", Some("/"), Start::AfterKey("a/b".into()));
        check(Some("a/b/"), "", Some("/"), Start::AfterKey("a/b/".into()));
        check(Some("a/b/"), "a/", Some("/"), Start::AfterPrefix("a/b/".into()));
        check(Some("a/"), "", None, Start::AfterKey("a/".into()));
        check(Some("a/"), "", Some(""), Start::AfterKey("a/".into()));
    }
}
