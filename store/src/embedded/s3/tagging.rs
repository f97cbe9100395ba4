//! The tags of an object: a few words that its owner put on it.

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::Tags;
use super::error::{error, refuse};
use super::read::check_version;
use crate::embedded::objects::{self, Attributes};
use crate::embedded::writer::Unit;
use crate::embedded::{EmbeddedStore, buckets};

const MAX_TAGS: usize = 10;
/// In characters.
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 256;

pub(super) async fn get(
    store: &EmbeddedStore,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let input = request.input;
    check_version(input.version_id.as_deref())?;
    let work = move |connection: &rusqlite::Connection| {
        let bucket = buckets::find(connection, &input.bucket)?;
        objects::find(connection, bucket, &input.key)
    };
    let row = store.readers.read(work).await.map_err(error)?;
    let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
    let tag_set = row.attributes.tags.into_iter().map(tag).collect();
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id: None }))
}

pub(super) async fn put(
    store: &EmbeddedStore,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let input = request.input;
    check_version(input.version_id.as_deref())?;
    let pairs = input.tagging.tag_set.into_iter().map(|tag| match (tag.key, tag.value) {
        (Some(key), Some(value)) => Ok((key, value)),
        _ => Err(refuse(S3ErrorCode::MalformedXML, "a tag has a key and a value")),
    });
    let tags = checked(pairs.collect::<S3Result<Vec<_>>>()?)?;
    replace(store, input.bucket, input.key, tags).await?;
    Ok(S3Response::new(PutObjectTaggingOutput::default()))
}

pub(super) async fn delete(
    store: &EmbeddedStore,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let input = request.input;
    check_version(input.version_id.as_deref())?;
    replace(store, input.bucket, input.key, Tags::new()).await?;
    Ok(S3Response::with_status(DeleteObjectTaggingOutput::default(), http::StatusCode::NO_CONTENT))
}

/// From `x-amz-tagging`, which is written like a query string.
pub(super) fn from_header(header: Option<&str>) -> S3Result<Tags> {
    let Some(header) = header else {
        return Ok(Tags::new());
    };
    checked(url::form_urlencoded::parse(header.as_bytes()).into_owned().collect())
}

fn checked(pairs: Vec<(String, String)>) -> S3Result<Tags> {
    let too_long = |(key, value): &(String, String)| {
        key.is_empty() || key.chars().count() > MAX_NAME || value.chars().count() > MAX_VALUE
    };
    let count = pairs.len();
    if count > MAX_TAGS || pairs.iter().any(too_long) {
        return Err(refuse(
            S3ErrorCode::InvalidTag,
            "an object has up to 10 tags, of 128 and 256 characters",
        ));
    }
    let tags: Tags = pairs.into_iter().collect();
    if tags.len() < count {
        return Err(refuse(S3ErrorCode::InvalidTag, "a tag is named twice"));
    }
    Ok(tags)
}

async fn replace(store: &EmbeddedStore, bucket: String, key: String, tags: Tags) -> S3Result<()> {
    let work = move |unit: &mut Unit<'_>| {
        let bucket = buckets::find(unit.connection, &bucket)?;
        let row = objects::find(unit.connection, bucket, &key)?;
        objects::set_attributes(unit.connection, bucket, &key, &Attributes { tags, ..row.attributes })
    };
    store.writer.write(work).await.map_err(error)
}
