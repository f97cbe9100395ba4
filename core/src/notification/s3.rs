//! The notifications of S3, versions 2.0 to 2.6, and of most servers that imitate it: LocalStack, Ministack, moto, Floci,
//! Ceph, and MinIO and its relatives.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use std::borrow::Cow;

use serde_json::Value;

use super::envelope::Record;
use super::key::Spelling;
use super::kind::Family;

pub(super) fn records(json: &Value) -> Option<&[Value]> {
    json.get("Records")?.as_array().map(Vec::as_slice)
}

/// A server's way to try whether notifications arrive, when somebody configures them.
pub(super) fn is_test(json: &Value) -> bool {
    json.get("Event").and_then(Value::as_str) == Some("s3:TestEvent")
}

pub(super) fn record(json: &Value) -> Record<'_> {
    let text = |pointer| json.pointer(pointer).and_then(Value::as_str);
    Record {
        family: Family::S3,
        version: text("/eventVersion"),
        event: text("/eventName"),
        bucket: text("/s3/bucket/name"),
        key: text("/s3/object/key").map(Cow::Borrowed),
        spelling: match text("/eventSource") {
            // The documentation of Ceph shows keys as they are.
            Some("ceph:s3") => Spelling::Plain,
            _ => Spelling::Form,
        },
    }
}
