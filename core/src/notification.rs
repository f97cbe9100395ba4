//! A notification: what an S3 server emitted about one object, in whatever dialect. The first step of the path:
//! here text from outside becomes [`Change`]s, and nothing after this module knows that there are dialects.
//!
//! A change only marks its workspace; the listing of the bucket decides what differs. So marking once too often
//! costs one listing and marking too seldom loses a push, and every doubt is settled by marking: an unknown
//! version, an unknown kind of event, a missing bucket name and an ambiguous key all mark, with a [`Doubt`] where
//! somebody should look. What is ignored says why, and never takes its well-formed siblings with it.

mod envelope;
mod key;
mod kind;
#[cfg(test)]
mod tests;

use crate::change::{Change, ChangeKind, NotInWorkspace};
use crate::form::Undecodable;

use envelope::{Envelope, Record};
use kind::Kind;

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
    #[error("the record names no object")]
    NoKey,
    #[error("its key cannot be decoded")]
    Key(#[source] Undecodable),
    #[error("its key belongs to no workspace")]
    NotInWorkspace(#[source] NotInWorkspace),
}

/// Something in a record that we do not know, and that did not keep it from marking its workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    #[error("version {0:?} of the event format is unknown here; only 2.x is")]
    Version(String),
    #[error("the kind of event {0:?} is unknown here")]
    Kind(String),
    #[error("the record names no bucket")]
    NoBucket,
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
}

/// Reads one message of the events queue. `bucket` is the one we listen to.
///
/// Nothing in the text can make this panic, and no record can hide another.
pub fn parse(text: &str, bucket: &str) -> Result<Parsed, NotANotification> {
    if text.len() > MAX_TEXT {
        return Err(NotANotification::TooLong(text.len()));
    }
    let json = serde_json::from_str(text).map_err(NotANotification::Json)?;
    let mut parsed = Parsed::default();
    match envelope::open(&json).ok_or(NotANotification::Shape)? {
        Envelope::Test => parsed.ignored.push(Ignored { key: None, why: WhyIgnored::Test }),
        Envelope::Records(records) => records.into_iter().for_each(|record| parsed.take(&record, bucket)),
    }
    Ok(parsed)
}

impl Parsed {
    fn take(&mut self, record: &Record<'_>, bucket: &str) {
        match changes(record, bucket) {
            Ok((changes, doubts)) => {
                self.changes.extend(changes);
                self.doubts.extend(doubts);
            }
            Err(why) => self.ignored.push(Ignored { key: record.key.map(str::to_owned), why }),
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
    let name = record.event_name.unwrap_or_default();
    let kind = match kind::of_event(name) {
        Kind::Change(kind) => kind,
        Kind::NoContent => return Err(WhyIgnored::NoContent(name.to_owned())),
        Kind::Unknown => {
            doubts.push(Doubt::Kind(name.to_owned()));
            ChangeKind::Put
        }
    };
    let version = record.version.unwrap_or_default();
    if !known_version(version) {
        doubts.push(Doubt::Version(version.to_owned()));
    }
    let key = record.key.ok_or(WhyIgnored::NoKey)?;
    Ok((marked(key, record.source, kind)?, doubts))
}

/// AWS promises that the major number grows when an older reader would go wrong, and only then.
fn known_version(version: &str) -> bool {
    version.split('.').next() == Some("2")
}

/// One change for each workspace that the key may mean. Where no reading of it names one, the first reading's
/// reason is told: it is the likeliest.
fn marked(key: &str, source: Option<&str>, kind: ChangeKind) -> Result<Vec<Change>, WhyIgnored> {
    let mut marked: Vec<Change> = Vec::new();
    let mut why = None;
    for reading in key::readings(key, source) {
        let change = reading
            .map_err(WhyIgnored::Key)
            .and_then(|key| Change::of_key(&key, kind).map_err(WhyIgnored::NotInWorkspace));
        match change {
            Ok(change) if marked.iter().any(|known| known.workspace == change.workspace) => {}
            Ok(change) => marked.push(change),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    match why {
        Some(why) if marked.is_empty() => Err(why),
        _ => Ok(marked),
    }
}
