//! The CLI's end of the API.

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, BodyStream, Empty};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::errors::hinted;
use crate::home::Home;

pub struct Client {
    http: Http<HttpConnector, Empty<Bytes>>,
    base: String,
    token: String,
}

/// The part of a problem document that people read.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    hint: Option<String>,
}

impl Client {
    /// The platform that `CLOUDYKNIGHT_API` and `CLOUDYKNIGHT_TOKEN` name, else the one of this home.
    pub fn new(home: &Home) -> anyhow::Result<Self> {
        match home.remote() {
            Some((base, token)) => Ok(Self::at(&base, token)),
            None => Self::of(home),
        }
    }

    /// The platform of this home, whatever the environment names: a shell may remember one that is gone.
    pub fn of(home: &Home) -> anyhow::Result<Self> {
        let (endpoints, secrets) = crate::s3::running(home)?;
        Ok(Self::at(&endpoints.api, secrets.api_token))
    }

    fn at(base: &str, token: String) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, base: base.trim_end_matches('/').to_owned(), token }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(self.send(Method::GET, path).await?).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::POST, path).await.map(drop)
    }

    /// The same, and what it answers.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(self.send(Method::POST, path).await?).await
    }

    /// Asks for something to be deleted; answers what that says, if it says anything.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Bytes> {
        let answer = self.send(Method::DELETE, path).await?;
        Ok(answer.into_body().collect().await.context("the API broke off its answer")?.to_bytes())
    }

    /// The answer in pieces, as they come.
    pub async fn stream(&self, path: &str, mut each: impl FnMut(&Bytes)) -> anyhow::Result<()> {
        let answer = self.send(Method::GET, path).await?;
        let mut pieces = BodyStream::new(answer.into_body());
        while let Some(piece) = pieces.next().await {
            if let Ok(data) = piece.context("the API broke off its answer")?.into_data() {
                each(&data);
            }
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Empty::new())
            .with_context(|| format!("`{}` is no address of an API", self.base))?;
        let answer = self.http.request(request).await.map_err(|error| {
            let message = format!("the platform does not answer at {}: {error}", self.base);
            hinted(message, "`cloudyknight up` starts it; `cloudyknight doctor` looks for what is wrong")
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Err(match serde_json::from_slice::<Problem>(&text) {
            Ok(Problem { detail, hint: Some(hint) }) => hinted(detail, hint),
            Ok(Problem { detail, hint: None }) => anyhow::anyhow!(detail),
            Err(_) if status == StatusCode::UNAUTHORIZED => anyhow::anyhow!("the API refused the token"),
            Err(_) => anyhow::anyhow!("the API answered {status}"),
        })
    }
}

async fn read<T: DeserializeOwned>(answer: Response<Incoming>) -> anyhow::Result<T> {
    let text = answer.into_body().collect().await.context("the API broke off its answer")?.to_bytes();
    serde_json::from_slice(&text).context("the API answered something else than was expected")
}

/// A workspace in the API, and what is asked of it.
pub fn workspace(name: &str, what: &str) -> String {
    format!("/api/v1/workspaces/{}/{what}", segment(name))
}

/// A piece of a path or query, escaped (RFC 3986).
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(super::segment("my-app"), "my-app");
        assert_eq!(super::segment("../a b?x"), "..%2Fa%20b%3Fx");
    }
}
