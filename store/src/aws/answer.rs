//! What a server said instead of doing what it was asked, or why nothing came from it: the causes that `hint` reads.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// The server answered, with an error. The SDK's own error says it two or three times over.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status} {code}: {message}")]
pub(crate) struct Answer {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// Where the bucket is, when the server says so.
    pub region: Option<String>,
}

/// The server did not answer, or not in words that we understand.
#[derive(Debug, thiserror::Error)]
#[error("{silence}{}", at(.endpoint))]
pub(crate) struct NoAnswer {
    pub silence: Silence,
    pub endpoint: Option<String>,
    #[source]
    pub source: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    #[error("no answer came in time")]
    Timeout,
    #[error("nobody listens")]
    NobodyListens,
    #[error("there is no such host")]
    NoSuchHost,
    #[error("no secure connection came about")]
    Tls,
    #[error("there are no credentials to ask with")]
    NoCredentials,
    #[error("the answer is no answer of S3 or SQS")]
    NotUnderstood,
    #[error("the request could not be made")]
    NotMade,
    #[error("the connection broke")]
    Broken,
}

fn at(endpoint: &Option<String>) -> String {
    endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default()
}

/// The error as a cause of ours.
pub(super) fn cause<E>(error: SdkError<E, HttpResponse>, endpoint: Option<&str>) -> Cause
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let SdkError::ServiceError(answer) = &error
        && !is_gibberish(&error)
    {
        let status = answer.raw().status().as_u16();
        return Box::new(Answer {
            status,
            code: code(&error).unwrap_or("without a code").to_owned(),
            message: answer.err().message().unwrap_or("no reason given").to_owned(),
            region: region(answer.raw(), answer.err().message()),
        });
    }
    let silence = silence(&error);
    let endpoint = endpoint.filter(|_| silence != Silence::NoCredentials).map(str::to_owned);
    Box::new(NoAnswer { silence, endpoint, source: error.into_source().unwrap_or_else(|error| error.into()) })
}

/// A success that cannot be read. The SDK tells it as an error of the service, since some of those come as a success.
pub(super) fn is_gibberish<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::ServiceError(answer) if answer.raw().status().is_success() && answer.err().code().is_none())
}

/// What the server calls its error. Answers to HEAD have no body, so their code is what the status says.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    let SdkError::ServiceError(answer) = error else { return None };
    answer.err().code().or_else(|| match answer.raw().status().as_u16() {
        301 => Some("PermanentRedirect"),
        403 => Some("Forbidden"),
        501 => Some("NotImplemented"),
        _ => None,
    })
}

/// Whether the server knew who asked, let them, and found fault with the request itself.
pub(super) fn finds_fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::ServiceError(answer) = error else { return false };
    is_fault(answer.raw().status().as_u16(), code(error).unwrap_or_default())
}

/// Of credentials and rights SQS speaks with 403, and some of its relatives with 400.
fn is_fault(status: u16, code: &str) -> bool {
    const OF_THE_CALLER: [&str; 8] = [
        "AccessDenied",
        "NotAuthorized",
        "Token",
        "Signature",
        "AccessKey",
        "Security",
        "Expired",
        "NonExistentQueue",
    ];
    matches!(status, 400 | 404 | 405 | 409 | 413 | 415 | 422)
        && !OF_THE_CALLER.iter().any(|word| code.contains(word))
}

/// From the header that S3 sends with a redirect, or from the message: "the region 'us-east-1' is wrong; expecting
/// 'eu-west-1'".
fn region(answer: &HttpResponse, message: Option<&str>) -> Option<String> {
    let header = answer.headers().get("x-amz-bucket-region");
    let told = || message?.split("expecting '").nth(1)?.split('\'').next();
    header.or_else(told).map(str::to_owned)
}

fn silence<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Silence {
    match error {
        SdkError::TimeoutError(_) => return Silence::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => return Silence::Timeout,
        SdkError::ResponseError(_) | SdkError::ServiceError(_) => return Silence::NotUnderstood,
        _ => {}
    }
    let found = chain(error).find_map(|error| {
        if error.is::<CredentialsError>() {
            return Some(Silence::NoCredentials);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return Some(Silence::NobodyListens),
                io::ErrorKind::TimedOut => return Some(Silence::Timeout),
                _ => {}
            }
        }
        let words = error.to_string();
        let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
        if says(&["dns error", "failed to lookup address"]) {
            Some(Silence::NoSuchHost)
        } else if says(&[
            "certificate",
            "UnknownIssuer",
            "corrupt message",
            "HandshakeFailure",
            "tls handshake",
        ]) {
            Some(Silence::Tls)
        } else {
            None
        }
    });
    found.unwrap_or(match error {
        SdkError::ConstructionFailure(_) => Silence::NotMade,
        _ => Silence::Broken,
    })
}

/// An error and what caused it, outermost first.
pub(crate) fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'e (dyn Error + 'static) = *error;
        // An I/O error hides what it carries from `source`, which only tells the source of that.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::is_fault;

    #[test]
    fn a_fault_of_the_request_is_told_from_one_of_the_caller() {
        let check = |status, code, expected| assert_eq!(is_fault(status, code), expected, "{status} {code}");
        check(400, "AWS.SimpleQueueService.EmptyBatchRequest", true);
        check(400, "InvalidParameterValue", true);
        check(404, "ReceiptHandleIsInvalid", true);
        check(403, "AccessDenied", false);
        check(400, "AccessDeniedException", false);
        check(400, "ExpiredToken", false);
        check(403, "InvalidClientTokenId", false);
        check(400, "AWS.SimpleQueueService.NonExistentQueue", false);
        check(403, "OverLimit", false);
        check(500, "InternalError", false);
        check(503, "", false);
    }
}
