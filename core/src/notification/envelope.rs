//! What a notification comes wrapped in. Every dialect is brought into the same few fields here, still as they
//! were written; what they mean is decided afterwards, once, for all of them. A new dialect is a new arm of
//! [`open`].
//!
//! Fields are picked from the JSON one by one, so that a field of an unexpected type is merely absent and a broken
//! record stands alone.

use serde_json::Value;

pub(super) enum Envelope<'a> {
    /// A server's way to try whether notifications arrive, when somebody configures them.
    Test,
    Records(Vec<Record<'a>>),
}

/// What a record says, as it was written.
#[derive(Default)]
pub(super) struct Record<'a> {
    /// Who emitted it, such as `aws:s3`.
    pub source: Option<&'a str>,
    pub version: Option<&'a str>,
    pub event_name: Option<&'a str>,
    pub bucket: Option<&'a str>,
    /// Still encoded.
    pub key: Option<&'a str>,
}

/// None for JSON that is no notification.
///
/// The shape of AWS is also that of most servers that imitate it: LocalStack, Ceph, and MinIO and its relatives,
/// which add their own fields beside `Records`.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub(super) fn open(json: &Value) -> Option<Envelope<'_>> {
    if let Some(records) = json.get("Records").and_then(Value::as_array) {
        return Some(Envelope::Records(records.iter().map(record).collect()));
    }
    let test = json.get("Event").and_then(Value::as_str) == Some("s3:TestEvent");
    test.then_some(Envelope::Test)
}

fn record(json: &Value) -> Record<'_> {
    let text = |pointer| json.pointer(pointer).and_then(Value::as_str);
    Record {
        source: text("/eventSource"),
        version: text("/eventVersion"),
        event_name: text("/eventName"),
        bucket: text("/s3/bucket/name"),
        key: text("/s3/object/key"),
    }
}
