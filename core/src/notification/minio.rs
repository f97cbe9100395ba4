//! What MinIO and its relatives add beside the `Records` of S3: `EventName`, and `Key` with the bucket before it. The
//! records say more, so this is for a message that has none.
//! <https://github.com/minio/minio/tree/master/docs/bucket/notifications>

use std::borrow::Cow;

use super::envelope::Record;
use super::json::Json;
use super::key::Spelling;
use super::kind::Family;

pub(super) fn summary<'a>(json: &'a Json<'_>) -> Option<Record<'a>> {
    let event = json.text(&["EventName"])?;
    let (bucket, key) = json.text(&["Key"])?.split_once('/')?;
    Some(Record {
        family: Family::Summary,
        version: None,
        event: Some(event),
        bucket: Some(bucket),
        time: None,
        key: Some(Cow::Borrowed(key)),
        spelling: Spelling::Plain,
    })
}
