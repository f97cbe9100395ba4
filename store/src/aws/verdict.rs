//! What an error of AWS means for us: try again, or tell somebody.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The object is not there.
    NoKey,
    /// A condition of the request does not hold any more.
    ConditionFailed,
    /// Trying again may help.
    Unavailable,
    /// Somebody has to act first.
    Refused,
}

pub(super) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Verdict {
    match error {
        SdkError::ConstructionFailure(_) => Verdict::Refused,
        // Missing credentials fail here too. The default chain may find them later (a role that comes up slowly),
        // so that is worth another try; the error's chain says what is missing.
        SdkError::DispatchFailure(failure) if failure.is_user() => Verdict::Refused,
        SdkError::ServiceError(answer) => of_answer(answer.raw().status().as_u16(), answer.err().code()),
        // Time-outs, broken connections, answers that are not understood, and what the SDK may add.
        _ => Verdict::Unavailable,
    }
}

/// The error as a cause of ours.
pub(super) fn cause<E>(error: SdkError<E, HttpResponse>) -> Box<dyn std::error::Error + Send + Sync>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(answer) => Box::new(Answer {
            status: answer.raw().status().as_u16(),
            code: answer.err().code().unwrap_or("without a code").to_owned(),
            message: answer.err().message().unwrap_or("no reason given").to_owned(),
        }),
        other => Box::new(other),
    }
}

/// What a server answered instead of doing what it was asked. The SDK's own error says it two or three times over.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status} {code}: {message}")]
struct Answer {
    status: u16,
    code: String,
    message: String,
}

/// The codes are those that say that a request below 500 may be tried again unchanged.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn of_answer(status: u16, code: Option<&str>) -> Verdict {
    match (status, code.unwrap_or_default()) {
        (404, "NoSuchKey") => Verdict::NoKey,
        (412, _) => Verdict::ConditionFailed,
        (
            _,
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "RequestTimeout"
            | "ExpiredToken"
            | "OperationAborted"
            | "ConditionalRequestConflict",
        ) => Verdict::Unavailable,
        (408 | 429 | 500.., _) => Verdict::Unavailable,
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_follows_from_them() {
        let check = |status, code, verdict| assert_eq!(of_answer(status, code), verdict, "{status} {code:?}");
        check(404, Some("NoSuchKey"), Verdict::NoKey);
        check(404, Some("NoSuchBucket"), Verdict::Refused);
        check(404, None, Verdict::Refused);
        check(412, Some("PreconditionFailed"), Verdict::ConditionFailed);
        check(403, Some("AccessDenied"), Verdict::Refused);
        check(403, Some("SignatureDoesNotMatch"), Verdict::Refused);
        check(400, Some("AWS.SimpleQueueService.NonExistentQueue"), Verdict::Refused);
        check(301, Some("PermanentRedirect"), Verdict::Refused);
        check(400, Some("RequestTimeout"), Verdict::Unavailable);
        check(400, Some("ExpiredToken"), Verdict::Unavailable);
        check(403, Some("RequestThrottled"), Verdict::Unavailable);
        check(409, Some("OperationAborted"), Verdict::Unavailable);
        check(429, None, Verdict::Unavailable);
        check(503, Some("SlowDown"), Verdict::Unavailable);
        check(500, None, Verdict::Unavailable);
    }
}
