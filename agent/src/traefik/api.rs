//! Traefik's own API, which says what is in force and what of it Traefik does not like.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Api {
    /// Without a slash at its end.
    url: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("Traefik does not answer at {url}")]
    Unreachable { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("Traefik did not answer {url} within {} s", PATIENCE.as_secs())]
    TimedOut { url: String },
    #[error("{url} answered {status}: is that Traefik's API?")]
    Odd { url: String, status: StatusCode },
    #[error("the answer of {url} cannot be read: is that Traefik's API?")]
    Unreadable { url: String, source: serde_json::Error },
}

/// What Traefik made of a router or a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    InUse,
    /// It is left out.
    Refused(String),
    Unknown,
}

impl Api {
    pub fn new(url: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.trim_end_matches('/').to_owned(), client }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a middleware of this name is in force, used or not.
    pub async fn has_middleware(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.get(&format!("/api/http/middlewares/{name}@file")).await?.is_some())
    }

    /// What Traefik made of a router (`routers`) or a service (`services`).
    pub async fn verdict(&self, kind: &str, name: &str) -> Result<Verdict, ApiError> {
        let Some(told) = self.get(&format!("/api/http/{kind}/{name}@file")).await? else {
            return Ok(Verdict::Unknown);
        };
        if told["status"] != "disabled" {
            return Ok(Verdict::InUse);
        }
        let errors = told["error"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Verdict::Refused(errors.collect::<Vec<_>>().join("; ")))
    }

    pub async fn version(&self) -> Result<String, ApiError> {
        let told = self.get("/api/version").await?.unwrap_or_default();
        let version = told["Version"].as_str().map(str::to_owned);
        version.ok_or_else(|| ApiError::Odd {
            url: format!("{}/api/version", self.url),
            status: StatusCode::NOT_FOUND,
        })
    }

    /// `None` for what there is not.
    async fn get(&self, path: &str) -> Result<Option<Value>, ApiError> {
        let url = format!("{}{path}", self.url);
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ApiError::Unreachable {
            url: self.url.clone(),
            source,
        };
        let uri: Uri = url.parse().map_err(|error| unreachable(Box::new(error)))?;
        let exchange = async {
            let answer = self.client.get(uri).await.map_err(|error| unreachable(error.into()))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| unreachable(error.into()))?;
            Ok((status, body.to_bytes()))
        };
        let exchanged = tokio::time::timeout(PATIENCE, exchange).await;
        let (status, body) = exchanged.map_err(|_| ApiError::TimedOut { url: url.clone() })??;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map(Some).map_err(|source| ApiError::Unreadable { url, source })
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(ApiError::Odd { url, status }),
        }
    }
}
