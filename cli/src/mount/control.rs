//! rclone's remote control, at a socket that only the owner of the home can reach.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::UnixStream;

#[derive(Clone)]
pub struct Control {
    socket: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("rclone does not answer at its socket")]
    Connect(#[source] io::Error),
    #[error("rclone broke off while it answered {asked}")]
    Exchange { asked: &'static str, source: hyper::Error },
    #[error("rclone did not answer {asked} in time")]
    TimedOut { asked: &'static str },
    #[error("rclone refused {asked}: {why}")]
    Refused { asked: &'static str, why: String },
    #[error("rclone's answer to {asked} cannot be read")]
    Unreadable { asked: &'static str, source: serde_json::Error },
}

/// A file that is written and not uploaded yet.
#[derive(Debug, Deserialize)]
pub struct Queued {
    pub name: String,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(default)]
    queue: Option<Vec<Queued>>,
}

impl Control {
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub async fn answers(&self, patience: Duration) -> Result<(), ControlError> {
        self.call("rc/noop", json!({}), patience).await.map(drop)
    }

    /// Every folder that is known is listed anew.
    pub async fn refresh_all(&self, patience: Duration) -> Result<(), ControlError> {
        self.call("vfs/refresh", json!({ "recursive": "true" }), patience).await.map(drop)
    }

    /// These folders are listed anew, now. That is more than to forget them: of a file that was written here, rclone holds
    /// on to what it wrote until then.
    pub async fn refresh(&self, folders: &[&str], patience: Duration) -> Result<(), ControlError> {
        if folders.is_empty() {
            return Ok(());
        }
        let named = folders.iter().enumerate().map(|(n, path)| (format!("dir{n}"), json!(path)));
        self.call("vfs/refresh", Value::Object(named.collect::<Map<_, _>>()), patience).await.map(drop)
    }

    /// What is known of these keys is forgotten, and of every folder on the way to them: each may have come with the change,
    /// or gone.
    pub async fn forget(&self, keys: &[String], patience: Duration) -> Result<(), ControlError> {
        for some in forgotten(keys).chunks(AT_ONCE) {
            let named = some.iter().enumerate().map(|(n, path)| (format!("file{n}"), json!(path)));
            self.call("vfs/forget", Value::Object(named.collect::<Map<_, _>>()), patience).await?;
        }
        Ok(())
    }

    pub async fn queue(&self, patience: Duration) -> Result<Vec<Queued>, ControlError> {
        let text = self.call("vfs/queue", json!({}), patience).await?;
        let read: Result<Queue, _> = serde_json::from_slice(&text);
        let queue = read.map_err(|source| ControlError::Unreadable { asked: "vfs/queue", source })?;
        Ok(queue.queue.unwrap_or_default())
    }

    async fn call(
        &self,
        asked: &'static str,
        body: Value,
        patience: Duration,
    ) -> Result<Bytes, ControlError> {
        let answered = tokio::time::timeout(patience, self.exchange(asked, body)).await;
        let (status, text) = answered.map_err(|_| ControlError::TimedOut { asked })??;
        if status.is_success() {
            return Ok(text);
        }
        Err(ControlError::Refused { asked, why: String::from_utf8_lossy(&text).into_owned() })
    }

    async fn exchange(&self, asked: &'static str, body: Value) -> Result<(StatusCode, Bytes), ControlError> {
        let broke_off = |source| ControlError::Exchange { asked, source };
        let stream = UnixStream::connect(&self.socket).await.map_err(ControlError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
        let request = Request::post(format!("/{asked}"))
            .header("host", "rclone")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request of fixed parts");
        let answered = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        // The connection must be driven while the answer is awaited, and ends with it.
        let mut answered = std::pin::pin!(answered);
        tokio::select! {
            result = &mut answered => result.map_err(broke_off),
            driven = connection => {
                driven.map_err(broke_off)?;
                answered.await.map_err(broke_off)
            }
        }
    }
}

/// Paths in one request.
const AT_ONCE: usize = 500;

/// To forget a path is to list the folder that it lies in again. So every part of a key has to be forgotten.
fn forgotten(keys: &[String]) -> Vec<&str> {
    let mut paths: Vec<&str> = keys
        .iter()
        .flat_map(|key| key.match_indices('/').map(|(at, _)| &key[..at]).chain(std::iter::once(key.as_str())))
        .filter(|path| !path.is_empty())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_folder_on_the_way_is_forgotten_once() {
        let keys = ["app/src/a.js", "app/src/b.js", "app/", "x"].map(str::to_owned);
        assert_eq!(super::forgotten(&keys), ["app", "app/", "app/src", "app/src/a.js", "app/src/b.js", "x"]);
    }
}
