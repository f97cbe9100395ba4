//! What was given up on: to be read, sent again, or thrown away.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::queue::QueueError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::page::Page;
use super::{Api, Problem, parse};
use crate::board::now;
use crate::deploy::with_causes;
use crate::replay::ReplayError;

pub(super) fn reads() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn changes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(replay)).routes(routes!(discard))
}

#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetters {
    /// Of a message longer than 16 KiB the beginning is shown.
    dead_letters: Vec<DeadLetter>,
    /// Goes on; null at the end.
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// At most so many; 1000 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
    /// Only those that name this workspace. A page of them may hold fewer than there is room for, and go on.
    #[param(value_type = Option<WorkspaceName>)]
    workspace: Option<String>,
}

/// Messages that were given up on
///
/// In the order of their ids: all of them for those who see the platform, and those of one workspace for those who see
/// every workspace that they name.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    operation_id = "dead_letters",
    tag = "live",
    params(Asked),
    responses(
        (status = 200, body = DeadLetters),
        (status = 400, description = "The limit or the name is none."),
        (status = 403, description = "Not for this caller."),
        (status = 503, description = "The platform bucket does not answer."),
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(Asked { limit, cursor, workspace }): Query<Asked>,
) -> Result<axum::Json<DeadLetters>, Problem> {
    let only = workspace.as_deref().map(parse).transpose()?;
    match &only {
        Some(name) if !caller.sees(name) => return Err(Problem::not_yours(name)),
        Some(_) => {}
        None => caller.must_see_platform()?,
    }
    let limit = Page { limit, cursor: None }.limit()?;
    let found = api.agent.board.dead_letters_after(&cursor.unwrap_or_default(), limit).await;
    let (mut dead_letters, next) = found.map_err(|error| Problem::down(&error))?;
    if let Some(name) = only {
        dead_letters.retain(|letter| letter.workspaces.contains(&name) && is_theirs(&caller, letter));
    }
    Ok(axum::Json(DeadLetters { dead_letters, next }))
}

/// Try a message again
///
/// A command is carried out; any other message goes back onto the queue that it came from. It is no dead letter any more. If
/// that fails again, a message becomes another one, and a command a deployment that failed.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/{id}/replay",
    operation_id = "replay_dead_letter",
    tag = "live",
    params(("id" = String, Path, description = "The id of the dead letter.")),
    responses(
        (status = 202, description = "It is on its way again."),
        (status = 403, description = "Not for this caller."),
        (status = 404, description = "There is no such dead letter."),
        (status = 409, description = "It cannot be sent again; the problem says why."),
        (status = 503, description = "The queue or the platform bucket does not answer."),
    ),
)]
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let letter = known(&api, &caller, &id).await?;
    const BY_HAND: &str =
        "send its body to its queue by hand (`aws sqs send-message`), then delete the dead letter";
    api.agent.replay.again(&letter, &now()).await.map_err(|error| match error {
        // Its own identity need not have the right.
        ReplayError::Send(QueueError::Refused { .. }) => {
            Problem::new(StatusCode::CONFLICT, &with_causes(&error)).hint(BY_HAND)
        }
        ReplayError::Send(_) => Problem::down(&error),
        ReplayError::Truncated { .. } => {
            let hint = "push the workspace again, or ask for another look at it; then delete the dead letter";
            Problem::new(StatusCode::CONFLICT, &error.to_string()).hint(hint)
        }
        ReplayError::EventsElsewhere | ReplayError::Unknown(_) => {
            Problem::new(StatusCode::CONFLICT, &error.to_string()).hint(BY_HAND)
        }
    })?;
    tracing::info!(id, queue = letter.queue, "a dead letter is tried again");
    // Only now: should this fail, it can be sent once more, which is harmless.
    api.agent.board.forget_dead_letter(&id).await.map_err(|error| Problem::down(&error))?;
    Ok(StatusCode::ACCEPTED)
}

/// Throw a message away
///
/// What it was about is deployed by the next push or sweep, if it matters.
#[utoipa::path(
    delete,
    path = "/api/v1/dead-letters/{id}",
    operation_id = "discard_dead_letter",
    tag = "live",
    params(("id" = String, Path, description = "The id of the dead letter.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "Not for this caller."),
        (status = 404, description = "There is no such dead letter."),
        (status = 503, description = "The platform bucket does not answer."),
    ),
)]
pub(super) async fn discard(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let letter = known(&api, &caller, &id).await?;
    api.agent.board.forget_dead_letter(&id).await.map_err(|error| Problem::down(&error))?;
    tracing::info!(id, queue = letter.queue, "a dead letter was thrown away");
    Ok(StatusCode::NO_CONTENT)
}

/// Whether it is about workspaces that the caller sees, and nothing else.
pub(super) fn is_theirs(caller: &Caller, letter: &DeadLetter) -> bool {
    let mut named = letter.workspaces.iter();
    caller.sees_platform() || (!letter.workspaces.is_empty() && named.all(|name| caller.sees(name)))
}

async fn known(api: &Api, caller: &Caller, id: &str) -> Result<DeadLetter, Problem> {
    if !caller.administers() {
        return Err(Problem::not_for(caller));
    }
    let found = api.agent.board.dead_letter(id).await.map_err(|error| Problem::down(&error))?;
    found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, &format!("there is no dead letter `{id}`")))
}
