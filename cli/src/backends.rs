//! What the settings `store`, `events` and `commands` may say: embedded, or the URL of somebody's S3 or SQS. Parsed
//! here once; what is opened by them is in `roles::ports`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Url;

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    Embedded,
    S3(Endpoint),
}

/// Where notifications wait for `object_changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    Embedded,
    Sqs(QueueUrl),
    /// Nobody here reads them: the functions run elsewhere, or the store sends none.
    None,
}

/// Where commands wait for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commands {
    Embedded,
    Sqs(QueueUrl),
}

/// The endpoint of an S3 server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub url: String,
    /// Where the URL says it, as those of AWS do.
    pub region: Option<String>,
    /// It is AWS itself, which wants the bucket in the host name.
    pub is_aws: bool,
}

/// A queue of SQS or of something that speaks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrl {
    pub url: String,
    /// Where requests go: the URL without its path.
    pub endpoint: String,
    pub region: Option<String>,
    pub fifo: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackend {
    #[error("`{0}` is neither `embedded` nor a URL that begins with http:// or https://")]
    NoUrl(String),
    #[error(
        "`{0}` came with credentials or a query, which no URL here may have; credentials belong into the environment or a profile"
    )]
    Credentials(String),
    #[error(
        "`{0}` is no endpoint of S3: it names more than a host and a port; buckets have settings of their own"
    )]
    Path(String),
    #[error("`{0}` names no queue: the URL of a queue ends in its name")]
    NoQueue(String),
    #[error("`events` cannot be the FIFO queue `{0}`: S3 notifies only standard queues")]
    FifoEvents(String),
    #[error("`commands` must be a FIFO queue, whose name ends in .fifo, and `{0}` is none")]
    StandardCommands(String),
}

const EMBEDDED: &str = "embedded";

impl FromStr for Store {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        if text == EMBEDDED {
            return Ok(Self::Embedded);
        }
        let url = parsed(text)?;
        if !matches!(url.path(), "" | "/") {
            return Err(InvalidBackend::Path(text.to_owned()));
        }
        let region = aws_region(&url, "s3");
        let is_aws = is_aws(&url);
        Ok(Self::S3(Endpoint { url: origin(&url), region, is_aws }))
    }
}

impl FromStr for Events {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        match text {
            EMBEDDED => Ok(Self::Embedded),
            "none" => Ok(Self::None),
            _ => {
                let queue: QueueUrl = text.parse()?;
                if queue.fifo { Err(InvalidBackend::FifoEvents(queue.url)) } else { Ok(Self::Sqs(queue)) }
            }
        }
    }
}

impl FromStr for Commands {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        if text == EMBEDDED {
            return Ok(Self::Embedded);
        }
        let queue: QueueUrl = text.parse()?;
        if queue.fifo { Ok(Self::Sqs(queue)) } else { Err(InvalidBackend::StandardCommands(queue.url)) }
    }
}

impl FromStr for QueueUrl {
    type Err = InvalidBackend;

    fn from_str(text: &str) -> Result<Self, InvalidBackend> {
        let url = parsed(text)?;
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        if name.is_empty() {
            return Err(InvalidBackend::NoQueue(text.to_owned()));
        }
        let (fifo, region) = (name.ends_with(".fifo"), aws_region(&url, "sqs"));
        Ok(Self { url: text.to_owned(), endpoint: origin(&url), region, fifo })
    }
}

/// A URL without credentials in it: they would end up in logs. So no error repeats them either.
fn parsed(text: &str) -> Result<Url, InvalidBackend> {
    let bare = without_secrets(text);
    let url: Url = text.parse().map_err(|_| InvalidBackend::NoUrl(bare.clone()))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(InvalidBackend::Credentials(bare));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(InvalidBackend::NoUrl(bare));
    }
    Ok(url)
}

/// What may be shown of something that should have been a URL.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn is_aws(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// `eu-central-1` of `sqs.eu-central-1.amazonaws.com`; servers that stand in for AWS name their hosts so, too.
fn aws_region(url: &Url, service: &str) -> Option<String> {
    let mut labels = url.host_str()?.split('.');
    let region = labels.next().filter(|first| *first == service).and_then(|_| labels.next())?;
    let looks_like_one = region.split('-').count() >= 3 && region.ends_with(|c: char| c.is_ascii_digit());
    looks_like_one.then(|| region.to_owned())
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => EMBEDDED,
            Self::S3(endpoint) => &endpoint.url,
        })
    }
}

macro_rules! from_text {
    ($($setting:ty),*) => {$(
        impl<'de> Deserialize<'de> for $setting {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

from_text!(Store, Events, Commands);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_embedded_or_an_endpoint() {
        let s3 = |text: &str| match text.parse().unwrap() {
            Store::S3(endpoint) => (endpoint.url, endpoint.region, endpoint.is_aws),
            Store::Embedded => panic!("{text}"),
        };
        assert_eq!("embedded".parse(), Ok(Store::Embedded));
        assert_eq!(s3("http://127.0.0.1:9000/"), ("http://127.0.0.1:9000".into(), None, false));
        let aws = "https://s3.eu-central-1.amazonaws.com";
        assert_eq!(s3(aws), (aws.into(), Some("eu-central-1".into()), true));
        assert_eq!(s3("https://s3.amazonaws.com"), ("https://s3.amazonaws.com".into(), None, true));
        for wrong in ["", "minio:9000", "ftp://x", "http://", "http://host/bucket", "Embedded", "http://h/?x"]
        {
            assert!(wrong.parse::<Store>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        let check = |text: &str| {
            let errors = [text.parse::<Store>().unwrap_err(), text.parse::<Events>().unwrap_err()];
            for error in errors.map(|error| error.to_string()) {
                assert!(
                    error.contains("host:9000") && !error.contains("hush") && !error.contains("AKID"),
                    "{error}"
                );
            }
        };
        check("http://AKID:hush@host:9000");
        check("ftp://AKID:hush@host:9000");
        check("AKID:hush@host:9000");
        check("http://host:9000/q?X-Amz-Signature=hush");
        check("http://AKID:hush@@host:9000");
    }

    #[test]
    fn a_queue_tells_its_endpoint_and_region() {
        let check = |text: &str, endpoint: &str, region: Option<&str>| {
            let queue: QueueUrl = text.parse().unwrap();
            assert_eq!((queue.endpoint.as_str(), queue.region.as_deref()), (endpoint, region), "{text}");
        };
        let aws = "https://sqs.eu-central-1.amazonaws.com";
        check(&format!("{aws}/123456789012/events"), aws, Some("eu-central-1"));
        check("http://127.0.0.1:4566/000000000000/events", "http://127.0.0.1:4566", None);
        let localstack = "http://sqs.us-east-1.localhost.localstack.cloud:4566";
        check(&format!("{localstack}/000000000000/c.fifo"), localstack, Some("us-east-1"));
        assert_eq!("http://host/".parse::<QueueUrl>(), Err(InvalidBackend::NoQueue("http://host/".into())));
    }

    #[test]
    fn events_are_standard_and_commands_are_fifo() {
        let (standard, fifo) = ("http://h/1/q", "http://h/1/q.fifo");
        assert!(matches!(standard.parse(), Ok(Events::Sqs(_))));
        assert!(matches!(fifo.parse(), Ok(Commands::Sqs(_))));
        assert_eq!(fifo.parse::<Events>(), Err(InvalidBackend::FifoEvents(fifo.into())));
        assert_eq!(standard.parse::<Commands>(), Err(InvalidBackend::StandardCommands(standard.into())));
        assert_eq!("none".parse(), Ok(Events::None));
        assert!("none".parse::<Commands>().is_err());
    }
}
