//! A few read-only connections on blocking threads. WAL lets them read a consistent snapshot while the writer
//! writes.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::EmbeddedError;
use super::schema;

const CONNECTIONS: usize = 4;

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub fn open(dir: &Path) -> Result<Self, EmbeddedError> {
        let connections =
            (0..CONNECTIONS).map(|_| schema::open_for_reading(dir)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), free: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Runs `work` in one read transaction.
    pub async fn read<T, W>(&self, work: W) -> Result<T, EmbeddedError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, EmbeddedError> + Send + 'static,
    {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| EmbeddedError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let take = || idle.lock().expect("nothing panics while it holds the connections").pop();
            let connection = take().ok_or(EmbeddedError::Closed)?;
            let outcome = in_transaction(&connection, work);
            idle.lock().expect("nothing panics while it holds the connections").push(connection);
            drop(permit);
            outcome
        });
        reading.await.map_err(|_| EmbeddedError::Closed)?
    }
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, EmbeddedError>,
) -> Result<T, EmbeddedError> {
    let transaction = connection.unchecked_transaction()?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
