//! What went wrong with a request, as a problem document (RFC 9457): what failed, and what to do about it.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloudyknight_core::workspace::WorkspaceName;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use crate::deploy::with_causes;

pub(super) const PROBLEM: &str = "application/problem+json";

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    status: u16,
    title: &'static str,
    /// What failed, in one sentence.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status: status.as_u16(), title, detail: detail.to_owned(), hint: None, retry_after: None }
    }

    pub fn unknown(name: &WorkspaceName) -> Self {
        Self::new(StatusCode::NOT_FOUND, &format!("there is no workspace `{name}`"))
            .hint("`cloudyknight status` lists those there are")
    }

    pub fn down(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &with_causes(error))
            .hint("`cloudyknight doctor` looks for the reason")
    }

    pub fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail).hint("ask for a token with another role")
    }

    pub fn not_yours(name: &WorkspaceName) -> Self {
        Self::forbidden(&format!("workspace `{name}` is not for this caller"))
    }

    pub fn not_for(caller: &Caller) -> Self {
        Self::forbidden(&format!("`{}` may not do this", caller.name))
    }

    /// Too much was asked; there is a place again after this time.
    pub fn too_much(detail: &str, wait: Duration) -> Self {
        let wait = Duration::from_secs(wait.as_secs() + 1);
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { retry_after: Some(wait), ..problem }.hint(&format!("try again in {} s", wait.as_secs()))
    }

    pub fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem is plain data");
        let mut answer = (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        if let Some(wait) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}
