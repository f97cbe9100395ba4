//! Content on its way out: the pieces of one version of an object, streamed from where they lie.

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use rusqlite::Connection;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::blobs::{BlobId, Blobs, Lease, file_error};
use super::error::EmbeddedError;
use super::objects::{self, ObjectRow};
use super::readers::Readers;
use super::writer::Unit;

/// What is read from a file at once.
const CHUNK: usize = 256 << 10;

/// A version of an object whose content stays readable, whatever replaces it.
pub(super) struct Opened {
    pub object: ObjectRow,
    pieces: Vec<Piece>,
    lease: Arc<Lease>,
}

struct Piece {
    size: u64,
    place: Place,
}

enum Place {
    Inline(Bytes),
    Blob(BlobId),
}

/// Finds an object as `find` does and holds on to its content.
pub(super) async fn open<F>(readers: &Readers, blobs: &Arc<Blobs>, find: F) -> Result<Opened, EmbeddedError>
where
    F: Fn(&Connection) -> Result<ObjectRow, EmbeddedError> + Clone + Send + 'static,
{
    loop {
        let find = find.clone();
        let (object, pieces) = readers
            .read(move |connection| {
                let object = find(connection)?;
                let pieces = pieces(connection, object.body)?;
                Ok((object, pieces))
            })
            .await?;
        let ids: Vec<BlobId> = pieces.iter().filter_map(Piece::blob).cloned().collect();
        let in_files = !ids.is_empty();
        let lease = Arc::new(blobs.lease(ids));
        // A replacement may have unlinked the files before the lease. If the version is still there after it,
        // they are; if not, there is a newer one.
        let body = object.body;
        if !in_files || readers.read(move |connection| exists(connection, body)).await? {
            return Ok(Opened { object, pieces, lease });
        }
    }
}

impl Opened {
    /// The bytes in `range`, which lies within the object.
    pub fn stream(self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, EmbeddedError>> {
        let mut start = 0;
        let mut wanted = Vec::new();
        for piece in self.pieces {
            let end = start + piece.size;
            let within = range.start.max(start)..range.end.min(end);
            if within.start < within.end {
                wanted.push((piece.place, within.start - start..within.end - start));
            }
            start = end;
        }
        let lease = self.lease;
        let read = move |(place, range)| read(Arc::clone(&lease), place, range);
        stream::iter(wanted).then(read).try_flatten().boxed()
    }

    /// Where each piece starts and ends: the parts of an object that was uploaded in parts.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut start = 0;
        let next = |piece: &Piece| {
            let range = start..start + piece.size;
            start = range.end;
            range
        };
        self.pieces.iter().map(next).collect()
    }
}

async fn read(
    lease: Arc<Lease>,
    place: Place,
    range: Range<u64>,
) -> Result<BoxStream<'static, Result<Bytes, EmbeddedError>>, EmbeddedError> {
    let id = match place {
        Place::Inline(bytes) => {
            let slice = bytes.slice(range.start as usize..range.end as usize);
            return Ok(stream::once(async { Ok(slice) }).boxed());
        }
        Place::Blob(id) => id,
    };
    let path = lease.path(&id);
    let failed = |source| file_error("read", &path, source);
    let mut file = File::open(&path).await.map_err(failed)?;
    file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
    let pieces = ReaderStream::with_capacity(file.take(range.end - range.start), CHUNK);
    // The lease lives as long as the stream.
    Ok(pieces.map(move |piece| piece.map_err(|source| file_error("read", &lease.path(&id), source))).boxed())
}

impl Piece {
    fn blob(&self) -> Option<&BlobId> {
        match &self.place {
            Place::Blob(id) => Some(id),
            Place::Inline(_) => None,
        }
    }
}

fn pieces(connection: &Connection, body: i64) -> Result<Vec<Piece>, EmbeddedError> {
    let mut statement =
        connection.prepare_cached("SELECT size, inline, blob FROM pieces WHERE body = ? ORDER BY number")?;
    let rows = statement.query_map([body], |row| {
        let place = match row.get::<_, Option<BlobId>>(2)? {
            Some(id) => Place::Blob(id),
            None => Place::Inline(row.get::<_, Vec<u8>>(1)?.into()),
        };
        Ok(Piece { size: row.get::<_, i64>(0)? as u64, place })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn exists(connection: &Connection, body: i64) -> Result<bool, EmbeddedError> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM pieces WHERE body = ?)")?;
    Ok(statement.query_row([body], |row| row.get(0))?)
}

/// Takes the content of a version away; its files go after the commit.
pub(super) fn discard(unit: &mut Unit<'_>, body: i64) -> Result<(), EmbeddedError> {
    let mut delete = unit.connection.prepare_cached("DELETE FROM pieces WHERE body = ? RETURNING blob")?;
    let blobs: Vec<Option<BlobId>> = delete.query_map([body], |row| row.get(0))?.collect::<Result<_, _>>()?;
    blobs.into_iter().flatten().for_each(|blob| unit.discard(blob));
    Ok(())
}

/// For the sweep: whether any content lies in this blob.
pub(super) fn names(connection: &Connection, blob: &str) -> Result<bool, EmbeddedError> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM pieces WHERE blob = ?)")?;
    Ok(statement.query_row([blob], |row| row.get(0))?)
}

/// The object of a key, for [`open`].
pub(super) fn by_key(
    bucket: &str,
    key: &str,
) -> impl Fn(&Connection) -> Result<ObjectRow, EmbeddedError> + Clone + Send + 'static {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    move |connection| objects::find(connection, super::buckets::find(connection, &bucket)?, &key)
}
