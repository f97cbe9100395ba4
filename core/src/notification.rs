//! A notification: what an S3 server emitted about one object, in whatever dialect. The first step of the path:
//! here text from outside becomes [`Change`]s, and nothing after this module knows that there are dialects.
//!
//! A change only marks its workspace; the listing of the bucket decides what differs. So marking once too often
//! costs one listing and marking too seldom loses a push, and every doubt is settled by marking: an unknown
//! version, an unknown kind of event, a missing bucket name and an ambiguous key all mark, with a [`Doubt`] where
//! somebody should look. What is ignored says why, and never takes its well-formed siblings with it.

mod envelope;
mod eventbridge;
mod json;
mod key;
mod kind;
mod lenient;
mod minio;
#[cfg(test)]
mod properties;
mod s3;
mod seaweedfs;
mod sns;
#[cfg(test)]
mod tests;

use crate::change::{Change, ChangeKind, Changed, NotInWorkspace};
use crate::form::Undecodable;
use crate::leftover;
use crate::origin::Moment;

use envelope::{Found, Record};
use key::Spelling;
use kind::Kind;

pub use envelope::MAX_DEPTH;

/// The largest text that is looked at, in bytes: SQS carries no message above 1 MiB, so no server means more.
pub const MAX_TEXT: usize = 1 << 20;

/// All that one message of the events queue says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub changes: Vec<Change>,
    pub ignored: Vec<Ignored>,
    /// What was marked although it was not wholly understood.
    pub doubts: Vec<Doubt>,
}

/// One record that changes no workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// As it was written, still encoded; none where none could be read.
    pub key: Option<String>,
    pub why: WhyIgnored,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyIgnored {
    #[error("the server only tried whether its notifications arrive")]
    Test,
    #[error("it is about bucket {0:?}, to which we do not listen")]
    OtherBucket(String),
    #[error("an event {0:?} changes no content")]
    NoContent(String),
    #[error("SNS sent a {0}; it delivers nothing until somebody visits the URL in it")]
    Confirmation(String),
    #[error("it is about {0:?} on the server, which is in no bucket")]
    OutsideBuckets(String),
    #[error("it is about a folder; the files in it tell of themselves")]
    Folder,
    #[error("it is about a part of an upload that is not complete")]
    Unfinished,
    #[error("it is about {0}, which is no source")]
    Leftover(&'static str),
    #[error("the record names no object")]
    NoKey,
    #[error("what the record carries is no notification: {0}")]
    NoNotification(String),
    #[error("its key cannot be decoded")]
    Key(#[source] Undecodable),
    #[error("its key belongs to no workspace")]
    NotInWorkspace(#[source] NotInWorkspace),
}

impl WhyIgnored {
    /// Whether servers say such things all day: a read, a test, another bucket. The others somebody should look at.
    pub fn is_ordinary(&self) -> bool {
        match self {
            Self::Test
            | Self::OtherBucket(_)
            | Self::OutsideBuckets(_)
            | Self::NoContent(_)
            | Self::Folder
            | Self::Unfinished
            | Self::Leftover(_) => true,
            Self::Confirmation(_)
            | Self::NoKey
            | Self::NoNotification(_)
            | Self::Key(_)
            | Self::NotInWorkspace(_) => false,
        }
    }
}

/// Something in a record that we do not know, and that did not keep it from marking its workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    #[error("version {0:?} of the event format is unknown here")]
    Version(String),
    #[error("the kind of event {0:?} is unknown here")]
    Kind(String),
    #[error("the record names no bucket")]
    NoBucket,
    #[error("key {0:?} is not encoded as any server is known to")]
    Key(String),
}

/// A text that is no notification at all.
#[derive(Debug, thiserror::Error)]
pub enum NotANotification {
    #[error("a text of {0} bytes is no notification: the limit is {MAX_TEXT}")]
    TooLong(usize),
    #[error("the text is no JSON")]
    Json(#[source] serde_json::Error),
    #[error("the JSON is none of the kinds of notification known here")]
    Shape,
    #[error("more than {MAX_DEPTH} messages lie in each other, and the innermost was not looked at")]
    TooDeep,
}

impl NotANotification {
    /// With its cause, for where only a text can be kept.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Json(source) => format!("{self}: {source}"),
            Self::TooLong(_) | Self::Shape | Self::TooDeep => self.to_string(),
        }
    }
}

/// Reads one message of the events queue. `bucket` is the one we listen to.
///
/// Nothing in the text can make this panic, and no record can hide another.
pub fn parse(text: &str, bucket: &str) -> Result<Parsed, NotANotification> {
    if text.len() > MAX_TEXT {
        return Err(NotANotification::TooLong(text.len()));
    }
    let json = lenient::parse(text).map_err(NotANotification::Json)?;
    let mut parsed = Parsed::default();
    envelope::open(&json, &mut |found| match found {
        Found::Record(record) => parsed.take(&record, bucket),
        Found::Ignored(ignored) => parsed.ignored.push(ignored),
    })?;
    Ok(parsed)
}

/// Only the JSON of it, thrown away: so that a benchmark can tell how much of [`parse`] that is.
#[doc(hidden)]
pub fn parse_json_alone(text: &str) -> bool {
    lenient::parse(text).is_ok()
}

impl Parsed {
    fn take(&mut self, record: &Record<'_>, bucket: &str) {
        match changes(record, bucket) {
            Ok((changes, doubts)) => {
                self.changes.extend(changes);
                self.doubts.extend(doubts);
            }
            Err(why) => self.ignored.push(Ignored { key: record.key.as_deref().map(str::to_owned), why }),
        }
    }
}

fn changes(record: &Record<'_>, bucket: &str) -> Result<(Vec<Change>, Vec<Doubt>), WhyIgnored> {
    let mut doubts = Vec::new();
    match record.bucket {
        Some(other) if other != bucket => return Err(WhyIgnored::OtherBucket(other.to_owned())),
        Some(_) => {}
        None => doubts.push(Doubt::NoBucket),
    }
    let event = record.event.unwrap_or_default();
    let kind = match record.family.kind(event) {
        Kind::Change(kind) => kind,
        Kind::NoContent => return Err(WhyIgnored::NoContent(event.to_owned())),
        Kind::Test => return Err(WhyIgnored::Test),
        Kind::Unknown => {
            doubts.push(Doubt::Kind(event.to_owned()));
            ChangeKind::Put
        }
    };
    let version = record.version.unwrap_or_default();
    if !record.family.knows_version(version) {
        doubts.push(Doubt::Version(version.to_owned()));
    }
    let key = record.key.as_deref().ok_or(WhyIgnored::NoKey)?;
    let (mut changes, doubt) = marked(key, record.spelling, kind)?;
    let at = record.time.and_then(Moment::parse);
    changes.iter_mut().for_each(|change| change.at = at);
    doubts.extend(doubt);
    Ok((changes, doubts))
}

/// One change for each workspace that the key may mean. Where no reading of it names one, the first reading's
/// reason is told: it is the likeliest.
fn marked(
    key: &str,
    spelling: Spelling,
    kind: ChangeKind,
) -> Result<(Vec<Change>, Option<Doubt>), WhyIgnored> {
    let mut marked: Vec<Change> = Vec::new();
    let mut doubt = None;
    let mut why = None;
    for reading in key::readings(key, spelling) {
        let change = reading
            .key
            .map_err(WhyIgnored::Key)
            .and_then(|key| Change::of_key(&key, kind).map_err(WhyIgnored::NotInWorkspace))
            .and_then(source);
        match change {
            Ok(change) if marked.iter().any(|known| known.workspace == change.workspace) => {}
            Ok(change) => {
                marked.push(change);
                doubt = reading.lossy.then(|| Doubt::Key(key.to_owned()));
            }
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    match why {
        Some(why) if marked.is_empty() => Err(why),
        _ => Ok((marked, doubt)),
    }
}

fn source(change: Change) -> Result<Change, WhyIgnored> {
    match &change.object {
        Changed::File(path) => match leftover::of(path) {
            Some(what) => Err(WhyIgnored::Leftover(what)),
            None => Ok(change),
        },
        Changed::Archive(_) => Ok(change),
    }
}
