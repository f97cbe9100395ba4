//! Multipart uploads as SQL. Parts are content that no object names yet; completing an upload gives their pieces
//! to the object, without copying a byte, and in the transaction that decides the conditions of the write.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::buckets;
use super::checksum::{Algorithm, Checksum};
use super::content;
use super::error::EmbeddedError;
use super::intake::Staged;
use super::objects::{self, Attributes, Condition, New, ObjectRow, check_key, text};
use super::outbox;
use super::writer::Unit;

/// Every part but the last has at least this many bytes.
const MIN_PART: u64 = 5 << 20;

pub(super) struct UploadRow {
    pub id: String,
    pub key: String,
    pub started_ms: i64,
    pub attributes: Attributes,
    pub checksum: Option<UploadChecksum>,
}

/// Which checksum the parts carry, and the finished object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadChecksum {
    pub algorithm: Algorithm,
    /// The object gets a checksum of all its bytes, not one of its parts' checksums.
    pub full_object: bool,
}

pub(super) struct PartRow {
    pub number: i32,
    body: i64,
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
    pub checksum: Option<Checksum>,
}

/// A part as the client names it when it completes the upload.
pub(super) struct NamedPart {
    pub number: i32,
    pub etag: Option<String>,
    /// Base64.
    pub checksum: Option<String>,
}

pub(super) struct Completion<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub upload: &'a str,
    pub parts: Vec<NamedPart>,
    pub condition: &'a Condition,
    /// What the client expects the object's checksum to be, in base64.
    pub checksum: Option<&'a str>,
    pub size: Option<u64>,
}

pub(super) fn start(
    unit: &Unit<'_>,
    bucket: &str,
    key: &str,
    attributes: &Attributes,
    checksum: Option<UploadChecksum>,
) -> Result<String, EmbeddedError> {
    let bucket = buckets::find(unit.connection, bucket)?;
    check_key(key)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(EmbeddedError::Random)?;
    let id = hex::encode(random);
    let checksum = checksum.map(|checksum| to_json(&checksum));
    unit.connection.execute(
        "INSERT INTO uploads (id, bucket, key, started_ms, attributes, checksum) VALUES (?, ?, ?, ?, ?, ?)",
        params![id, bucket, key.as_bytes(), unit.wall_ms(), attributes.to_json(), checksum],
    )?;
    Ok(id)
}

pub(super) fn find(
    connection: &Connection,
    bucket: &str,
    key: &str,
    upload: &str,
) -> Result<UploadRow, EmbeddedError> {
    let bucket = buckets::find(connection, bucket)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, key, started_ms, attributes, checksum FROM uploads WHERE id = ? AND bucket = ? AND key = ?",
    )?;
    let row = statement.query_row(params![upload, bucket, key.as_bytes()], RawUpload::of).optional()?;
    row.ok_or_else(|| EmbeddedError::NoSuchUpload(upload.to_owned()))?.parse()
}

/// Stores a part, in place of an earlier one with its number.
pub(super) fn put_part(
    unit: &mut Unit<'_>,
    (bucket, key, upload): (&str, &str, &str),
    number: i32,
    staged: Staged,
) -> Result<PartRow, EmbeddedError> {
    find(unit.connection, bucket, key, upload)?;
    if let Some(replaced) = part(unit.connection, upload, number)? {
        content::discard(unit, replaced.body)?;
    }
    let row = PartRow {
        number,
        body: unit.next_number()?,
        size: staged.size,
        etag: hex::encode(staged.md5),
        modified_ms: unit.wall_ms(),
        checksum: staged.checksum.clone(),
    };
    staged.attach(unit, row.body)?;
    let mut replace = unit.connection.prepare_cached(
        "INSERT OR REPLACE INTO parts (upload, number, body, size, etag, modified_ms, checksum)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let checksum = to_json(&row.checksum);
    replace.execute(params![
        upload,
        number,
        row.body,
        row.size as i64,
        row.etag,
        row.modified_ms,
        checksum
    ])?;
    Ok(row)
}

/// Makes an object of the named parts; the others go.
pub(super) fn complete(unit: &mut Unit<'_>, completion: &Completion<'_>) -> Result<ObjectRow, EmbeddedError> {
    let (bucket, key, id) = (completion.bucket, completion.key, completion.upload);
    let upload = find(unit.connection, bucket, key, id)?;
    let parts = named_parts(unit.connection, id, &completion.parts)?;
    let size = parts.iter().map(|part| part.size).sum();
    let checksum = upload.checksum.and_then(|chosen| checksum_of(chosen, &parts));
    let differs = |expected: &str| checksum.as_ref().is_none_or(|checksum| !is_value(checksum, expected));
    if completion.checksum.is_some_and(differs) || completion.size.is_some_and(|expected| expected != size) {
        return Err(EmbeddedError::ChecksumOfParts);
    }
    let attributes = Attributes { checksum, ..upload.attributes };
    let new = New {
        bucket,
        key,
        size,
        etag: etag_of(&parts),
        attributes: &attributes,
        condition: completion.condition,
        event: outbox::COMPLETE,
    };
    let row = objects::publish(unit, new, |unit, body| {
        let mut give =
            unit.connection.prepare_cached("UPDATE pieces SET body = ?, number = ? WHERE body = ?")?;
        for part in &parts {
            give.execute(params![body, part.number, part.body])?;
        }
        Ok(())
    })?;
    remove(unit, id)?;
    Ok(row)
}

pub(super) fn abort(unit: &mut Unit<'_>, bucket: &str, key: &str, upload: &str) -> Result<(), EmbeddedError> {
    find(unit.connection, bucket, key, upload)?;
    remove(unit, upload)
}

/// Up to `max` parts with numbers above `after`.
pub(super) fn list_parts(
    connection: &Connection,
    upload: &str,
    after: i32,
    max: usize,
) -> Result<Vec<PartRow>, EmbeddedError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, body, size, etag, modified_ms, checksum FROM parts
         WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
    )?;
    let rows = statement.query_map(params![upload, after, max as i64], RawPart::of)?;
    rows.map(|row| row?.parse()).collect()
}

/// Up to `max` uploads with this prefix, in the order of keys and ids, after the given ones.
pub(super) fn list(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    (after_key, after_id): (&str, &str),
    max: usize,
) -> Result<Vec<UploadRow>, EmbeddedError> {
    let bucket = buckets::find(connection, bucket)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, key, started_ms, attributes, checksum FROM uploads
         WHERE bucket = ?1 AND key >= ?2 AND (key, id) > (?3, ?4) AND substr(key, 1, ?5) = ?2
         ORDER BY key, id LIMIT ?6",
    )?;
    let (prefix, after_key) = (prefix.as_bytes(), after_key.as_bytes());
    let parameters = params![bucket, prefix, after_key, after_id, prefix.len() as i64, max as i64];
    let rows = statement.query_map(parameters, RawUpload::of)?;
    rows.map(|row| row?.parse()).collect()
}

fn remove(unit: &mut Unit<'_>, upload: &str) -> Result<(), EmbeddedError> {
    let mut delete = unit.connection.prepare_cached("DELETE FROM parts WHERE upload = ? RETURNING body")?;
    let bodies: Vec<i64> = delete.query_map([upload], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for body in bodies {
        content::discard(unit, body)?;
    }
    unit.connection.execute("DELETE FROM uploads WHERE id = ?", [upload])?;
    Ok(())
}

fn named_parts(
    connection: &Connection,
    upload: &str,
    named: &[NamedPart],
) -> Result<Vec<PartRow>, EmbeddedError> {
    if named.is_empty() {
        return Err(EmbeddedError::NoParts);
    }
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(EmbeddedError::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(named.len());
    for (at, named) in named.iter().enumerate() {
        let invalid = || EmbeddedError::InvalidPart(named.number);
        let part = part(connection, upload, named.number)?.ok_or_else(invalid)?;
        let is_etag = named.etag.as_ref().is_some_and(|etag| *etag == part.etag);
        let checksum = part.checksum.as_ref().map(|checksum| checksum.value.as_str());
        let is_checksum = named.checksum.as_deref().is_none_or(|expected| checksum == Some(expected));
        if !is_etag || !is_checksum {
            return Err(invalid());
        }
        if part.size < MIN_PART && at + 1 < parts.capacity() {
            return Err(EmbeddedError::PartTooSmall { number: part.number, size: part.size });
        }
        parts.push(part);
    }
    Ok(parts)
}

/// As S3 makes it: the MD5 of the parts' MD5s, and how many they are.
fn etag_of(parts: &[PartRow]) -> String {
    use s3s::crypto::{Checksum as _, Md5};
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(&part.etag).expect("a part's ETag is the MD5 that we made"));
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

fn checksum_of(chosen: UploadChecksum, parts: &[PartRow]) -> Option<Checksum> {
    let values: Vec<(&str, u64)> = parts
        .iter()
        .filter_map(|part| Some((part.checksum.as_ref()?, part.size)))
        .filter(|(checksum, _)| checksum.algorithm == chosen.algorithm)
        .map(|(checksum, size)| (checksum.value.as_str(), size))
        .collect();
    if values.len() != parts.len() {
        return None;
    }
    match chosen.full_object {
        true => chosen.algorithm.full_object(values.into_iter()),
        false => chosen.algorithm.composite(values.iter().map(|(value, _)| *value)),
    }
}

/// Clients name a composite checksum with and without the number of parts.
fn is_value(checksum: &Checksum, expected: &str) -> bool {
    let bare = checksum.value.split_once('-').map_or(checksum.value.as_str(), |(bare, _)| bare);
    checksum.value == expected || bare == expected
}

fn part(connection: &Connection, upload: &str, number: i32) -> Result<Option<PartRow>, EmbeddedError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, body, size, etag, modified_ms, checksum FROM parts WHERE upload = ? AND number = ?",
    )?;
    statement.query_row(params![upload, number], RawPart::of).optional()?.map(RawPart::parse).transpose()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a checksum is plain data")
}

struct RawUpload(UploadRow, String, Option<String>);

impl RawUpload {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let upload = UploadRow {
            id: row.get(0)?,
            key: text(row.get(1)?),
            started_ms: row.get(2)?,
            attributes: Attributes::default(),
            checksum: None,
        };
        Ok(Self(upload, row.get(3)?, row.get(4)?))
    }

    fn parse(self) -> Result<UploadRow, EmbeddedError> {
        let Self(upload, attributes, checksum) = self;
        let attributes = Attributes::from_json(&upload.key, &attributes)?;
        let checksum = checksum.map(|json| serde_json::from_str(&json)).transpose();
        let checksum =
            checksum.map_err(|source| EmbeddedError::Attributes { key: upload.key.clone(), source })?;
        Ok(UploadRow { attributes, checksum, ..upload })
    }
}

struct RawPart(PartRow, String);

impl RawPart {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let part = PartRow {
            number: row.get(0)?,
            body: row.get(1)?,
            size: row.get::<_, i64>(2)? as u64,
            etag: row.get(3)?,
            modified_ms: row.get(4)?,
            checksum: None,
        };
        Ok(Self(part, row.get(5)?))
    }

    fn parse(self) -> Result<PartRow, EmbeddedError> {
        let Self(part, checksum) = self;
        let broken = |source| EmbeddedError::Attributes { key: format!("part {}", part.number), source };
        let checksum = serde_json::from_str(&checksum).map_err(broken)?;
        Ok(PartRow { checksum, ..part })
    }
}
