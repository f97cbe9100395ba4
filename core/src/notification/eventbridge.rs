//! The events of S3 as EventBridge delivers them: one a message, under other names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use std::borrow::Cow;

use super::envelope::Record;
use super::json::Json;
use super::key::Spelling;
use super::kind::Family;

/// None for what is no event of EventBridge, and for events of other services, of which there are hundreds.
pub(super) fn record<'a>(json: &'a Json<'_>) -> Option<Record<'a>> {
    let detail = json.at(&["detail"]).filter(|detail| detail.is_object())?;
    let of_s3 = json.text(&["source"]) == Some("aws.s3")
        || (detail.at(&["bucket"]).is_some() && detail.at(&["object"]).is_some());
    of_s3.then(|| Record {
        family: Family::EventBridge,
        version: detail.text(&["version"]),
        event: json.text(&["detail-type"]),
        time: json.text(&["time"]),
        bucket: detail.text(&["bucket", "name"]),
        key: detail.text(&["object", "key"]).map(Cow::Borrowed),
        // Nobody states an encoding. moto and Ministack write keys as they are, LocalStack encodes them.
        spelling: Spelling::Plain,
    })
}
