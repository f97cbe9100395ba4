//! PutObject, DeleteObject and DeleteObjects.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    PutObjectInput, PutObjectOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::{attributes_of, condition, etag, refuse_unsupported};
use super::checksum::{self, Expected};
use super::error::{error, refuse, unsupported};
use super::{body, read};
use crate::embedded::objects::{self, Condition, New};
use crate::embedded::writer::Unit;
use crate::embedded::{EmbeddedError, EmbeddedStore, buckets, outbox};

/// As S3 limits one DeleteObjects.
const MAX_DELETES: usize = 1000;

pub(super) async fn put(
    store: &EmbeddedStore,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let mut input = request.input;
    refuse_unsupported!(input);
    if input.write_offset_bytes.is_some() {
        return Err(unsupported("appending to an object"));
    }
    let expected = Expected::from_headers(&request.headers, None)?;
    let mut attributes = attributes_of!(input)?;
    let condition = condition(input.if_match, input.if_none_match);
    let bucket = input.bucket;
    // Say so before the body is sent in vain; what counts is what the writer finds.
    let name = bucket.clone();
    store.readers.read(move |connection| buckets::find(connection, &name)).await.map_err(error)?;

    let trailers = request.trailing_headers.as_ref();
    let staged = body::receive(store, &request.headers, input.body, trailers, &expected).await?;
    attributes.checksum = staged.checksum.clone();
    let key = input.key;
    let work = move |unit: &mut Unit<'_>| {
        let new = New {
            bucket: &bucket,
            key: &key,
            size: staged.size,
            etag: hex::encode(staged.md5),
            attributes: &attributes,
            condition: &condition,
            event: outbox::PUT,
        };
        objects::put(unit, new, staged)
    };
    let row = store.writer.write(work).await.map_err(error)?;
    let checksum = row.attributes.checksum.as_ref();
    let mut output = PutObjectOutput {
        e_tag: Some(etag(&row.etag)),
        checksum_type: checksum.map(checksum::kind),
        ..PutObjectOutput::default()
    };
    checksum::set!(output, checksum);
    Ok(S3Response::new(output))
}

pub(super) async fn delete(
    store: &EmbeddedStore,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    read::check_version(input.version_id.as_deref())?;
    if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
        return Err(unsupported("deleting by size or time"));
    }
    let condition = condition(input.if_match, None);
    let work = move |unit: &mut Unit<'_>| objects::delete(unit, &input.bucket, &input.key, &condition);
    store.writer.write(work).await.map_err(error)?;
    Ok(S3Response::with_status(DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
}

/// All the deletes are one transaction: whoever hears the answer finds every message on the queue.
pub(super) async fn delete_many(
    store: &EmbeddedStore,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let DeleteObjectsInput { bucket, delete, .. } = request.input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_DELETES {
        return Err(refuse(S3ErrorCode::MalformedXML, "a delete names 1 to 1000 keys"));
    }
    if delete.objects.iter().any(|object| object.size.is_some() || object.last_modified_time.is_some()) {
        return Err(unsupported("deleting by size or time"));
    }
    let quiet = delete.quiet.unwrap_or(false);
    let work = move |unit: &mut Unit<'_>| {
        buckets::find(unit.connection, &bucket)?;
        let mut output = DeleteObjectsOutput::default();
        for object in delete.objects {
            let known = read::check_version(object.version_id.as_deref()).is_ok();
            let condition =
                Condition { if_match: object.e_tag.map(|etag| etag.into_value()), if_none_match: None };
            let refused = match objects::delete(unit, &bucket, &object.key, &condition) {
                _ if !known => Some(S3ErrorCode::NoSuchVersion),
                Ok(()) => None,
                Err(EmbeddedError::PreconditionFailed(_)) => Some(S3ErrorCode::PreconditionFailed),
                Err(EmbeddedError::NoSuchKey(_)) => Some(S3ErrorCode::NoSuchKey),
                Err(fault) => return Err(fault),
            };
            match refused {
                None if quiet => {}
                None => output
                    .deleted
                    .get_or_insert_default()
                    .push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                Some(code) => output.errors.get_or_insert_default().push(s3s::dto::Error {
                    code: Some(code.as_str().to_owned()),
                    key: Some(object.key),
                    ..s3s::dto::Error::default()
                }),
            }
        }
        Ok(output)
    };
    Ok(S3Response::new(store.writer.write(work).await.map_err(error)?))
}
