//! Objects as SQL: look one up, replace one, remove one. The conditions of a write are decided here, inside the
//! writer's transaction, so that of many contenders one wins.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::checksum::Checksum;
use super::error::EmbeddedError;
use super::intake::Staged;
use super::outbox::{self, ObjectEvent};
use super::writer::Unit;
use super::{buckets, content};

#[derive(Clone, Debug)]
pub(super) struct ObjectRow {
    pub key: String,
    /// Numbers this version of the object.
    pub body: i64,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub modified_ms: i64,
    pub attributes: Attributes,
}

/// What the client said about its object, and wants to hear again. Stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// Seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect_location: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

/// Under which a write may replace or remove what is there. An ETag of `*` stands for any.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

const COLUMNS: &str = "key, body, size, etag, modified_ms, attributes";

pub(super) fn find(connection: &Connection, bucket: i64, key: &str) -> Result<ObjectRow, EmbeddedError> {
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(params![bucket, key.as_bytes()], RawObject::of).optional()?;
    row.ok_or_else(|| EmbeddedError::NoSuchKey(key.to_owned()))?.parse()
}

/// The object that a write makes visible.
pub(super) struct New<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub size: u64,
    pub etag: String,
    pub attributes: &'a Attributes,
    pub condition: &'a Condition,
    pub event: &'static str,
}

/// Makes a new version of an object visible, with its content, and tells the bucket's queues.
pub(super) fn put(unit: &mut Unit<'_>, new: New<'_>, staged: Staged) -> Result<ObjectRow, EmbeddedError> {
    publish(unit, new, |unit, body| staged.attach(unit, body))
}

/// As [`put`], for content that `fill` attaches to the body it is given.
pub(super) fn publish(
    unit: &mut Unit<'_>,
    new: New<'_>,
    fill: impl FnOnce(&mut Unit<'_>, i64) -> Result<(), EmbeddedError>,
) -> Result<ObjectRow, EmbeddedError> {
    let bucket = buckets::find(unit.connection, new.bucket)?;
    check_key(new.key)?;
    let existing = existing(unit.connection, bucket, new.key)?;
    new.condition.check(new.key, existing.as_ref())?;
    if let Some((body, _)) = existing {
        content::discard(unit, body)?;
    }
    let row = ObjectRow {
        key: new.key.to_owned(),
        body: unit.next_number()?,
        size: new.size,
        etag: new.etag,
        modified_ms: unit.wall_ms(),
        attributes: new.attributes.clone(),
    };
    fill(unit, row.body)?;
    let mut replace = unit.connection.prepare_cached(
        "INSERT OR REPLACE INTO objects (bucket, key, body, size, etag, modified_ms, attributes)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let attributes = row.attributes.to_json();
    let size = row.size as i64;
    replace.execute(params![
        bucket,
        row.key.as_bytes(),
        row.body,
        size,
        row.etag,
        row.modified_ms,
        attributes
    ])?;
    let event = ObjectEvent {
        name: new.event,
        bucket: new.bucket,
        key: new.key,
        sequencer: row.body,
        content: Some((row.size, &row.etag)),
    };
    outbox::publish(unit, bucket, &event)?;
    Ok(row)
}

/// Removes an object and tells the bucket's queues; what is not there is removed without a word.
pub(super) fn delete(
    unit: &mut Unit<'_>,
    bucket_name: &str,
    key: &str,
    condition: &Condition,
) -> Result<(), EmbeddedError> {
    let bucket = buckets::find(unit.connection, bucket_name)?;
    let existing = existing(unit.connection, bucket, key)?;
    condition.check(key, existing.as_ref())?;
    let Some((body, _)) = existing else { return Ok(()) };
    content::discard(unit, body)?;
    let mut delete = unit.connection.prepare_cached("DELETE FROM objects WHERE bucket = ? AND key = ?")?;
    delete.execute(params![bucket, key.as_bytes()])?;
    let sequencer = unit.next_number()?;
    let event = ObjectEvent { name: outbox::DELETE, bucket: bucket_name, key, sequencer, content: None };
    outbox::publish(unit, bucket, &event)
}

/// Replaces what the client said about an object, and leaves the object as it is.
pub(super) fn set_attributes(
    connection: &Connection,
    bucket: i64,
    key: &str,
    attributes: &Attributes,
) -> Result<(), EmbeddedError> {
    let mut update =
        connection.prepare_cached("UPDATE objects SET attributes = ? WHERE bucket = ? AND key = ?")?;
    update.execute(params![attributes.to_json(), bucket, key.as_bytes()])?;
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub(super) fn check_key(key: &str) -> Result<(), EmbeddedError> {
    if key.is_empty() || key.len() > 1024 { Err(EmbeddedError::KeyLength(key.len())) } else { Ok(()) }
}

fn existing(connection: &Connection, bucket: i64, key: &str) -> Result<Option<(i64, String)>, EmbeddedError> {
    let mut statement =
        connection.prepare_cached("SELECT body, etag FROM objects WHERE bucket = ? AND key = ?")?;
    let row = statement.query_row(params![bucket, key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

impl Condition {
    /// As S3 answers: 404 for an If-Match on what is not there, 412 for the rest.
    fn check(&self, key: &str, existing: Option<&(i64, String)>) -> Result<(), EmbeddedError> {
        let is = |wanted: &str, etag: &str| wanted == "*" || wanted == etag;
        match (&self.if_match, existing) {
            (Some(_), None) => return Err(EmbeddedError::NoSuchKey(key.to_owned())),
            (Some(wanted), Some((_, etag))) if !is(wanted, etag) => {
                return Err(EmbeddedError::PreconditionFailed(key.to_owned()));
            }
            _ => {}
        }
        match (&self.if_none_match, existing) {
            (Some(unwanted), Some((_, etag))) if is(unwanted, etag) => {
                Err(EmbeddedError::PreconditionFailed(key.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl Attributes {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("attributes are plain data")
    }

    pub fn from_json(key: &str, text: &str) -> Result<Self, EmbeddedError> {
        serde_json::from_str(text).map_err(|source| EmbeddedError::Attributes { key: key.to_owned(), source })
    }
}

/// A row as SQLite gives it, before its JSON is read.
pub(super) struct RawObject {
    key: Vec<u8>,
    body: i64,
    size: i64,
    etag: String,
    modified_ms: i64,
    attributes: String,
}

impl RawObject {
    pub const COLUMNS: &str = COLUMNS;

    pub fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            body: row.get(1)?,
            size: row.get(2)?,
            etag: row.get(3)?,
            modified_ms: row.get(4)?,
            attributes: row.get(5)?,
        })
    }

    pub fn key(&self) -> &[u8] {
        &self.key
    }

    pub fn parse(self) -> Result<ObjectRow, EmbeddedError> {
        let key = text(self.key);
        Ok(ObjectRow {
            attributes: Attributes::from_json(&key, &self.attributes)?,
            key,
            body: self.body,
            size: self.size as u64,
            etag: self.etag,
            modified_ms: self.modified_ms,
        })
    }
}

/// Keys come in as text and go in as bytes.
pub(super) fn text(key: Vec<u8>) -> String {
    String::from_utf8(key).expect("a stored key is UTF-8")
}
