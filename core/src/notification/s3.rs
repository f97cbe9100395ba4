//! The notifications of S3, versions 2.0 to 2.6, and of most servers that imitate it: LocalStack, Ministack, moto, Floci,
//! Ceph, and MinIO and its relatives.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use std::borrow::Cow;

use super::envelope::Record;
use super::json::Json;
use super::key::Spelling;
use super::kind::Family;

pub(super) fn records<'a, 'text>(json: &'a Json<'text>) -> Option<&'a [Json<'text>]> {
    json.at(&["Records"])?.as_list()
}

/// A server's way to try whether notifications arrive, when somebody configures them.
pub(super) fn is_test(json: &Json<'_>) -> bool {
    json.text(&["Event"]) == Some("s3:TestEvent")
}

pub(super) fn record<'a>(json: &'a Json<'_>) -> Record<'a> {
    Record {
        family: Family::S3,
        version: json.text(&["eventVersion"]),
        event: json.text(&["eventName"]),
        time: json.text(&["eventTime"]),
        bucket: json.text(&["s3", "bucket", "name"]),
        key: json.text(&["s3", "object", "key"]).map(Cow::Borrowed),
        spelling: match json.text(&["eventSource"]) {
            // The documentation of Ceph shows keys as they are.
            Some("ceph:s3") => Spelling::Plain,
            _ => Spelling::Form,
        },
    }
}
