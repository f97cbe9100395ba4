//! What an error of AWS means for us: try again, or tell somebody.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::answer;

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
        _ if answer::is_gibberish(error) => Verdict::Unavailable,
        SdkError::ServiceError(answer) => of_answer(answer.raw().status().as_u16(), answer::code(error)),
        // Time-outs, broken connections, answers that are not understood, and what the SDK may add.
        _ => Verdict::Unavailable,
    }
}

/// Whether the object that was looked at is not there; the answer to a HEAD has no code.
pub(super) fn is_missing_object<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let not_found = |status, code: Option<&str>| status == 404 && matches!(code, None | Some("NotFound"));
    of(error) == Verdict::NoKey || status(error).is_some_and(|status| not_found(status, answer::code(error)))
}

/// Whether the server does not know a part of the request, such as its condition.
pub(super) fn is_not_implemented<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let says = || match error {
        SdkError::ServiceError(answer) => {
            answer.err().message().is_some_and(|message| message.to_lowercase().contains("not implemented"))
        }
        _ => false,
    };
    match status(error) {
        Some(501) => true,
        Some(400) => says(),
        _ => answer::code(error) == Some("NotImplemented"),
    }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    match error {
        SdkError::ServiceError(answer) => Some(answer.raw().status().as_u16()),
        _ => None,
    }
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
            // Only because credentials are renewed beside us: a role's, or a profile's.
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "OperationAborted"
            | "ConditionalRequestConflict"
            // Of SQS: too many messages in flight, and a key that is asked for too often.
            | "OverLimit"
            | "AWS.SimpleQueueService.OverLimit"
            | "KmsThrottled"
            | "KMS.ThrottlingException",
        ) => Verdict::Unavailable,
        // What a server does not implement, it will not implement tomorrow.
        (501, _) => Verdict::Refused,
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
        check(403, Some("OverLimit"), Verdict::Unavailable);
        check(400, Some("KmsThrottled"), Verdict::Unavailable);
        check(501, Some("NotImplemented"), Verdict::Refused);
        check(403, Some("RequestThrottled"), Verdict::Unavailable);
        check(409, Some("OperationAborted"), Verdict::Unavailable);
        check(429, None, Verdict::Unavailable);
        check(503, Some("SlowDown"), Verdict::Unavailable);
        check(500, None, Verdict::Unavailable);
    }
}
