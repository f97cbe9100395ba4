//! What is uploaded through the API, on its way into the workspaces bucket: streamed to a file beside the sources of
//! releases, in memory as they are, never larger than it may be, and gone however the upload ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::command::Cause;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::aws::S3Bucket;
use futures::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// The workspaces bucket as S3 clients reach it.
pub struct Reach {
    pub bucket: S3Bucket,
    /// Whether somebody tells us what is put there.
    pub is_told: bool,
}

pub struct Uploads {
    dir: PathBuf,
    pub reach: Reach,
    room: Semaphore,
    claimed: Mutex<()>,
}

/// What may be on its way at once, in files; an archive counts as several.
const ROOM: usize = 16;
const ARCHIVE: u32 = 4;
/// How long room is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing may arrive.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("it is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("other uploads are on their way")]
    Busy,
    #[error("nothing arrived for {} s", SILENCE.as_secs())]
    Silent,
    #[error("it broke off: {0}")]
    BrokenOff(String),
    #[error("could not keep what arrived below the source directory")]
    Disk(#[source] std::io::Error),
}

/// How much room an upload takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Archive,
}

/// A file with all that arrived. It is gone with this.
pub struct Received<'u> {
    path: PathBuf,
    pub bytes: u64,
    _room: SemaphorePermit<'u>,
}

impl Uploads {
    pub fn new(dir: PathBuf, reach: Reach) -> Self {
        Self { dir, reach, room: Semaphore::new(ROOM), claimed: Mutex::default() }
    }

    /// Takes what arrives to its end, at most `limit` bytes.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        kind: Kind,
        limit: u64,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Received<'_>, UploadError> {
        let wanted = if kind == Kind::Archive { ARCHIVE } else { 1 };
        let room = tokio::time::timeout(PATIENCE, self.room.acquire_many(wanted)).await;
        let room = room.map_err(|_| UploadError::Busy)?.map_err(|_| UploadError::Busy)?;
        let random = getrandom::u64().map_err(|error| UploadError::Disk(std::io::Error::other(error)))?;
        // Not a name that begins with a workspace's: what clears away after deployments must not find it.
        let path = self.dir.join(format!(".upload-{random:016x}"));
        let mut received = Received { path, bytes: 0, _room: room };
        let mut file = tokio::fs::File::create(&received.path).await.map_err(UploadError::Disk)?;
        let mut body = std::pin::pin!(body);
        while let Some(piece) =
            tokio::time::timeout(SILENCE, body.next()).await.map_err(|_| UploadError::Silent)?
        {
            let piece = piece.map_err(|error| UploadError::BrokenOff(error.to_string()))?;
            received.bytes += piece.len() as u64;
            if received.bytes > limit {
                return Err(UploadError::TooLarge { limit });
            }
            file.write_all(&piece).await.map_err(UploadError::Disk)?;
        }
        file.flush().await.map_err(UploadError::Disk)?;
        Ok(received)
    }

    /// To be held from the look whether a name is free until it is taken: of two who want the same, one is refused.
    pub async fn claim(&self) -> MutexGuard<'_, ()> {
        self.claimed.lock().await
    }

    /// Has the agent look at what was changed, where nobody else tells it.
    pub fn tell(&self, agent: &crate::Agent, workspace: &WorkspaceName, cause: Cause) {
        if !self.reach.is_told {
            agent.inbox.wake(workspace.clone(), cause);
        }
    }
}

impl Received<'_> {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        // In memory, and ours alone: there is nothing to wait for, and nobody to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_store::aws::{ConnectSettings, StaticCredentials, connect};
    use futures::stream;

    use super::*;

    async fn uploads(dir: &Path) -> Uploads {
        let credentials = Some(StaticCredentials::new("AK", "SK"));
        let region = Some("us-east-1".to_owned());
        let settings = ConnectSettings { credentials, region, ..ConnectSettings::default() };
        let bucket = connect(settings).await.unwrap().bucket("workspaces");
        Uploads::new(dir.to_owned(), Reach { bucket, is_told: true })
    }

    fn pieces(all: &[Result<&'static str, &'static str>]) -> impl Stream<Item = Result<Bytes, &'static str>> {
        let owned: Vec<_> =
            all.iter().map(|piece| piece.map(|text| Bytes::from_static(text.as_bytes()))).collect();
        stream::iter(owned)
    }

    #[tokio::test]
    async fn what_arrives_is_kept_until_it_is_dropped_and_nothing_stays_of_what_did_not_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = uploads(dir.path()).await;
        let left = || std::fs::read_dir(dir.path()).unwrap().count();
        let received = uploads.receive(Kind::Archive, 6, pieces(&[Ok("abc"), Ok("def")])).await.unwrap();
        assert_eq!(std::fs::read(received.path()).unwrap(), b"abcdef");
        assert_eq!((received.bytes, left()), (6, 1));
        drop(received);
        let too_large = uploads.receive(Kind::File, 5, pieces(&[Ok("abc"), Ok("def")])).await;
        assert!(matches!(too_large, Err(UploadError::TooLarge { limit: 5 })));
        let broken = uploads.receive(Kind::File, 5, pieces(&[Ok("abc"), Err("reset")])).await;
        assert!(matches!(broken, Err(UploadError::BrokenOff(_))));
        assert_eq!(left(), 0);
        assert_eq!(uploads.room.available_permits(), ROOM, "their room is free again");
    }
}
