//! Content on its way in: digested as it streams, kept in memory while small, in a staged blob when it grows.
//! Nothing is visible, and nothing replaced, before a transaction takes what comes out of here.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::params;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::blobs::{Blobs, StagedBlob, file_error};
use super::checksum::{Algorithm, Checksum, Digests};
use super::error::EmbeddedError;
use super::writer::Unit;

/// Content up to this size lies in the database itself, so that a small write is one fsync.
const INLINE: usize = 64 << 10;
/// What is gathered before it goes to the file.
const CHUNK: usize = 512 << 10;

pub(super) struct Intake {
    blobs: Arc<Blobs>,
    digests: Digests,
    size: u64,
    buffer: Vec<u8>,
    file: Option<(File, StagedBlob)>,
}

/// Content that is complete and, when it is large, durable.
pub(super) struct Staged {
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    place: Place,
}

enum Place {
    Inline(Vec<u8>),
    Blob(StagedBlob),
}

impl Intake {
    pub fn new(blobs: Arc<Blobs>, chosen: Option<Algorithm>) -> Self {
        Self { blobs, digests: Digests::new(chosen), size: 0, buffer: Vec::new(), file: None }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), EmbeddedError> {
        for bytes in bytes.chunks(CHUNK) {
            self.digests.update(bytes);
            self.size += bytes.len() as u64;
            self.buffer.extend_from_slice(bytes);
            let limit = if self.file.is_some() { CHUNK } else { INLINE };
            if self.buffer.len() > limit {
                self.spill().await?;
            }
        }
        Ok(())
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub async fn finish(mut self) -> Result<Staged, EmbeddedError> {
        if self.file.is_some() {
            self.spill().await?;
        }
        let (md5, checksum) = self.digests.finish();
        let place = match self.file {
            None => Place::Inline(self.buffer),
            Some((mut file, blob)) => {
                file.flush().await.map_err(|source| file_error("write", &blob.path(), source))?;
                let file = file.into_std().await;
                let synced = tokio::task::spawn_blocking(move || blob.sync(&file).map(|()| blob));
                Place::Blob(synced.await.map_err(|_| EmbeddedError::Closed)??)
            }
        };
        Ok(Staged { size: self.size, md5, checksum, place })
    }

    async fn spill(&mut self) -> Result<(), EmbeddedError> {
        if self.file.is_none() {
            let blobs = Arc::clone(&self.blobs);
            let created = tokio::task::spawn_blocking(move || blobs.create());
            let (blob, file) = created.await.map_err(|_| EmbeddedError::Closed)??;
            self.file = Some((File::from_std(file), blob));
        }
        if let Some((file, blob)) = &mut self.file {
            file.write_all(&self.buffer).await.map_err(|source| file_error("write", &blob.path(), source))?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Staged {
    /// The whole of a small content at once.
    pub async fn of(blobs: Arc<Blobs>, content: Bytes) -> Result<Self, EmbeddedError> {
        let mut intake = Intake::new(blobs, None);
        intake.write(&content).await?;
        intake.finish().await
    }

    /// Makes it the only piece of `body`.
    pub fn attach(self, unit: &mut Unit<'_>, body: i64) -> Result<(), EmbeddedError> {
        let mut insert = unit
            .connection
            .prepare_cached("INSERT INTO pieces (body, number, size, inline, blob) VALUES (?, 1, ?, ?, ?)")?;
        match self.place {
            Place::Inline(bytes) => {
                insert.execute(params![body, self.size as i64, bytes, None::<String>])?;
            }
            Place::Blob(blob) => {
                insert.execute(params![body, self.size as i64, None::<Vec<u8>>, blob.id()])?;
                unit.keep(blob);
            }
        }
        Ok(())
    }
}
