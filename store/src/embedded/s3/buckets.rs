//! The operations on buckets themselves.

use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::attributes::timestamp;
use super::error::{error, refuse};
use super::listing::owner;
use crate::embedded::{EmbeddedStore, REGION, buckets};

/// All of them on one page, as S3 does when nobody asks for pages.
pub(super) async fn list(
    store: &EmbeddedStore,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let prefix = request.input.prefix;
    let mut rows = store.readers.read(buckets::list).await.map_err(error)?;
    rows.retain(|row| prefix.as_ref().is_none_or(|prefix| row.name.starts_with(prefix)));
    let bucket = |row: buckets::BucketRow| Bucket {
        name: Some(row.name),
        creation_date: Some(timestamp(row.created_ms)),
        bucket_region: Some(REGION.to_owned()),
    };
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(rows.into_iter().map(bucket).collect()),
        owner: Some(owner()),
        prefix,
        ..ListBucketsOutput::default()
    }))
}

pub(super) async fn create(
    store: &EmbeddedStore,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let name = request.input.bucket;
    let location = Some(format!("/{name}"));
    let created = store.writer.write(move |unit| buckets::create(unit, &name)).await.map_err(error)?;
    if !created {
        return Err(S3ErrorCode::BucketAlreadyOwnedByYou.into());
    }
    Ok(S3Response::new(CreateBucketOutput { location }))
}

pub(super) async fn head(
    store: &EmbeddedStore,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    exists(store, request.input.bucket).await?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(REGION.to_owned()),
        ..HeadBucketOutput::default()
    }))
}

pub(super) async fn delete(
    store: &EmbeddedStore,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let name = request.input.bucket;
    let outcome = store.writer.write(move |unit| buckets::delete(unit.connection, &name)).await;
    outcome.map_err(error)?;
    Ok(S3Response::with_status(DeleteBucketOutput::default(), http::StatusCode::NO_CONTENT))
}

/// The region that S3 names by naming none.
pub(super) async fn location(
    store: &EmbeddedStore,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    exists(store, request.input.bucket).await?;
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: Some(BucketLocationConstraint::from(String::new())),
    }))
}

/// Never configured; clients ask before they list or delete.
pub(super) async fn versioning(
    store: &EmbeddedStore,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    exists(store, request.input.bucket).await?;
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}

async fn exists(store: &EmbeddedStore, name: String) -> S3Result<()> {
    let found = store.readers.read(move |connection| buckets::find(connection, &name)).await;
    found.map(|_| ()).map_err(error)
}

/// A form upload goes around the checks that every other write passes, so there is none.
pub(super) fn no_forms<T>() -> S3Result<T> {
    Err(refuse(S3ErrorCode::NotImplemented, "this server takes no form uploads; use PUT"))
}
