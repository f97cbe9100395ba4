//! The events of S3 as EventBridge delivers them: one a message, under other names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use std::borrow::Cow;

use serde_json::Value;

use super::envelope::Record;
use super::key::Spelling;
use super::kind::Family;

/// None for what is no event of EventBridge, and for events of other services, of which there are hundreds.
pub(super) fn record(json: &Value) -> Option<Record<'_>> {
    let text = |pointer| json.pointer(pointer).and_then(Value::as_str);
    let detail = json.get("detail").filter(|detail| detail.is_object())?;
    let of_s3 = text("/source") == Some("aws.s3")
        || (detail.get("bucket").is_some() && detail.get("object").is_some());
    of_s3.then(|| Record {
        family: Family::EventBridge,
        version: text("/detail/version"),
        event: text("/detail-type"),
        bucket: text("/detail/bucket/name"),
        key: text("/detail/object/key").map(Cow::Borrowed),
        // Nobody states an encoding. moto and Ministack write keys as they are, LocalStack encodes them.
        spelling: Spelling::Plain,
    })
}
