//! The buckets themselves, as SQL: create, find, list, delete, and which queue each one notifies.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::EmbeddedError;
use super::messages;
use super::writer::Unit;

pub(super) struct BucketRow {
    pub name: String,
    pub created_ms: i64,
}

/// Whether the bucket is new.
pub(super) fn create(unit: &Unit<'_>, name: &str) -> Result<bool, EmbeddedError> {
    if !s3s::path::check_bucket_name(name) {
        return Err(EmbeddedError::InvalidBucketName(name.to_owned()));
    }
    let mut insert =
        unit.connection.prepare_cached("INSERT OR IGNORE INTO buckets (name, created_ms) VALUES (?, ?)")?;
    Ok(insert.execute(params![name, unit.wall_ms()])? == 1)
}

pub(super) fn find(connection: &Connection, name: &str) -> Result<i64, EmbeddedError> {
    let mut statement = connection.prepare_cached("SELECT id FROM buckets WHERE name = ?")?;
    let found = statement.query_row([name], |row| row.get(0)).optional()?;
    found.ok_or_else(|| EmbeddedError::NoSuchBucket(name.to_owned()))
}

pub(super) fn list(connection: &Connection) -> Result<Vec<BucketRow>, EmbeddedError> {
    let mut statement = connection.prepare_cached("SELECT name, created_ms FROM buckets ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok(BucketRow { name: row.get(0)?, created_ms: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Only an empty bucket that notifies nobody; the platform rests on the others.
pub(super) fn delete(connection: &Connection, name: &str) -> Result<(), EmbeddedError> {
    let bucket = find(connection, name)?;
    if let Some((_, queue)) = notified(connection, bucket)?.into_iter().next() {
        return Err(EmbeddedError::BucketNotifies { bucket: name.to_owned(), queue });
    }
    const IN_USE: &str = "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1)
        OR EXISTS (SELECT 1 FROM uploads WHERE bucket = ?1)";
    if connection.query_row(IN_USE, [bucket], |row| row.get(0))? {
        return Err(EmbeddedError::BucketNotEmpty(name.to_owned()));
    }
    connection.execute("DELETE FROM buckets WHERE id = ?", [bucket])?;
    Ok(())
}

pub(super) fn notify(connection: &Connection, bucket: &str, queue: &str) -> Result<(), EmbeddedError> {
    let bucket = find(connection, bucket)?;
    let queue = messages::find(connection, queue)?;
    if queue.fifo {
        return Err(EmbeddedError::NotifyFifo(queue.name));
    }
    connection
        .execute("INSERT OR IGNORE INTO notifications (bucket, queue) VALUES (?, ?)", [bucket, queue.id])?;
    Ok(())
}

/// The queues that hear of a bucket's changes, as id and name.
pub(super) fn notified(connection: &Connection, bucket: i64) -> Result<Vec<(i64, String)>, EmbeddedError> {
    let mut statement = connection.prepare_cached(
        "SELECT q.id, q.name FROM notifications n JOIN queues q ON q.id = n.queue WHERE n.bucket = ? ORDER BY q.id",
    )?;
    let rows = statement.query_map([bucket], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
