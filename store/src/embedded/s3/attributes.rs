//! What a client says about an object in headers, into the store and out again.

use std::collections::BTreeMap;

use s3s::dto::{ETag, ETagCondition, GetObjectOutput, Metadata, Timestamp};
use s3s::{S3ErrorCode, S3Result};
use time::OffsetDateTime;

use super::checksum;
use super::error::refuse;
use crate::embedded::objects::{Attributes, Condition, ObjectRow};

/// As S3 limits it, names and values together.
const MAX_METADATA: usize = 2048;

/// Reads the headers that PutObject, CreateMultipartUpload and CopyObject have in common; their inputs are
/// generated types that share nothing but the names of their fields.
macro_rules! attributes_of {
    ($input:expr) => {
        $crate::embedded::s3::attributes::checked($crate::embedded::objects::Attributes {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::embedded::s3::attributes::stored_encoding(
                $input.content_encoding.take(),
            ),
            content_language: $input.content_language.take(),
            expires: $input.expires.take().map($crate::embedded::s3::attributes::seconds),
            website_redirect_location: $input.website_redirect_location.take(),
            metadata: $input.metadata.take().unwrap_or_default().into_iter().collect(),
            tags: $crate::embedded::s3::tagging::from_header($input.tagging.as_deref())?,
            checksum: None,
        })
    };
}
pub(super) use attributes_of;

/// Refuses what would make the server promise more than it does.
macro_rules! refuse_unsupported {
    ($input:expr) => {
        if $input.sse_customer_key.is_some() || $input.server_side_encryption.is_some() {
            return Err($crate::embedded::s3::error::unsupported("encryption at rest"));
        }
        if $input.object_lock_mode.is_some() || $input.object_lock_legal_hold_status.is_some() {
            return Err($crate::embedded::s3::error::unsupported("object lock"));
        }
        $crate::embedded::s3::attributes::check_class_and_acl(
            $input.storage_class.as_ref().map(|class| class.as_str()),
            $input.acl.as_ref().map(|acl| acl.as_str()),
        )?;
    };
}
pub(super) use refuse_unsupported;

pub(super) fn checked(attributes: Attributes) -> S3Result<Attributes> {
    let size: usize = attributes.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA {
        return Err(S3ErrorCode::MetadataTooLarge.into());
    }
    Ok(attributes)
}

pub(super) fn check_class_and_acl(class: Option<&str>, acl: Option<&str>) -> S3Result<()> {
    if class.is_some_and(|class| class != "STANDARD") {
        return Err(refuse(S3ErrorCode::InvalidStorageClass, "this server stores everything as STANDARD"));
    }
    if acl.is_some_and(|acl| !matches!(acl, "private" | "bucket-owner-full-control")) {
        return Err(S3ErrorCode::AccessControlListNotSupported.into());
    }
    Ok(())
}

/// `aws-chunked` frames the body on its way and is no property of the object.
pub(super) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let kept: Vec<&str> =
        encoding.as_deref()?.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    Some(kept.join(",")).filter(|kept| !kept.is_empty())
}

pub(super) fn seconds(timestamp: Timestamp) -> i64 {
    OffsetDateTime::from(timestamp).unix_timestamp()
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    let nanos = i128::from(ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH).into()
}

pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

pub(super) fn condition(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Condition {
    let value = |condition| match condition {
        ETagCondition::Any => "*".to_owned(),
        ETagCondition::ETag(etag) => etag.into_value(),
    };
    Condition { if_match: if_match.map(value), if_none_match: if_none_match.map(value) }
}

/// The headers of an answer about an object, all but the body's.
pub(super) fn describe(object: &ObjectRow, with_checksum: bool) -> GetObjectOutput {
    let attributes = &object.attributes;
    let metadata: Option<Metadata> = (!attributes.metadata.is_empty())
        .then(|| attributes.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
    let checksum = attributes.checksum.as_ref().filter(|_| with_checksum);
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: attributes.cache_control.clone(),
        content_disposition: attributes.content_disposition.clone(),
        content_encoding: attributes.content_encoding.clone(),
        content_language: attributes.content_language.clone(),
        content_type: Some(
            attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()),
        ),
        e_tag: Some(etag(&object.etag)),
        expires: attributes.expires.map(|seconds| timestamp(seconds.saturating_mul(1000))),
        last_modified: Some(timestamp(object.modified_ms)),
        metadata,
        tag_count: i32::try_from(attributes.tags.len()).ok().filter(|count| *count > 0),
        website_redirect_location: attributes.website_redirect_location.clone(),
        checksum_type: checksum.map(checksum::kind),
        ..GetObjectOutput::default()
    };
    checksum::set!(output, checksum);
    output
}

pub(super) type Tags = BTreeMap<String, String>;
