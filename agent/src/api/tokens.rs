//! Tokens: made, listed and deleted by administrators. A secret is told once, to whoever made it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_store::bucket::BucketError;
use serde::{Deserialize, Deserializer, Serialize};
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Order, Page};
use super::sessions::too_slow;
use super::{Api, Problem};
use crate::access::name::Name;
use crate::access::password;
use crate::access::role::Role;
use crate::access::secret::Secret;
use crate::access::token::{Given, Kind, LONGEST_S, Proof, Token, TokenError, check_scope};
use crate::policy::Pattern;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// What is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// As the audit and histories name its holder; no two have the same.
    name: Name,
    role: Given,
    /// The workspaces that the role is about, by name or pattern; without it, all of them. Not with `admin`.
    #[schema(min_items = 1, max_items = 100)]
    workspaces: Option<Vec<Pattern>>,
    /// In seconds from now; without it, it does not expire.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 316224000)]
    expires_in_s: Option<u64>,
    /// For people, who sign in with it and the name. Without it a token is made.
    #[schema(value_type = Option<String>, min_length = 12, max_length = 256, format = Password)]
    password: Option<Secret>,
}

/// A whole number, which JSON may also write as `3.0` or `3e2`.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let exact = |number: f64| (0.0..=LONGEST_S as f64 + 1.0).contains(&number) && number.fract() == 0.0;
    let whole = number.as_u64().or_else(|| number.as_f64().filter(|one| exact(*one)).map(|one| one as u64));
    whole.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number of seconds")))
}

/// A token as it is listed, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct Told {
    id: String,
    name: Name,
    role: Role,
    /// `null`: all of them.
    workspaces: Option<Vec<Pattern>>,
    kind: Kind,
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[serde(with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    /// Also after a restart, though then it may be up to an hour too early.
    #[serde(with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<OffsetDateTime>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CreatedToken {
    #[serde(flatten)]
    told: Told,
    /// To be sent as `Authorization: Bearer …`. It is told only here, and absent where there is a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// By name.
    tokens: Vec<Told>,
    /// Where the next page begins; `null` at the end.
    next: Option<String>,
}

/// Why tokens or sessions stay as they are.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the platform bucket did not take it")]
    Bucket(#[from] BucketError),
}

/// List tokens
///
/// Everybody who may use the API beside the operator.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "tokens",
    tag = "access",
    params(Page),
    responses((status = 200, description = "A page of them", body = Tokens)),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(page): Query<Page>,
) -> Result<Json<Tokens>, Problem> {
    let access = &api.agent.access;
    let mut all = access.tokens.get().tokens.clone();
    all.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    let (tokens, next) = page.of(all, Order::Ascending, |one| one.name.to_string())?;
    let told = tokens.into_iter().map(|token| {
        let last_used_at = access.last_used(&token);
        told(Token { last_used_at, ..token })
    });
    Ok(Json(Tokens { tokens: told.collect(), next }))
}

/// Make a token
///
/// With a role, for all workspaces or for some. With `password` it is a person, who signs in; without, a program, which
/// brings the token that is answered.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "create_token",
    tag = "access",
    request_body = NewToken,
    responses(
        (status = 201, description = "It is made", body = CreatedToken),
        (status = 409, description = "There is one of that name, or there are too many", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Json(asked): Json<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let access = &api.agent.access;
    let refuse = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
    let NewToken { name, role, workspaces, expires_in_s, password } = asked;
    let role = Role::from(role);
    check_scope(role, workspaces.as_deref()).map_err(|error| refuse(&error.to_string()))?;
    let created_at = OffsetDateTime::now_utc();
    let expires_at = match expires_in_s {
        None => None,
        Some(seconds @ 1..=LONGEST_S) => Some(created_at + Duration::seconds(seconds as i64)),
        Some(_) => return Err(refuse(&format!("`expires_in_s` is 1 to {LONGEST_S}"))),
    };
    let random = getrandom::u64().map_err(|error| Problem::down(&error))?;
    let (proof, secret) = match password {
        Some(password) => {
            let length = password.expose().chars().count();
            if !(password::SHORTEST..=password::LONGEST).contains(&length) {
                let (shortest, longest) = (password::SHORTEST, password::LONGEST);
                return Err(refuse(&format!("a password has {shortest} to {longest} characters"))
                    .hint("four words that nobody would put together are a good one"));
            }
            let hash = access.passwords.hash(password).await.map_err(too_slow)?;
            (Proof::Password { hash }, None)
        }
        None => {
            let secret = Secret::token().map_err(|error| Problem::down(&error))?;
            (Proof::Token { digest: secret.digest() }, Some(secret.expose().to_owned()))
        }
    };
    let id = format!("{random:016x}");
    let token = Token { id, name, role, workspaces, proof, created_at, expires_at, last_used_at: None };
    let added = access.tokens.change(|tokens| {
        tokens.add(token.clone())?;
        Ok::<_, Error>(())
    });
    added.await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { told: told(token), token: secret })))
}

/// The path of one token.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it says what the path holds")]
pub(super) struct TokenPath {
    /// The token's, as the list tells it.
    id: String,
}

/// Delete a token
///
/// It is refused from now on, and so are the sessions that were made from it.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    operation_id = "delete_token",
    tag = "access",
    params(TokenPath),
    responses((status = 204, description = "It is deleted")),
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let removed = api.agent.access.tokens.change(|tokens| {
        tokens.remove(&id)?;
        Ok::<_, Error>(())
    });
    removed.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn told(token: Token) -> Told {
    let kind = token.kind();
    let Token { id, name, role, workspaces, created_at, expires_at, last_used_at, .. } = token;
    Told { id, name, role, workspaces, kind, created_at, expires_at, last_used_at }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Token(TokenError::Unknown(_)) => Self::new(StatusCode::NOT_FOUND, &error.to_string())
                .hint("`cloudyknight token ls` lists those there are"),
            Error::Token(_) => Self::new(StatusCode::CONFLICT, &error.to_string())
                .hint("`cloudyknight token rm` deletes one"),
            Error::Bucket(_) => Self::down(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let check = |text: &str, expected: Option<Option<u64>>| {
            let body = format!(r#"{{"name": "ci", "role": "read", "expires_in_s": {text}}}"#);
            let found = serde_json::from_str::<NewToken>(&body).ok().map(|new| new.expires_in_s);
            assert_eq!(found, expected, "{text}");
        };
        for (text, seconds) in [("3", 3), ("3.0", 3), ("3e2", 300), ("0", 0)] {
            check(text, Some(Some(seconds)));
        }
        check("null", Some(None));
        for text in ["-1", "3.5", "1e30", "\"3\"", "true"] {
            check(text, None);
        }
    }
}
