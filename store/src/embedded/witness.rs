//! Somebody who keeps a copy of what a bucket holds, and must know that it is outdated before the client that changed it
//! reads there: the mounted folder. A notification comes soon after a change was acknowledged; this comes before.

use std::future::Future;

use futures::future::BoxFuture;

/// An object that was put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub bucket: String,
    pub key: String,
}

pub trait Witness: Send + Sync {
    /// These changes are committed. Called by the writer, so it must not block; the changes are acknowledged when what it
    /// answers is done, which must therefore be soon.
    fn tell(&self, changed: Vec<Changed>) -> BoxFuture<'static, ()>;
}

/// What the witness calls itself as a client of S3, in `User-Agent`: of its own changes it is not told.
pub const AGENT: &str = "cloudyknight-mount";

tokio::task_local! {
    static OF_ITS_OWN: ();
}

/// Does something of which the witness knows already.
pub(super) async fn untold<T>(work: impl Future<Output = T>) -> T {
    OF_ITS_OWN.scope((), work).await
}

/// Whether the witness is to be told of what is done here.
pub(super) fn is_told() -> bool {
    OF_ITS_OWN.try_with(|()| ()).is_err()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use futures::FutureExt;
    use tokio::sync::Notify;

    use super::*;
    use crate::embedded::{EmbeddedStore, Options};

    #[derive(Default)]
    struct Recorder {
        seen: Mutex<Vec<String>>,
        release: Arc<Notify>,
    }

    impl Witness for Recorder {
        fn tell(&self, changed: Vec<Changed>) -> BoxFuture<'static, ()> {
            let keys = changed.into_iter().map(|one| format!("{}/{}", one.bucket, one.key));
            self.seen.lock().unwrap().extend(keys);
            let release = Arc::clone(&self.release);
            async move { release.notified().await }.boxed()
        }
    }

    #[tokio::test]
    async fn a_change_is_acknowledged_once_the_witness_knows() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), Options::default()).unwrap();
        store.create_bucket("bucket").await.unwrap();
        let recorder = Arc::new(Recorder::default());
        store.tell(recorder.clone());
        let bucket = store.bucket("bucket");

        let mut put = bucket.put("app/x", Bytes::from_static(b"1"));
        let early = tokio::time::timeout(Duration::from_millis(200), &mut put).await;
        assert!(early.is_err(), "it was acknowledged before the witness was done");
        assert_eq!(*recorder.seen.lock().unwrap(), ["bucket/app/x"]);
        recorder.release.notify_one();
        put.await.unwrap();

        recorder.release.notify_one();
        bucket.delete("app/x").await.unwrap();
        recorder.release.notify_one();
        assert_eq!(*recorder.seen.lock().unwrap(), ["bucket/app/x", "bucket/app/x"]);
        // Of what the witness does itself it is not told, nor of what changes nothing.
        untold(bucket.put("app/own", Bytes::new())).await.unwrap();
        assert!(
            bucket
                .put_if("app/y", Bytes::new(), &crate::bucket::Condition::Unchanged("e".into()))
                .await
                .is_err()
        );
        assert_eq!(recorder.seen.lock().unwrap().len(), 2);
    }
}
