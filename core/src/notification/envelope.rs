//! What a notification comes wrapped in. Every dialect is brought into the same few fields here, still as they
//! were written; what they mean is decided afterwards, once, for all of them. A new dialect is a file of its own
//! beside this one, and a new arm of [`open`].
//!
//! Fields are picked from the JSON one by one, so that a field of an unexpected type is merely absent and a broken
//! record stands alone.

use std::borrow::Cow;

use super::json::Json;
use super::key::Spelling;
use super::kind::Family;
use super::{Ignored, NotANotification, WhyIgnored, eventbridge, lenient, minio, s3, seaweedfs, sns};

/// How many envelopes may lie in each other. SNS in SQS in a function's event are three; nobody needs five.
pub const MAX_DEPTH: usize = 4;

/// What lies in an envelope.
pub(super) enum Found<'a> {
    Record(Record<'a>),
    /// Something that its envelope alone shows to be no change.
    Ignored(Ignored),
}

/// What a record says, as it was written.
pub(super) struct Record<'a> {
    pub family: Family,
    /// None where the family has no versions.
    pub version: Option<&'a str>,
    pub event: Option<&'a str>,
    pub bucket: Option<&'a str>,
    /// When the server did it; none where the dialect does not say, or says it of something else.
    pub time: Option<&'a str>,
    /// Still encoded, as `spelling` says.
    pub key: Option<Cow<'a, str>>,
    pub spelling: Spelling,
}

pub(super) type Find<'f> = dyn FnMut(Found<'_>) + 'f;

/// Tells `find` everything that lies in the JSON, in order.
pub(super) fn open(json: &Json<'_>, find: &mut Find<'_>) -> Result<(), NotANotification> {
    open_at(0, json, find)
}

fn open_at(depth: usize, json: &Json<'_>, find: &mut Find<'_>) -> Result<(), NotANotification> {
    if depth == MAX_DEPTH {
        return Err(NotANotification::TooDeep);
    }
    if let Some(records) = s3::records(json) {
        // MinIO tells key and event beside the records, too; it matters only where there are no records.
        match minio::summary(json) {
            Some(summary) if records.is_empty() => find(Found::Record(summary)),
            _ => records.iter().for_each(|record| open_record(depth, record, find)),
        }
        return Ok(());
    }
    if let Some(delivered) = sns::delivered(json) {
        return match delivered {
            sns::Delivered::Message(inner) => open_inner(depth + 1, inner, find),
            sns::Delivered::Confirmation(kind) => {
                find(Found::Ignored(Ignored { key: None, why: WhyIgnored::Confirmation(kind.to_owned()) }));
                Ok(())
            }
        };
    }
    if s3::is_test(json) {
        find(Found::Ignored(Ignored { key: None, why: WhyIgnored::Test }));
        return Ok(());
    }
    if let Some(record) = eventbridge::record(json).or_else(|| minio::summary(json)) {
        find(Found::Record(record));
        return Ok(());
    }
    if seaweedfs::is_event(json) {
        seaweedfs::open(json, find);
        return Ok(());
    }
    Err(NotANotification::Shape)
}

/// A message that carries another one: as text, or, from servers that do not take it so exactly, as JSON.
fn open_inner(depth: usize, inner: &Json<'_>, find: &mut Find<'_>) -> Result<(), NotANotification> {
    match inner {
        Json::Text(text) => {
            let json = lenient::parse(text).map_err(NotANotification::Json)?;
            open_at(depth, &json, find)
        }
        json => open_at(depth, json, find),
    }
}

/// One of `Records`. It is a record of S3, unless it is visibly an envelope: what a function is called with when it
/// listens to a queue or a topic. Whatever it is, its siblings are opened after it, and it ends as something.
fn open_record(depth: usize, record: &Json<'_>, find: &mut Find<'_>) {
    let inner = match record.at(&["s3"]).is_some_and(Json::is_object) {
        true => None,
        false => record.at(&["body"]).or_else(|| record.at(&["Sns", "Message"])),
    };
    let Some(inner) = inner else {
        return find(Found::Record(s3::record(record)));
    };
    let mut found_any = false;
    let opened = open_inner(depth + 1, inner, &mut |found| {
        found_any = true;
        find(found);
    });
    let why = match opened {
        Ok(()) if found_any => return,
        Ok(()) => WhyIgnored::NoKey,
        Err(why) => WhyIgnored::NoNotification(why.in_full()),
    };
    find(Found::Ignored(Ignored { key: None, why }));
}
