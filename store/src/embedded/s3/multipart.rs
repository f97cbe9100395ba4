//! Multipart uploads: start, parts, completion, abort, and the listings of both.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::{attributes_of, condition, etag, refuse_unsupported, timestamp};
use super::checksum::{self, Expected};
use super::error::{error, refuse, unsupported};
use super::listing::{bounded, encoder, owner};
use super::read::Conditions;
use super::{body, copy};
use crate::embedded::EmbeddedStore;
use crate::embedded::checksum::Algorithm;
use crate::embedded::intake::Staged;
use crate::embedded::uploads::{self, Completion, NamedPart, PartRow, UploadChecksum, UploadRow};
use crate::embedded::writer::Unit;

const MAX_PARTS: i32 = 10_000;

pub(super) async fn create(
    store: &EmbeddedStore,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let mut input = request.input;
    refuse_unsupported!(input);
    let chosen = chosen_checksum(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let attributes = attributes_of!(input)?;
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let work = move |unit: &mut Unit<'_>| uploads::start(unit, &bucket, &key, &attributes, chosen);
    let id = store.writer.write(work).await.map_err(error)?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: chosen.map(|chosen| algorithm(chosen.algorithm)),
        checksum_type: chosen.map(|chosen| kind(chosen.full_object)),
        ..CreateMultipartUploadOutput::default()
    }))
}

pub(super) async fn upload_part(
    store: &EmbeddedStore,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let input = request.input;
    if input.sse_customer_key.is_some() {
        return Err(unsupported("encryption at rest"));
    }
    let number = part_number(input.part_number)?;
    let upload = find(store, &input.bucket, &input.key, &input.upload_id).await?;
    let chosen = upload.checksum.map(|chosen| chosen.algorithm);
    let expected = Expected::from_headers(&request.headers, chosen)?;
    if chosen.is_some() && expected.algorithm != chosen {
        return Err(refuse(
            S3ErrorCode::InvalidRequest,
            "the upload was started with another checksum algorithm",
        ));
    }
    let trailers = request.trailing_headers.as_ref();
    let staged = body::receive(store, &request.headers, input.body, trailers, &expected).await?;
    let part = put_part(store, input.bucket, input.key, input.upload_id, number, staged).await?;
    let mut output = UploadPartOutput { e_tag: Some(etag(&part.etag)), ..UploadPartOutput::default() };
    checksum::set!(output, part.checksum.as_ref());
    Ok(S3Response::new(output))
}

pub(super) async fn upload_part_copy(
    store: &EmbeddedStore,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = request.input;
    let number = part_number(input.part_number)?;
    let upload = find(store, &input.bucket, &input.key, &input.upload_id).await?;
    let (bucket, key) = copy::source(&input.copy_source)?;
    let opened = copy::open(store, bucket, key).await?;
    Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    }
    .check_source(&opened.object)?;
    let size = opened.object.size;
    let range = match &input.copy_source_range {
        None => 0..size,
        Some(text) => {
            let malformed = || refuse(S3ErrorCode::InvalidArgument, "the range of the source is malformed");
            match s3s::dto::Range::parse(text) {
                // Unlike a GET's, this range must lie within the object.
                Ok(s3s::dto::Range::Int { first, last: Some(last) }) if last < size => first..last + 1,
                Ok(s3s::dto::Range::Int { last: Some(_), .. }) => {
                    return Err(S3ErrorCode::InvalidRange.into());
                }
                _ => return Err(malformed()),
            }
        }
    };
    if range.end - range.start > copy::MAX_COPY {
        return Err(refuse(S3ErrorCode::InvalidRequest, "the source is too large for one part"));
    }
    let chosen = upload.checksum.map(|chosen| chosen.algorithm);
    let staged = copy::stage(store, opened, range, chosen).await?;
    let part = put_part(store, input.bucket, input.key, input.upload_id, number, staged).await?;
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..CopyPartResult::default()
    };
    checksum::set!(result, part.checksum.as_ref());
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        ..UploadPartCopyOutput::default()
    }))
}

pub(super) async fn complete(
    store: &EmbeddedStore,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = request.input;
    let expected = checksum::given!(input).map(str::to_owned);
    let size = input.mpu_object_size.and_then(|size| u64::try_from(size).ok());
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let parts = named.into_iter().map(|part| {
        let checksum = checksum::given!(part).map(str::to_owned);
        let number = part.part_number.ok_or(S3ErrorCode::MalformedXML)?;
        Ok(NamedPart { number, etag: part.e_tag.map(|etag| etag.into_value()), checksum })
    });
    let parts = parts.collect::<S3Result<Vec<_>>>()?;
    let condition = condition(input.if_match, input.if_none_match);
    let (bucket, key, upload) = (input.bucket.clone(), input.key.clone(), input.upload_id);
    let work = move |unit: &mut Unit<'_>| {
        let completion = Completion {
            bucket: &bucket,
            key: &key,
            upload: &upload,
            parts,
            condition: &condition,
            checksum: expected.as_deref(),
            size,
        };
        uploads::complete(unit, &completion)
    };
    let row = store.writer.write(work).await.map_err(error)?;
    let checksum = row.attributes.checksum.as_ref();
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&row.etag)),
        checksum_type: checksum.map(checksum::kind),
        ..CompleteMultipartUploadOutput::default()
    };
    checksum::set!(output, checksum);
    Ok(S3Response::new(output))
}

pub(super) async fn abort(
    store: &EmbeddedStore,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    let work = move |unit: &mut Unit<'_>| uploads::abort(unit, &input.bucket, &input.key, &input.upload_id);
    store.writer.write(work).await.map_err(error)?;
    Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
}

pub(super) async fn list_parts(
    store: &EmbeddedStore,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let max = bounded(input.max_parts)?;
    let after = input.part_number_marker.unwrap_or(0);
    let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
    let work = move |connection: &rusqlite::Connection| {
        let upload = uploads::find(connection, &bucket, &key, &id)?;
        Ok((upload, uploads::list_parts(connection, &id, after, max + 1)?))
    };
    let (upload, mut parts) = store.readers.read(work).await.map_err(error)?;
    let truncated = parts.len() > max;
    parts.truncate(max);
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: parts.last().map(|part| part.number).filter(|_| truncated),
        max_parts: Some(max as i32),
        is_truncated: Some(truncated),
        parts: Some(parts.into_iter().map(part).collect()),
        checksum_algorithm: upload.checksum.map(|chosen| algorithm(chosen.algorithm)),
        checksum_type: upload.checksum.map(|chosen| kind(chosen.full_object)),
        owner: Some(owner()),
        storage_class: Some(s3s::dto::StorageClass::from_static(s3s::dto::StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    }))
}

pub(super) async fn list_uploads(
    store: &EmbeddedStore,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(unsupported("a delimiter in a listing of uploads"));
    }
    let encode = encoder(input.encoding_type.as_ref())?;
    let max = bounded(input.max_uploads)?;
    let bucket = input.bucket.clone();
    let prefix = input.prefix.clone().unwrap_or_default();
    let after_key = input.key_marker.clone().unwrap_or_default();
    // A marker for the key alone stands after all its uploads; `~` sorts after every id.
    let after_id = match (&input.key_marker, &input.upload_id_marker) {
        (Some(_), Some(id)) if !id.is_empty() => id.clone(),
        (Some(key), _) if !key.is_empty() => "~".to_owned(),
        _ => String::new(),
    };
    let work = move |connection: &rusqlite::Connection| {
        uploads::list(connection, &bucket, &prefix, (&after_key, &after_id), max + 1)
    };
    let mut uploads = store.readers.read(work).await.map_err(error)?;
    let truncated = uploads.len() > max;
    uploads.truncate(max);
    let last = uploads.last().filter(|_| truncated);
    Ok(S3Response::new(ListMultipartUploadsOutput {
        next_key_marker: last.map(|upload| encode(&upload.key)),
        next_upload_id_marker: last.map(|upload| upload.id.clone()),
        bucket: Some(input.bucket),
        prefix: input.prefix.as_deref().map(&encode),
        key_marker: input.key_marker.as_deref().map(&encode),
        upload_id_marker: input.upload_id_marker,
        encoding_type: input.encoding_type,
        max_uploads: Some(max as i32),
        is_truncated: Some(truncated),
        uploads: Some(uploads.into_iter().map(|upload| listed(upload, &encode)).collect()),
        ..ListMultipartUploadsOutput::default()
    }))
}

fn listed(upload: UploadRow, encode: &impl Fn(&str) -> String) -> MultipartUpload {
    MultipartUpload {
        key: Some(encode(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(timestamp(upload.started_ms)),
        owner: Some(owner()),
        storage_class: Some(s3s::dto::StorageClass::from_static(s3s::dto::StorageClass::STANDARD)),
        checksum_algorithm: upload.checksum.map(|chosen| algorithm(chosen.algorithm)),
        checksum_type: upload.checksum.map(|chosen| kind(chosen.full_object)),
        ..MultipartUpload::default()
    }
}

fn part(row: PartRow) -> Part {
    let mut part = Part {
        part_number: Some(row.number),
        size: Some(row.size as i64),
        e_tag: Some(etag(&row.etag)),
        last_modified: Some(timestamp(row.modified_ms)),
        ..Part::default()
    };
    checksum::set!(part, row.checksum.as_ref());
    part
}

async fn find(store: &EmbeddedStore, bucket: &str, key: &str, upload: &str) -> S3Result<UploadRow> {
    let (bucket, key, upload) = (bucket.to_owned(), key.to_owned(), upload.to_owned());
    let work = move |connection: &rusqlite::Connection| uploads::find(connection, &bucket, &key, &upload);
    store.readers.read(work).await.map_err(error)
}

async fn put_part(
    store: &EmbeddedStore,
    bucket: String,
    key: String,
    upload: String,
    number: i32,
    staged: Staged,
) -> S3Result<PartRow> {
    let work = move |unit: &mut Unit<'_>| uploads::put_part(unit, (&bucket, &key, &upload), number, staged);
    store.writer.write(work).await.map_err(error)
}

fn part_number(number: i32) -> S3Result<i32> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(number);
    }
    Err(refuse(S3ErrorCode::InvalidArgument, "a part number is 1 to 10000"))
}

/// As S3 chooses: CRC64NVME covers the whole object, and the others their parts unless the client says so.
fn chosen_checksum(
    name: Option<&ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> S3Result<Option<UploadChecksum>> {
    let Some(name) = name else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(refuse(S3ErrorCode::InvalidRequest, "a checksum type needs a checksum algorithm")),
        };
    };
    let unknown = || refuse(S3ErrorCode::InvalidArgument, "the checksum algorithm is unknown");
    let algorithm = Algorithm::from_name(name.as_str()).ok_or_else(unknown)?;
    let is_sha = matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256);
    let full_object = match kind.map(ChecksumType::as_str) {
        None => algorithm == Algorithm::Crc64nvme,
        Some(ChecksumType::FULL_OBJECT) if !is_sha => true,
        Some(ChecksumType::COMPOSITE) if algorithm != Algorithm::Crc64nvme => false,
        Some(_) => {
            let message = "the checksum algorithm does not go with the checksum type";
            return Err(refuse(S3ErrorCode::InvalidRequest, message));
        }
    };
    Ok(Some(UploadChecksum { algorithm, full_object }))
}

fn algorithm(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

fn kind(full_object: bool) -> ChecksumType {
    ChecksumType::from_static(if full_object { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE })
}
