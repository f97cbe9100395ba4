//! Signing in and out. Whoever signs in gives a token, or a name and a password, and gets a session: a token of its own that
//! lasts 12 hours, or until they sign out, or until what it came from is gone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Kind, Peer, Role, SignedIn};
use super::{Api, Problem, tokens};
use crate::access::identity::{self, Identity};
use crate::access::password::PasswordError;
use crate::access::secret::Secret;
use crate::access::session::{LASTS, Of, Session};
use crate::policy::Pattern;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(sign_in)).routes(routes!(sign_out)).routes(routes!(me))
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "either `token`, or `name` and `password`, and nothing else")]
pub(super) enum SignIn {
    Token(WithToken),
    Password(WithPassword),
}

/// The operator's token, or one that was made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithToken {
    token: Secret,
}

/// Those of a token that has a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithPassword {
    #[schema(max_length = 64)]
    name: String,
    password: Secret,
}

#[derive(Serialize, ToSchema)]
pub(super) struct NewSession {
    /// To be sent as `Authorization: Bearer …`. It is told only here.
    session: String,
    name: String,
    role: Role,
    /// The workspaces that the role is about; `null`: all of them.
    workspaces: Option<Vec<Pattern>>,
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
}

/// Sign in
///
/// Gives a session for a token, or for a name and a password. After ten wrong ones from one address it takes one
/// every 12 seconds.
#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    tag = "access",
    security(()),
    request_body = SignIn,
    responses((status = 201, description = "The session", body = NewSession)),
)]
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(asked): Json<SignIn>,
) -> Result<(StatusCode, Extension<SignedIn>, Json<NewSession>), Problem> {
    let access = &api.agent.access;
    may_try(&api, &peer)?;
    let found = match asked {
        SignIn::Token(WithToken { token }) => {
            let known = access.identify(&token, &api.operator);
            // A session that could be made from a session would never end.
            known.filter(|identity| identity.kind != identity::Kind::Session)
        }
        SignIn::Password(WithPassword { name, password }) => person(&api, &peer, &name, password).await?,
    };
    let Some(identity) = found else {
        // Meanwhile others may have failed from there, and this one was not even looked at.
        may_try(&api, &peer)?;
        access.limits.sign_in_failed(&peer);
        // Not the name: people type their password there.
        tracing::warn!(peer, "somebody could not sign in");
        let problem =
            Problem::new(StatusCode::UNAUTHORIZED, "the token, or the name and the password, are wrong");
        return Err(problem.hint("ask an administrator for a token: `cloudyknight token` makes one"));
    };
    let now = OffsetDateTime::now_utc();
    let secret = Secret::session().map_err(|error| Problem::down(&error))?;
    let of = match &identity.token {
        Some(id) => Of::Token { id: id.clone() },
        None => Of::Operator { digest: api.operator.clone() },
    };
    let session = Session { digest: secret.digest(), of, expires_at: now + LASTS };
    let expires_at = identity.expires_at.map_or(session.expires_at, |end| end.min(session.expires_at));
    let kept = access.sessions.change(|sessions| {
        sessions.add(session.clone(), now);
        Ok(())
    });
    kept.await.map_err(|error: tokens::Error| Problem::from(error))?;
    if let Some(id) = &identity.token {
        access.note_use(id);
    }
    let Identity { name, role, workspaces, .. } = identity;
    let signed_in = SignedIn { name: name.clone(), role };
    let session = secret.expose().to_owned();
    Ok((
        StatusCode::CREATED,
        Extension(signed_in),
        Json(NewSession { session, name, role, workspaces, expires_at }),
    ))
}

fn may_try(api: &Api, peer: &str) -> Result<(), Problem> {
    let wait = api.agent.access.limits.may_sign_in(peer);
    wait.map_err(|wait| Problem::too_much("too many tried to sign in and failed", wait))
}

async fn person(api: &Api, peer: &str, name: &str, password: Secret) -> Result<Option<Identity>, Problem> {
    let access = api.agent.access.clone();
    let tokens = access.tokens.get();
    let person = tokens.person(name);
    let hash = person.map(|(_, hash)| hash.to_owned());
    let (limits, whose) = (access.clone(), peer.to_owned());
    let may = move || limits.limits.may_sign_in(&whose).is_ok();
    let is_right = access.passwords.verify(password, hash, may).await.map_err(too_slow)?;
    let valid =
        person.map(|(token, _)| token).filter(|token| is_right && token.is_valid(OffsetDateTime::now_utc()));
    Ok(valid.map(|token| Identity {
        name: token.name.to_string(),
        role: token.role,
        workspaces: token.workspaces.clone(),
        kind: identity::Kind::Session,
        expires_at: token.expires_at,
        token: Some(token.id.clone()),
    }))
}

pub(super) fn too_slow(error: PasswordError) -> Problem {
    match error {
        PasswordError::Busy => Problem::too_much(&error.to_string(), Duration::ZERO),
        PasswordError::Hash(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Sign out
///
/// Ends the session that the request brings.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/current",
    tag = "access",
    responses(
        (status = 204, description = "It is over"),
        (status = 409, description = "The request brings no session, but a token", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn sign_out(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let brought = headers.get(header::AUTHORIZATION).and_then(|header| Secret::bearer(header.as_bytes()));
    let (Kind::Session, Some(session)) = (caller.kind, brought) else {
        let problem = Problem::new(StatusCode::CONFLICT, "this is no session, and does not end so");
        return Err(problem.hint("`cloudyknight token` deletes a token"));
    };
    let digest = session.digest();
    let ended = api.agent.access.sessions.change(|sessions| {
        sessions.remove(&digest);
        Ok(())
    });
    ended.await.map_err(|error: tokens::Error| Problem::from(error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    name: String,
    role: Role,
    /// The workspaces that the role is about; `null`: all of them.
    workspaces: Option<Vec<Pattern>>,
    #[serde(with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    kind: Kind,
}

/// Who am I
///
/// What the platform knows of the caller.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "access",
    responses((status = 200, description = "The caller", body = Me)),
)]
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    let Caller { name, role, workspaces, kind, expires_at } = caller;
    Json(Me { name, role, workspaces, expires_at, kind })
}
