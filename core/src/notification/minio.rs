//! What MinIO and its relatives add beside the `Records` of S3: `EventName`, and `Key` with the bucket before it. The
//! records say more, so this is for a message that has none.
//! <https://github.com/minio/minio/tree/master/docs/bucket/notifications>

use std::borrow::Cow;

use serde_json::Value;

use super::envelope::Record;
use super::key::Spelling;
use super::kind::Family;

pub(super) fn summary(json: &Value) -> Option<Record<'_>> {
    let event = json.get("EventName")?.as_str()?;
    let (bucket, key) = json.get("Key")?.as_str()?.split_once('/')?;
    Some(Record {
        family: Family::Summary,
        version: None,
        event: Some(event),
        bucket: Some(bucket),
        key: Some(Cow::Borrowed(key)),
        spelling: Spelling::Plain,
    })
}
