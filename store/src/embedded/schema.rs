//! The one SQLite file: what is in it, and how it is opened so that a commit is durable.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::EmbeddedError;

const VERSION: i64 = 1;

/// Keys are BLOBs: S3 orders by bytes, and the end of a range need not be UTF-8. `body` numbers one version of
/// an object (or a part) and is its sequencer; `pieces` are its content, inline when small.
const TABLES: &str = "
    CREATE TABLE counter (value INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);

    CREATE TABLE buckets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL);
    CREATE TABLE objects (
        bucket INTEGER NOT NULL REFERENCES buckets (id),
        key BLOB NOT NULL,
        body INTEGER NOT NULL,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        modified_ms INTEGER NOT NULL,
        attributes TEXT NOT NULL,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    CREATE TABLE pieces (
        id INTEGER PRIMARY KEY,
        body INTEGER NOT NULL,
        number INTEGER NOT NULL,
        size INTEGER NOT NULL,
        inline BLOB,
        blob TEXT UNIQUE,
        UNIQUE (body, number)
    );

    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        bucket INTEGER NOT NULL REFERENCES buckets (id),
        key BLOB NOT NULL,
        started_ms INTEGER NOT NULL,
        attributes TEXT NOT NULL,
        checksum TEXT
    ) WITHOUT ROWID;
    CREATE INDEX uploads_by_key ON uploads (bucket, key, id);
    CREATE TABLE parts (
        upload TEXT NOT NULL REFERENCES uploads (id),
        number INTEGER NOT NULL,
        body INTEGER NOT NULL,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        modified_ms INTEGER NOT NULL,
        checksum TEXT NOT NULL,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;

    CREATE TABLE queues (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        fifo INTEGER NOT NULL,
        dead_letter INTEGER REFERENCES queues (id),
        max_receives INTEGER
    );
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL REFERENCES queues (id),
        grp TEXT,
        body TEXT NOT NULL,
        visible_ms INTEGER NOT NULL DEFAULT 0,
        receives INTEGER NOT NULL DEFAULT 0,
        receipt INTEGER
    );
    CREATE INDEX messages_in_order ON messages (queue, id);
    CREATE INDEX messages_by_group ON messages (queue, grp, visible_ms);
    CREATE INDEX messages_by_visibility ON messages (queue, visible_ms);
    CREATE TABLE dedup (
        queue INTEGER NOT NULL REFERENCES queues (id),
        id TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,
        PRIMARY KEY (queue, id)
    ) WITHOUT ROWID;
    CREATE INDEX dedup_by_age ON dedup (sent_ms);
    CREATE TABLE notifications (
        bucket INTEGER NOT NULL REFERENCES buckets (id),
        queue INTEGER NOT NULL REFERENCES queues (id),
        PRIMARY KEY (bucket, queue)
    ) WITHOUT ROWID;
";

/// Opens the file for the one writer, makes the tables where there are none, and gives back what was in flight:
/// receivers live in this process, so those of an earlier one are gone.
pub(super) fn open_for_writing(dir: &Path) -> Result<Connection, EmbeddedError> {
    let connection = Connection::open(file(dir))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With WAL, FULL is what makes a commit reach the disk before it is answered.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(128);
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        VERSION => {}
        0 => connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT"))?,
        found => {
            return Err(EmbeddedError::Schema { dir: dir.to_owned(), found, understood: VERSION });
        }
    }
    connection.execute("UPDATE messages SET visible_ms = 0, receipt = NULL WHERE visible_ms > 0", [])?;
    Ok(connection)
}

pub(super) fn open_for_reading(dir: &Path) -> Result<Connection, EmbeddedError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file(dir), flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("store.sqlite")
}
