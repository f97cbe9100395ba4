//! Which operation of S3 is answered where. What is not listed here answers NotImplemented.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::{buckets, copy, listing, multipart, read, tagging, write};
use crate::embedded::EmbeddedStore;

pub(super) struct Service {
    pub store: Arc<EmbeddedStore>,
}

/// One line an operation: the trait wants them all in one place, and there is nothing to say about each.
macro_rules! operations {
    ($($name:ident: $input:ty => $output:ty = $module:ident::$function:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $module::$function(&self.store, request).await
            })*

            async fn post_object(&self, _: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
                buckets::no_forms()
            }
        }
    };
}

operations! {
    list_buckets: ListBucketsInput => ListBucketsOutput = buckets::list;
    create_bucket: CreateBucketInput => CreateBucketOutput = buckets::create;
    head_bucket: HeadBucketInput => HeadBucketOutput = buckets::head;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput = buckets::delete;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput = buckets::location;
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput = buckets::versioning;

    list_objects: ListObjectsInput => ListObjectsOutput = listing::list_v1;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output = listing::list_v2;

    get_object: GetObjectInput => GetObjectOutput = read::get;
    head_object: HeadObjectInput => HeadObjectOutput = read::head;
    put_object: PutObjectInput => PutObjectOutput = write::put;
    delete_object: DeleteObjectInput => DeleteObjectOutput = write::delete;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput = write::delete_many;
    copy_object: CopyObjectInput => CopyObjectOutput = copy::copy;

    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput = tagging::get;
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput = tagging::put;
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput = tagging::delete;

    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput = multipart::create;
    upload_part: UploadPartInput => UploadPartOutput = multipart::upload_part;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput = multipart::upload_part_copy;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput = multipart::abort;
    list_parts: ListPartsInput => ListPartsOutput = multipart::list_parts;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput = multipart::list_uploads;
}
