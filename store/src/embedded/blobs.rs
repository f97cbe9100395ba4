//! Large content, a file each under a random name: no key ever becomes a path.
//!
//! A blob is written and synced before the transaction that names it, and unlinked after the one that names it
//! no more, or when its last reader has finished. What a crash leaves between the two is swept at the next start.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::error::EmbeddedError;

/// 32 hexadecimal characters.
pub(super) type BlobId = String;

pub(super) struct Blobs {
    directory: PathBuf,
    readers: Mutex<Readers>,
    /// Held as long as anything may still touch the files.
    _lock: File,
}

#[derive(Default)]
struct Readers {
    leases: HashMap<BlobId, usize>,
    /// To be unlinked when the last lease ends.
    doomed: HashSet<BlobId>,
}

/// A blob that no transaction names yet. Dropped, it is deleted.
pub(super) struct StagedBlob {
    blobs: Arc<Blobs>,
    id: BlobId,
    kept: bool,
}

/// As long as it lives, its blobs can be read, even when they were discarded meanwhile.
pub(super) struct Lease {
    blobs: Arc<Blobs>,
    ids: Vec<BlobId>,
}

impl Blobs {
    /// Makes the folders. All of them now, so that no later write has to sync the folder above.
    pub fn open(directory: PathBuf, lock: File) -> Result<Self, EmbeddedError> {
        for shard in (0..=0xff).map(|shard| directory.join(format!("{shard:02x}"))) {
            fs::create_dir_all(&shard).map_err(|source| file_error("create", &shard, source))?;
        }
        sync_directory(&directory)?;
        Ok(Self { directory, readers: Mutex::default(), _lock: lock })
    }

    /// A new, empty file to write a blob to, opened for writing.
    pub fn create(self: &Arc<Self>) -> Result<(StagedBlob, File), EmbeddedError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(EmbeddedError::Random)?;
        let id = hex::encode(random);
        let path = self.path(&id);
        let file = File::create_new(&path).map_err(|source| file_error("create", &path, source))?;
        Ok((StagedBlob { blobs: Arc::clone(self), id, kept: false }, file))
    }

    pub fn path(&self, id: &str) -> PathBuf {
        self.directory.join(&id[..2]).join(id)
    }

    /// Take the lease, then look again that the content is still named: then it stays until the lease ends.
    pub fn lease(self: &Arc<Self>, ids: Vec<BlobId>) -> Lease {
        let mut readers = self.readers.lock().expect("nothing panics while it holds the leases");
        for id in &ids {
            *readers.leases.entry(id.clone()).or_default() += 1;
        }
        Lease { blobs: Arc::clone(self), ids }
    }

    /// Unlinks blobs that the database names no more; those being read go with their last reader.
    pub fn discard(&self, ids: Vec<BlobId>) {
        let unread: Vec<BlobId> = {
            let mut readers = self.readers.lock().expect("nothing panics while it holds the leases");
            let (read, unread) = ids.into_iter().partition(|id| readers.leases.contains_key(id));
            readers.doomed.extend(Vec::<BlobId>::into_iter(read));
            unread
        };
        unread.iter().for_each(|id| self.unlink(id));
    }

    /// Deletes every file that `wanted` does not know. Only for the start, when nothing is being written.
    pub fn sweep(
        &self,
        wanted: impl Fn(&str) -> Result<bool, EmbeddedError>,
    ) -> Result<usize, EmbeddedError> {
        let mut swept = 0;
        for shard in read_directory(&self.directory)? {
            for path in read_directory(&shard)? {
                let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if !wanted(id)? {
                    fs::remove_file(&path).map_err(|source| file_error("delete", &path, source))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// A failure costs only space, and the sweep at the next start tries again.
    fn unlink(&self, id: &str) {
        let path = self.path(id);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "could not delete a blob");
        }
    }
}

impl StagedBlob {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes the finished file durable, name included.
    pub fn sync(&self, file: &File) -> Result<(), EmbeddedError> {
        let path = self.blobs.path(&self.id);
        file.sync_all().map_err(|source| file_error("sync", &path, source))?;
        sync_directory(path.parent().expect("a blob lies in a folder"))
    }

    pub fn path(&self) -> PathBuf {
        self.blobs.path(&self.id)
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for StagedBlob {
    fn drop(&mut self) {
        if !self.kept {
            self.blobs.unlink(&self.id);
        }
    }
}

impl Lease {
    pub fn path(&self, id: &str) -> PathBuf {
        self.blobs.path(id)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let gone: Vec<BlobId> = {
            let mut readers = self.blobs.readers.lock().expect("nothing panics while it holds the leases");
            let mut gone = Vec::new();
            for id in std::mem::take(&mut self.ids) {
                let last = readers.leases.get_mut(&id).is_none_or(|count| {
                    *count -= 1;
                    *count == 0
                });
                if last {
                    readers.leases.remove(&id);
                    gone.extend(readers.doomed.take(&id));
                }
            }
            gone
        };
        gone.iter().for_each(|id| self.blobs.unlink(id));
    }
}

pub(super) fn file_error(operation: &'static str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::File { operation, path: path.to_owned(), source }
}

fn sync_directory(path: &Path) -> Result<(), EmbeddedError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| file_error("sync", path, source))
}

fn read_directory(path: &Path) -> Result<Vec<PathBuf>, EmbeddedError> {
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.map_err(|source| file_error("list", path, source))
}
