//! The CLI's end of the API.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::errors::hinted;
use crate::home::Home;
use crate::suggest;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

pub struct Client {
    http: Http<HttpsConnector<HttpConnector>, Body>,
    base: String,
    token: String,
    /// It was named in the environment, and starting one here would not help.
    is_remote: bool,
}

/// The part of a problem document that people read.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    hint: Option<String>,
}

/// The API knows nothing at this path.
#[derive(Debug, thiserror::Error)]
#[error("the platform does not know this request yet")]
pub struct Older;

/// How often the API may ask for a pause before it is an error.
const PAUSES: usize = 5;
/// No pause that the API asks for is kept for longer, in seconds.
const LONGEST_PAUSE: u64 = 30;

impl Client {
    /// The platform that `CLOUDYKNIGHT_API` and `CLOUDYKNIGHT_TOKEN` name, else the one of this home.
    pub fn new(home: &Home) -> anyhow::Result<Self> {
        match home.remote() {
            Some((base, token)) => Self::at(&base, token, true),
            None => Self::of(home),
        }
    }

    /// The platform of this home, whatever the environment names: a shell may remember one that is gone.
    pub fn of(home: &Home) -> anyhow::Result<Self> {
        let (endpoints, secrets) = crate::s3::running(home)?;
        Self::at(&endpoints.api, secrets.api_token, false)
    }

    fn at(base: &str, token: String, is_remote: bool) -> anyhow::Result<Self> {
        let trusted = HttpsConnectorBuilder::new().with_native_roots();
        let trusted = trusted.context("could not read the certificates that this machine trusts")?;
        let http = Http::builder(TokioExecutor::new()).build(trusted.https_or_http().enable_http1().build());
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token, is_remote })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(self.send(Method::GET, path, None).await?).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::POST, path, None).await.map(drop)
    }

    /// The same, and what it answers.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(self.send(Method::POST, path, None).await?).await
    }

    /// The same, with something to say.
    pub async fn tell<T: DeserializeOwned>(&self, path: &str, what: &impl Serialize) -> anyhow::Result<T> {
        read(self.send(Method::POST, path, Some(serde_json::to_vec(what)?.into())).await?).await
    }

    /// Asks for something to be deleted; answers what that says, if it says anything.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Bytes> {
        let answer = self.send(Method::DELETE, path, None).await?;
        Ok(answer.into_body().collect().await.context("the API broke off its answer")?.to_bytes())
    }

    /// Uploads what comes in pieces, which are made anew for each try.
    pub async fn put<S>(
        &self,
        path: &str,
        mut pieces: impl AsyncFnMut() -> anyhow::Result<S>,
    ) -> anyhow::Result<Bytes>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let answer = self.patiently(path, async || {
            let body = BodyExt::boxed_unsync(StreamBody::new(pieces().await?.map_ok(Frame::data)));
            self.request(Method::PUT, path, "application/octet-stream", body).await
        });
        let answer = answer.await?;
        Ok(answer.into_body().collect().await.context("the API broke off its answer")?.to_bytes())
    }

    /// The answer in pieces, as they come.
    pub async fn stream(&self, path: &str, mut each: impl FnMut(&Bytes)) -> anyhow::Result<()> {
        let answer = self.send(Method::GET, path, None).await?;
        let mut pieces = BodyStream::new(answer.into_body());
        while let Some(piece) = pieces.next().await {
            if let Ok(data) = piece.context("the API broke off its answer")?.into_data() {
                each(&data);
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        json: Option<Bytes>,
    ) -> anyhow::Result<Response<Incoming>> {
        let ask = async || {
            let body = Full::new(json.clone().unwrap_or_default()).map_err(|never| match never {});
            self.request(method.clone(), path, "application/json", BodyExt::boxed_unsync(body)).await
        };
        self.patiently(path, ask).await
    }

    /// Asks again where the API says that it was too much, after as long as it says; the answer, if it is what was asked for.
    async fn patiently(
        &self,
        path: &str,
        mut ask: impl AsyncFnMut() -> anyhow::Result<Response<Incoming>>,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut pauses = 0;
        loop {
            let answer = ask().await?;
            match pause(&answer) {
                Some(pause) if pauses < PAUSES => {
                    pauses += 1;
                    tokio::time::sleep(pause).await;
                }
                _ => return self.well(path, answer).await,
            }
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Body,
    ) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .with_context(|| format!("`{}` is no address of an API", self.base))?;
        self.http.request(request).await.map_err(|error| {
            let why = anyhow::Error::new(error);
            let why = crate::errors::sentence(&why);
            let message = format!("the platform does not answer at {}: {why}", self.base);
            let hint = if self.is_remote {
                "CLOUDYKNIGHT_API names that address; is it right, and does the platform there run?"
            } else {
                "`cloudyknight up` starts it; `cloudyknight doctor` looks for what is wrong"
            };
            hinted(message, hint)
        })
    }

    /// The answer, if it is what was asked for.
    async fn well(&self, path: &str, answer: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Err(match serde_json::from_slice::<Problem>(&text) {
            Ok(Problem { detail, .. }) if detail == NO_SUCH_PATH => Older.into(),
            Ok(Problem { detail, hint }) => {
                let hint = match mistyped(path, status, &detail) {
                    Some(name) => self.suggest(&name, hint).await,
                    None => hint,
                };
                match hint {
                    Some(hint) => hinted(detail, hint),
                    None => anyhow::anyhow!(detail),
                }
            }
            Err(_) if status == StatusCode::UNAUTHORIZED => anyhow::anyhow!("the API refused the token"),
            Err(_) => anyhow::anyhow!("the API answered {status}"),
        })
    }

    /// The hint, with the workspace in it that may have been meant.
    async fn suggest(&self, typed: &str, hint: Option<String>) -> Option<String> {
        let names = self.names().await;
        if names.iter().any(|name| name == typed) {
            return hint;
        }
        let meant = suggest::nearest(typed, names.iter().map(String::as_str));
        match (meant, hint) {
            (Some(name), Some(hint)) => Some(format!("did you mean `{name}`? {hint}")),
            (Some(name), None) => Some(format!("did you mean `{name}`?")),
            (None, hint) => hint,
        }
    }

    /// What workspaces there are; none where that cannot be found out.
    pub async fn names(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Known {
            workspaces: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            workspace: String,
            state: cloudyknight_core::status::State,
        }
        let body = BodyExt::boxed_unsync(Full::default().map_err(|never| match never {}));
        let answer = self.request(Method::GET, "/api/v1/workspaces", "application/json", body).await;
        let Ok(answer) = answer else { return Vec::new() };
        let Ok(Known { workspaces }) = read(answer).await else { return Vec::new() };
        let there =
            workspaces.into_iter().filter(|one| one.state != cloudyknight_core::status::State::Removed);
        there.map(|one| one.workspace).collect()
    }
}

/// As the API says it.
const NO_SUCH_PATH: &str = "the API has no such path";

/// How long the API asks to wait before the same is asked again.
fn pause(answer: &Response<Incoming>) -> Option<Duration> {
    if answer.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let said = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Some(Duration::from_secs(said.unwrap_or(1).clamp(1, LONGEST_PAUSE)))
}

/// The name of the workspace that an answer says it does not know.
fn mistyped(path: &str, status: StatusCode, detail: &str) -> Option<String> {
    let rest = path.strip_prefix("/api/v1/workspaces/")?;
    let name = rest.split(['/', '?']).next()?;
    (status == StatusCode::NOT_FOUND && detail.contains(&format!("`{name}`"))).then(|| name.to_owned())
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
pub mod fake;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_that_comes_too_early_is_made_again_whole_after_as_long_as_the_api_says() {
        let too_much = fake::answer("429 Too Many Requests\r\nretry-after: 1", "{}");
        let api = fake::Api::answering([too_much, fake::answer("201 Created", "{}")]);
        let mut tries = 0;
        let began = std::time::Instant::now();
        let client = api.client();
        let sent = client.put("/api/v1/workspaces/app/files/a", async || {
            tries += 1;
            Ok(futures::stream::iter(["one ", "two"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())))))
        });
        assert_eq!(sent.await.unwrap(), "{}");
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(tries, 2);
        assert_eq!(api.asked().into_iter().map(|one| one.body).collect::<Vec<_>>(), ["one two", "one two"]);
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(segment("my-app"), "my-app");
        assert_eq!(segment("../a b?x"), "..%2Fa%20b%3Fx");
    }

    #[test]
    fn only_a_workspace_that_is_not_known_was_mistyped() {
        let check = |path: &str, status: StatusCode, detail: &str, expected: Option<&str>| {
            assert_eq!(mistyped(path, status, detail).as_deref(), expected, "{path}");
        };
        let missing = StatusCode::NOT_FOUND;
        check("/api/v1/workspaces/blgo", missing, "there is no workspace `blgo`", Some("blgo"));
        check("/api/v1/workspaces/blgo/logs?tail=1", missing, "nothing of `blgo` runs", Some("blgo"));
        check("/api/v1/workspaces/blog/logs", missing, "no service `wbe`", None);
        check("/api/v1/workspaces/blgo", StatusCode::FORBIDDEN, "`blgo`", None);
        check("/api/v1/volumes", missing, "`volumes`", None);
    }
}
