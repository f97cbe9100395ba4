//! The agent's side of the control socket. Each call opens the socket anew: the edge may restart between two.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::route::RouteTable;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{BackendReport, Health, InForce, Refusal};
use crate::stats::Stats;

/// Longer than an edge that lives needs for anything.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// What can go wrong with a call. All but `Refused` are worth trying again: the edge may be about to start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no edge answers at {socket}")]
    Connect { socket: PathBuf, source: io::Error },
    #[error("the edge broke off while it answered {asked}")]
    Exchange { asked: &'static str, source: hyper::Error },
    #[error("the edge did not answer {asked} within {} seconds", PATIENCE.as_secs())]
    TimedOut { asked: &'static str },
    #[error("the edge refused {asked}: {why}")]
    Refused { asked: &'static str, status: StatusCode, why: String },
    #[error("the edge's answer to {asked} cannot be read")]
    Unreadable { asked: &'static str, source: serde_json::Error },
}

impl Client {
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned() }
    }

    /// Puts a whole table in force. When this returns, requests follow it, and no new one starts on a backend
    /// that it does not hold.
    pub async fn put_routes(&self, table: &RouteTable) -> Result<InForce, ControlError> {
        let body = serde_json::to_vec(table).expect("a table is plain data");
        self.call("PUT /routes", Method::PUT, "/routes", body).await
    }

    /// The table in force.
    pub async fn routes(&self) -> Result<RouteTable, ControlError> {
        self.call("GET /routes", Method::GET, "/routes", Vec::new()).await
    }

    pub async fn backends(&self) -> Result<Vec<BackendReport>, ControlError> {
        self.call("GET /backends", Method::GET, "/backends", Vec::new()).await
    }

    /// Requests in flight on a backend. Zero, for one that is in no table any more, means: drained for good.
    pub async fn in_flight(&self, backend_id: &str) -> Result<u64, ControlError> {
        let known = self.backends().await?;
        Ok(known.iter().find(|backend| backend.id == backend_id).map_or(0, |backend| backend.in_flight))
    }

    pub async fn stats(&self) -> Result<Stats, ControlError> {
        self.call("GET /stats", Method::GET, "/stats", Vec::new()).await
    }

    pub async fn health(&self) -> Result<Health, ControlError> {
        self.call("GET /health", Method::GET, "/health", Vec::new()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        asked: &'static str,
        method: Method,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<T, ControlError> {
        let exchange = self.exchange(asked, method, path, body);
        let (status, text) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| ControlError::TimedOut { asked })??;
        if status.is_success() {
            return serde_json::from_slice(&text)
                .map_err(|source| ControlError::Unreadable { asked, source });
        }
        let refusal: Result<Refusal, _> = serde_json::from_slice(&text);
        let why = refusal.map_or_else(|_| status.to_string(), |refusal| refusal.error);
        Err(ControlError::Refused { asked, status, why })
    }

    async fn exchange(
        &self,
        asked: &'static str,
        method: Method,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ControlError> {
        let broke_off = |source| ControlError::Exchange { asked, source };
        let stream = UnixStream::connect(&self.socket).await;
        let stream =
            stream.map_err(|source| ControlError::Connect { socket: self.socket.clone(), source })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert(HOST, http::HeaderValue::from_static("edge"));
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
