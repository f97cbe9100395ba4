//! The store's side of the mount: each change goes to the keepers that are connected, and is acknowledged to whoever made
//! it when they have seen to it. A keeper that does not answer in time is cut off; it connects again, and has rclone forget
//! everything first, so that it can have missed nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_store::embedded::{Changed, Witness};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long a client of S3 waits at most because of a mount.
const PATIENCE: Duration = Duration::from_millis(500);
/// Changes that wait for a keeper to answer; what comes beyond that cuts it off.
const WAITING: usize = 1024;

/// The keepers that are connected.
pub struct Keepers {
    bucket: String,
    connected: Mutex<Vec<Connected>>,
}

#[derive(Clone)]
struct Connected {
    orders: mpsc::Sender<Order>,
    cut: CancellationToken,
}

struct Order {
    keys: Vec<String>,
    seen: oneshot::Sender<()>,
}

impl Keepers {
    /// Of a mount of this bucket.
    pub fn of(bucket: &str) -> Arc<Self> {
        Arc::new(Self { bucket: bucket.to_owned(), connected: Mutex::default() })
    }

    /// Lets keepers in until it is told to end.
    pub async fn serve(
        self: Arc<Self>,
        listener: UnixListener,
        shutdown: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut shutdown => return Ok(()),
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, for a moment: no reason to end the platform.
                    tracing::warn!(%error, "could not accept the keeper of a mount");
                    tokio::time::sleep(PATIENCE).await;
                    continue;
                }
            };
            let (orders, waiting) = mpsc::channel(WAITING);
            let one = Connected { orders, cut: CancellationToken::new() };
            let cut = one.cut.clone();
            self.connected.lock().expect("nothing panics while it holds the keepers").push(one);
            tokio::spawn(async move {
                let talked = cut.run_until_cancelled(talk(stream, waiting)).await;
                // Whichever way it ended, nobody waits for it any more.
                cut.cancel();
                tracing::debug!(?talked, "a keeper of a mount is gone");
            });
        }
    }
}

impl Witness for Keepers {
    fn tell(&self, changed: Vec<Changed>) -> BoxFuture<'static, ()> {
        let keys: Vec<String> =
            changed.into_iter().filter(|one| one.bucket == self.bucket).map(|one| one.key).collect();
        let mut connected = self.connected.lock().expect("nothing panics while it holds the keepers");
        connected.retain(|one| !one.cut.is_cancelled());
        if keys.is_empty() || connected.is_empty() {
            return futures::future::ready(()).boxed();
        }
        let told: Vec<_> = connected
            .iter()
            .map(|one| {
                let (seen, is_seen) = oneshot::channel();
                if one.orders.try_send(Order { keys: keys.clone(), seen }).is_err() {
                    one.cut.cancel();
                }
                let cut = one.cut.clone();
                async move {
                    if tokio::time::timeout(PATIENCE, is_seen).await.is_err() {
                        tracing::warn!("the keeper of a mount does not answer, and is cut off");
                        cut.cancel();
                    }
                }
            })
            .collect();
        join_all(told).map(drop).boxed()
    }
}

/// One line of keys at a time, and one line back. What comes meanwhile goes into the next.
async fn talk(stream: UnixStream, mut waiting: mpsc::Receiver<Order>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut answers = BufReader::new(read).lines();
    // From here on it is told of everything. What it knows from before it forgets now, and says so.
    write.write_all(b"[]\n").await?;
    if answers.next_line().await?.is_none() {
        return Ok(());
    }
    loop {
        let first = tokio::select! {
            order = waiting.recv() => order,
            // It has nothing to say unasked: it is gone.
            _ = answers.next_line() => None,
        };
        let Some(first) = first else { return Ok(()) };
        let mut orders = vec![first];
        while let Ok(order) = waiting.try_recv() {
            orders.push(order);
        }
        let keys: Vec<&String> = orders.iter().flat_map(|order| &order.keys).collect();
        let mut line = serde_json::to_vec(&keys)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        if answers.next_line().await?.is_none() {
            return Ok(());
        }
        for order in orders {
            // A client that is gone waits for nothing.
            let _ = order.seen.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(bucket: &str, key: &str) -> Vec<Changed> {
        vec![Changed { bucket: bucket.to_owned(), key: key.to_owned() }]
    }

    /// A keeper that was told of its connection.
    async fn connected(keepers: &Arc<Keepers>, folder: &std::path::Path) -> BufReader<UnixStream> {
        let path = folder.join("changes.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(Arc::clone(keepers).serve(listener, std::future::pending()));
        let mut stream = BufReader::new(UnixStream::connect(&path).await.unwrap());
        assert_eq!(line(&mut stream).await, "[]\n");
        stream
    }

    async fn line(stream: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        line
    }

    #[tokio::test]
    async fn a_change_is_seen_to_when_the_keeper_answers() {
        let folder = tempfile::tempdir().unwrap();
        let keepers = Keepers::of("workspaces");
        let mut stream = connected(&keepers, folder.path()).await;
        stream.write_all(b"\n").await.unwrap();
        let told = tokio::spawn(keepers.tell(changed("workspaces", "app/x")));
        assert_eq!(line(&mut stream).await, "[\"app/x\"]\n");
        assert!(!told.is_finished());
        stream.write_all(b"\n").await.unwrap();
        told.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_long_for_a_keeper_that_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let keepers = Keepers::of("workspaces");
        let mut stream = connected(&keepers, folder.path()).await;
        stream.write_all(b"\n").await.unwrap();
        keepers.tell(changed("workspaces", "app/x")).await;
        // It was cut off: the next change waits for nobody.
        let second = keepers.tell(changed("workspaces", "app/y")).now_or_never();
        assert!(second.is_some());
    }

    #[tokio::test]
    async fn other_buckets_are_nobody_s_business() {
        let folder = tempfile::tempdir().unwrap();
        let keepers = Keepers::of("workspaces");
        let _stream = connected(&keepers, folder.path()).await;
        assert!(keepers.tell(changed("cloudyknight", "status/app.json")).now_or_never().is_some());
    }
}
