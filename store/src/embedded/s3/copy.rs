//! CopyObject, and the source side of UploadPartCopy. A copy is read and digested like any other content, so
//! that what is stored is known to be whole.

use std::ops::Range;
use std::sync::Arc;

use futures::TryStreamExt;
use http::HeaderMap;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::{attributes_of, condition, etag, refuse_unsupported, timestamp};
use super::checksum;
use super::error::{error, refuse, unsupported};
use super::read::{self, Conditions};
use crate::embedded::checksum::Algorithm;
use crate::embedded::content::{self, Opened};
use crate::embedded::intake::{Intake, Staged};
use crate::embedded::objects::{self, Attributes, New};
use crate::embedded::writer::Unit;
use crate::embedded::{EmbeddedStore, outbox};

/// As S3 limits one copy.
pub(super) const MAX_COPY: u64 = 5 << 30;

pub(super) async fn copy(
    store: &EmbeddedStore,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let mut input = request.input;
    refuse_unsupported!(input);
    let (bucket, key) = source(&input.copy_source)?;
    let replaces_metadata = directive(input.metadata_directive.as_ref().map(|value| value.as_str()))?;
    let replaces_tags = directive(input.tagging_directive.as_ref().map(|value| value.as_str()))?;
    if (bucket, key) == (&*input.bucket, &*input.key) && !replaces_metadata {
        return Err(refuse(
            S3ErrorCode::InvalidRequest,
            "this would copy an object to itself without changing anything",
        ));
    }
    let opened = open(store, bucket, key).await?;
    Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    }
    .check_source(&opened.object)?;
    if opened.object.size > MAX_COPY {
        return Err(refuse(S3ErrorCode::InvalidRequest, "the source is too large for one copy"));
    }

    let old = opened.object.attributes.clone();
    let given = attributes_of!(input)?;
    let mut attributes = if replaces_metadata {
        Attributes { tags: Default::default(), ..given.clone() }
    } else {
        Attributes { tags: Default::default(), ..old.clone() }
    };
    attributes.tags = if replaces_tags { given.tags } else { old.tags };
    let named = input.checksum_algorithm.as_ref().and_then(|name| Algorithm::from_name(name.as_str()));
    let algorithm = named.or(old.checksum.map(|checksum| checksum.algorithm));
    let size = opened.object.size;
    let staged = stage(store, opened, 0..size, algorithm).await?;
    attributes.checksum = staged.checksum.clone();

    let condition = condition(
        header(&request.headers, http::header::IF_MATCH)?,
        header(&request.headers, http::header::IF_NONE_MATCH)?,
    );
    let work = move |unit: &mut Unit<'_>| {
        let new = New {
            bucket: &input.bucket,
            key: &input.key,
            size: staged.size,
            etag: hex::encode(staged.md5),
            attributes: &attributes,
            condition: &condition,
            event: outbox::COPY,
        };
        objects::put(unit, new, staged)
    };
    let row = store.writer.write(work).await.map_err(error)?;
    let checksum = row.attributes.checksum.as_ref();
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&row.etag)),
        last_modified: Some(timestamp(row.modified_ms)),
        checksum_type: checksum.map(checksum::kind),
        ..CopyObjectResult::default()
    };
    checksum::set!(result, checksum);
    Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
}

/// Bucket and key of what is copied.
pub(super) fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            read::check_version(version_id.as_deref())?;
            Ok((bucket, key))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(unsupported("access points")),
    }
}

pub(super) async fn open(store: &EmbeddedStore, bucket: &str, key: &str) -> S3Result<Opened> {
    content::open(&store.readers, &store.blobs, content::by_key(bucket, key)).await.map_err(error)
}

pub(super) async fn stage(
    store: &EmbeddedStore,
    opened: Opened,
    range: Range<u64>,
    algorithm: Option<Algorithm>,
) -> S3Result<Staged> {
    let mut intake = Intake::new(Arc::clone(&store.blobs), algorithm);
    let mut pieces = opened.stream(range);
    while let Some(piece) = pieces.try_next().await.map_err(error)? {
        intake.write(&piece).await.map_err(error)?;
    }
    intake.finish().await.map_err(error)
}

/// Whether the copy takes what the request says instead of what the source has.
fn directive(value: Option<&str>) -> S3Result<bool> {
    match value {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(refuse(S3ErrorCode::InvalidArgument, "a directive is COPY or REPLACE")),
    }
}

/// The protocol layer does not know these conditions on a copy's destination yet.
fn header(headers: &HeaderMap, name: http::HeaderName) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(&name) else {
        return Ok(None);
    };
    let parsed = ETagCondition::parse_http_header(value.as_bytes());
    parsed.map(Some).map_err(|_| refuse(S3ErrorCode::InvalidArgument, format!("{name} is no ETag")))
}
