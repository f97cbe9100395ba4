//! What to do about an error of a store: what S3, SQS or the network said, in words that name the setting, the right or
//! the place that is wrong.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

use crate::aws::{Answer, FIND_DEAD_LETTERS, NoAnswer, READ_FACTS, READ_WIRING, Silence, chain};
use crate::bucket::BucketError;
use crate::queue::QueueError;

/// What somebody can do about `error`, from whatever in its chain came from a bucket, a queue or the network. None when
/// nothing there is understood, or nothing can be done.
pub fn of(error: &(dyn Error + 'static)) -> Option<String> {
    let mut asked = Asked::default();
    for error in chain(error) {
        if let Some(error) = error.downcast_ref::<BucketError>() {
            asked = Asked::bucket(error);
        } else if let Some(error) = error.downcast_ref::<QueueError>() {
            asked = Asked::queue(error);
        } else if let Some(answer) = error.downcast_ref::<Answer>() {
            return asked.answered(answer);
        } else if let Some(silence) = error.downcast_ref::<NoAnswer>() {
            return Some(unanswered(silence));
        } else if error.is::<CredentialsError>() {
            return Some(NO_CREDENTIALS.to_owned());
        }
    }
    None
}

const NO_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a `profile` of ~/.aws that has \
                              them, or run where a role gives them";

/// What was asked for when the answer came.
#[derive(Default)]
struct Asked {
    /// The right that it needs, and what on.
    permission: Option<(&'static str, String)>,
    bucket: Option<String>,
    /// And not one of its objects, or a part of one: whatever is missing then is the bucket.
    whole_bucket: bool,
    queue: Option<String>,
}

impl Asked {
    fn bucket(error: &BucketError) -> Self {
        let (bucket, operation, key) = match error {
            BucketError::Refused { bucket, operation, key, .. }
            | BucketError::Unavailable { bucket, operation, key, .. } => (bucket, *operation, key),
            BucketError::NotFound { bucket, .. } | BucketError::Changed { bucket, .. } => {
                return Self { bucket: Some(bucket.clone()), ..Self::default() };
            }
        };
        let whole = || format!("arn:aws:s3:::{bucket}");
        let objects = || match key.split_once('/') {
            Some((folder, _)) => format!("arn:aws:s3:::{bucket}/{folder}/*"),
            None => format!("arn:aws:s3:::{bucket}/*"),
        };
        let permission = match operation {
            "list" => Some(("s3:ListBucket", whole())),
            READ_WIRING => Some(("s3:GetBucketNotification", whole())),
            "get" | "look at" | "read" => Some(("s3:GetObject", objects())),
            "put" | "put a part of" | "begin to put" | "put together" => Some(("s3:PutObject", objects())),
            "delete" => Some(("s3:DeleteObject", objects())),
            _ => None,
        };
        let whole_bucket = matches!(operation, "list" | READ_WIRING);
        Self { permission, bucket: Some(bucket.clone()), whole_bucket, queue: None }
    }

    fn queue(error: &QueueError) -> Self {
        let (QueueError::Refused { queue, operation, .. } | QueueError::Unavailable { queue, operation, .. }) =
            error;
        let permission = match *operation {
            "send" => Some("sqs:SendMessage"),
            "receive" => Some("sqs:ReceiveMessage"),
            "delete" => Some("sqs:DeleteMessage"),
            "extend" => Some("sqs:ChangeMessageVisibility"),
            "count" | READ_FACTS => Some("sqs:GetQueueAttributes"),
            FIND_DEAD_LETTERS => Some("sqs:GetQueueUrl"),
            _ => None,
        };
        let permission = permission.map(|permission| (permission, format!("the queue `{queue}`")));
        Self { permission, queue: Some(queue.clone()), ..Self::default() }
    }

    fn answered(&self, answer: &Answer) -> Option<String> {
        let hint = match answer.code.as_str() {
            "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "the server does not know this access key: check AWS_ACCESS_KEY_ID, or the profile".to_owned()
            }
            _ if is_clock_skew(answer) => {
                "this machine's clock and the server's differ by too much: set the clock, for instance with NTP"
                    .to_owned()
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" => {
                "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY, or the profile"
                    .to_owned()
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                "the credentials ran out: sign in again, or use credentials that are renewed by themselves, such as \
                 those of a role"
                    .to_owned()
            }
            "InvalidToken" | "InvalidSecurity" | "MissingAuthenticationToken" => {
                "the session token is not accepted: unset AWS_SESSION_TOKEN if the access key needs none".to_owned()
            }
            "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => self.elsewhere(answer.region.as_deref()),
            "NoSuchBucket" => self.no_such_bucket(),
            "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" | "NonExistentQueue" => {
                let queue = self.queue.as_deref().unwrap_or("named");
                format!("there is no queue `{queue}` at this URL: check its region, its account and its spelling")
            }
            "OverLimit" | "AWS.SimpleQueueService.OverLimit" => {
                "too many messages were received and neither deleted nor given back: is something stuck?".to_owned()
            }
            "NotImplemented" => "this server does not offer that; an S3 or SQS of another maker may".to_owned(),
            "InvalidBucketName" => "no bucket can have that name: check the settings".to_owned(),
            code if code.starts_with("KMS.") || code.starts_with("Kms") => {
                "the key of KMS that encrypts it cannot be used: allow kms:GenerateDataKey and kms:Decrypt on it"
                    .to_owned()
            }
            code if is_throttling(code) || answer.status == 429 => {
                "the server asks for fewer requests; they are sent again by themselves".to_owned()
            }
            _ => match answer.status {
                301 | 307 => self.elsewhere(answer.region.as_deref()),
                401 | 403 => self.not_allowed(),
                404 if self.whole_bucket => self.no_such_bucket(),
                507 => "the server's disk is full".to_owned(),
                500.. => "the server has a fault of its own: its log says more".to_owned(),
                _ => return None,
            },
        };
        Some(hint)
    }

    fn elsewhere(&self, region: Option<&str>) -> String {
        match region {
            Some(region) => format!("the bucket is in another region: set `region` to \"{region}\""),
            None => "the bucket is in another region: set `region`, and the endpoint to that of the region"
                .to_owned(),
        }
    }

    fn no_such_bucket(&self) -> String {
        match &self.bucket {
            Some(bucket) => {
                format!("there is no bucket `{bucket}` on this server: create it, or correct its name")
            }
            None => "there is no such bucket on this server: create it, or correct its name".to_owned(),
        }
    }

    fn not_allowed(&self) -> String {
        match &self.permission {
            Some((permission, on)) => format!("these credentials lack the right {permission} on {on}"),
            None => "these credentials lack the right to do that".to_owned(),
        }
    }
}

/// SQS and its relatives tell a wrong clock as a signature that is not yet, or no longer, valid.
fn is_clock_skew(answer: &Answer) -> bool {
    let of_signature = ["Signature expired", "Signature not yet current"];
    matches!(answer.code.as_str(), "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture")
        || of_signature.iter().any(|words| answer.message.contains(words))
}

fn is_throttling(code: &str) -> bool {
    code.contains("Throttl") || matches!(code, "SlowDown" | "TooManyRequestsException")
}

fn unanswered(error: &NoAnswer) -> String {
    let endpoint = error.endpoint.as_deref().unwrap_or("the endpoint");
    match error.silence {
        Silence::NobodyListens => {
            format!("nobody listens at {endpoint}: is the server up, and the port right?")
        }
        Silence::NoSuchHost => {
            format!("the name of {endpoint} is not known here: check its spelling, and DNS")
        }
        Silence::Timeout => {
            format!("{endpoint} does not answer in time: is it overloaded, or a firewall in between?")
        }
        Silence::Tls => format!(
            "{endpoint} and this machine do not agree on TLS: check http or https, and that its certificate is \
             trusted here (SSL_CERT_FILE, or the system's certificates)"
        ),
        Silence::NoCredentials => NO_CREDENTIALS.to_owned(),
        Silence::NotUnderstood => {
            format!(
                "what {endpoint} answers is not understood: is it a server of S3 or SQS, and the port right?"
            )
        }
        Silence::NotMade => {
            "the request could not be made: check region, endpoint and names in the settings".to_owned()
        }
        Silence::Broken => format!("the connection to {endpoint} broke: its log may say why"),
    }
}
