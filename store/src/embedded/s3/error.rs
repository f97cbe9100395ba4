//! What the store refuses, in the codes that S3 clients know.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::embedded::EmbeddedError;

pub(super) fn error(error: EmbeddedError) -> S3Error {
    let code = match &error {
        EmbeddedError::InvalidBucketName(_) => S3ErrorCode::InvalidBucketName,
        EmbeddedError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
        EmbeddedError::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
        EmbeddedError::BucketNotifies { .. } => S3ErrorCode::OperationAborted,
        EmbeddedError::KeyLength(0) => S3ErrorCode::InvalidArgument,
        EmbeddedError::KeyLength(_) => S3ErrorCode::KeyTooLongError,
        EmbeddedError::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
        EmbeddedError::PreconditionFailed(_) => S3ErrorCode::PreconditionFailed,
        EmbeddedError::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
        EmbeddedError::InvalidPart(_) => S3ErrorCode::InvalidPart,
        EmbeddedError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        EmbeddedError::PartTooSmall { .. } => S3ErrorCode::EntityTooSmall,
        EmbeddedError::NoParts => S3ErrorCode::MalformedXML,
        EmbeddedError::ChecksumOfParts => S3ErrorCode::BadDigest,
        EmbeddedError::InUse(_)
        | EmbeddedError::Schema { .. }
        | EmbeddedError::File { .. }
        | EmbeddedError::Database(_)
        | EmbeddedError::Commit(_)
        | EmbeddedError::Attributes { .. }
        | EmbeddedError::Random(_)
        | EmbeddedError::Closed
        | EmbeddedError::NoSuchQueue(_)
        | EmbeddedError::DeadLetterKind { .. }
        | EmbeddedError::QueueKind(_)
        | EmbeddedError::NotifyFifo(_)
        | EmbeddedError::NoGroup(_)
        | EmbeddedError::MessageSize(_)
        | EmbeddedError::ReceiptRanOut => {
            // The client learns nothing of our files; whoever runs the store reads the log.
            tracing::error!(error = &error as &dyn std::error::Error, "a request failed in the store");
            return S3Error::new(S3ErrorCode::InternalError);
        }
    };
    S3Error::with_message(code, error.to_string())
}

pub(super) fn refuse(code: S3ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}

/// With a code that `s3s` does not list.
pub(super) fn refuse_as(code: &'static str, status: StatusCode, message: String) -> S3Error {
    let mut refused = refuse(S3ErrorCode::Custom(code.into()), message);
    refused.set_status_code(status);
    refused
}

/// For what S3 has and this server has not: better a clear no than a promise that is not kept.
pub(super) fn unsupported(what: &'static str) -> S3Error {
    refuse(S3ErrorCode::NotImplemented, format!("this server does not support {what}"))
}
