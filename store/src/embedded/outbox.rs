//! The notification of a change, put on the events queue by the transaction that makes the change: whoever saw
//! the change acknowledged will see the message, whatever crashes in between.

use rusqlite::params;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::buckets;
use super::error::EmbeddedError;
use super::writer::Unit;

pub(super) struct ObjectEvent<'a> {
    /// As AWS names it, such as `ObjectCreated:Put`.
    pub name: &'static str,
    pub bucket: &'a str,
    pub key: &'a str,
    /// Rises with every change of the store.
    pub sequencer: i64,
    /// Nothing for a delete.
    pub content: Option<(u64, &'a str)>,
}

pub(super) const PUT: &str = "ObjectCreated:Put";
pub(super) const COPY: &str = "ObjectCreated:Copy";
pub(super) const COMPLETE: &str = "ObjectCreated:CompleteMultipartUpload";
pub(super) const DELETE: &str = "ObjectRemoved:Delete";

pub(super) fn publish(
    unit: &mut Unit<'_>,
    bucket: i64,
    event: &ObjectEvent<'_>,
) -> Result<(), EmbeddedError> {
    unit.changed(event.bucket, event.key);
    for (queue, name) in buckets::notified(unit.connection, bucket)? {
        let body = message(event, unit.clock.wall().into()).to_string();
        let mut insert =
            unit.connection.prepare_cached("INSERT INTO messages (id, queue, body) VALUES (?, ?, ?)")?;
        insert.execute(params![unit.next_number()?, queue, body])?;
        unit.wake(&name);
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn message(event: &ObjectEvent<'_>, at: OffsetDateTime) -> Value {
    let millis = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let mut object = json!({
        "key": form_urlencoded(event.key),
        "sequencer": format!("{:016X}", event.sequencer),
    });
    if let Some((size, etag)) = event.content {
        object["size"] = size.into();
        object["eTag"] = etag.into();
    }
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": super::REGION,
        "eventTime": at.format(&millis).expect("a time has all these parts"),
        "eventName": event.name,
        "userIdentity": {"principalId": super::OWNER},
        "requestParameters": {"sourceIPAddress": ""},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "cloudyknight",
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": super::OWNER},
                "arn": format!("arn:aws:s3:::{}", event.bucket),
            },
            "object": object,
        },
    }]})
}

/// As S3 encodes keys in events: a space is `+`, a slash stays.
fn form_urlencoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(byte.into())
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_shape_that_aws_documents() {
        let event = ObjectEvent {
            name: PUT,
            bucket: "workspaces",
            key: "my app/a+b%é\n.js",
            sequencer: 26,
            content: Some((3, "etag")),
        };
        let message = message(&event, OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap());
        let expected = json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "2027-01-15T08:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "cloudyknight"},
            "requestParameters": {"sourceIPAddress": ""}, "responseElements": {},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "cloudyknight",
                "bucket": {"name": "workspaces", "ownerIdentity": {"principalId": "cloudyknight"},
                           "arn": "arn:aws:s3:::workspaces"},
                "object": {"key": "my+app/a%2Bb%25%C3%A9%0A.js", "size": 3, "eTag": "etag",
                           "sequencer": "000000000000001A"},
            },
        }]});
        assert_eq!(message, expected);
    }

    #[test]
    fn a_delete_has_neither_size_nor_etag() {
        let event = ObjectEvent { name: DELETE, bucket: "b", key: "k", sequencer: 1, content: None };
        let message = message(&event, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            message["Records"][0]["s3"]["object"],
            json!({"key": "k", "sequencer": "0000000000000001"})
        );
    }
}
