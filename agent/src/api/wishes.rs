//! What people ask of a workspace beyond its files. Each is written down before it is answered with 202, so that it
//! outlives the host, and the agent sees to it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::{Desired, Pin, Taken};
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::State as WorkspaceState;
use cloudyknight_core::workspace::WorkspaceName;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::releases::{before, meant, told};
use super::{Api, Named, Problem, parse};
use crate::board::now;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(rollback))
        .routes(routes!(unpin))
        .routes(routes!(restart))
        .routes(routes!(stop))
        .routes(routes!(start))
        .routes(routes!(cancel))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Back {
    /// A release, or the beginning of its digest; without it, the one that served before the live one.
    #[param(pattern = "^[0-9A-Fa-f]{4,64}$")]
    release: Option<String>,
}

type Answer = Result<(StatusCode, axum::Json<Taken>), Problem>;

/// Roll back
///
/// Goes back to a release, and stays there whatever is pushed.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/rollback",
    tag = "workspaces",
    params(Named, Back),
    responses(
        (status = 202, description = "It is written down, and the agent sees to it", body = Taken),
        (status = 409, description = "It is removed or left alone, or there is no such release", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn rollback(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Back>,
) -> Answer {
    let name = known(&api, &name)?;
    let told = told(&api, &name).await?;
    let release = match &asked.release {
        Some(text) => meant(&name, text, &told.kept)?,
        None => before(&name, &told)?,
    };
    let tools = &api.agent.reconciler.tools;
    let was = tools.desires.get(&name);
    // Pinned twice, it keeps the time of the first.
    let pin = match was.pinned.clone().filter(|pin| pin.release == release) {
        Some(pin) => pin,
        None => Pin { release: release.clone(), at: now() },
    };
    let desired = tools.releases.pin(&name, pin, |desired| desired.stopped = false).await?;
    Ok(taken(&api, &caller, name, Some(release.clone()), &was, desired, Cause::RolledBack { to: release }))
}

/// Take a rollback back
///
/// Lets the bucket count again.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/unpin",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 202, description = "It is written down, and the agent sees to it", body = Taken),
        (status = 409, description = "It is removed or left alone", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn unpin(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    change(&api, &caller, known(&api, &name)?, Cause::Unpinned, |desired| desired.pinned = None).await
}

/// Restart
///
/// Has every container made anew, of the same release.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/restart",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 202, description = "It is written down, and the agent sees to it", body = Taken),
        (status = 409, description = "It is removed, left alone or stopped", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn restart(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    let name = known(&api, &name)?;
    if api.agent.reconciler.tools.desires.get(&name).stopped {
        let detail = format!("`{name}` is stopped, and there is nothing to restart");
        return Err(Problem::new(StatusCode::CONFLICT, &detail)
            .hint(&format!("`cloudyknight start {name}` starts it")));
    }
    change(&api, &caller, name, Cause::Restarted, |desired| {
        desired.restarts = desired.restarts.saturating_add(1);
    })
    .await
}

/// Stop
///
/// Nothing of it runs, until it is started again. Its volumes stay.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/stop",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 202, description = "It is written down, and the agent sees to it", body = Taken),
        (status = 409, description = "It is removed or left alone", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn stop(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    change(&api, &caller, known(&api, &name)?, Cause::Stopped, |desired| desired.stopped = true).await
}

/// Start
///
/// Has what was stopped run again.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/start",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 202, description = "It is written down, and the agent sees to it", body = Taken),
        (status = 409, description = "It is removed or left alone", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    change(&api, &caller, known(&api, &name)?, Cause::Started, |desired| desired.stopped = false).await
}

async fn change(
    api: &Api,
    caller: &Caller,
    name: WorkspaceName,
    cause: Cause,
    change: impl FnOnce(&mut Desired),
) -> Answer {
    let desires = &api.agent.reconciler.tools.desires;
    let was = desires.get(&name);
    let desired = desires.change(&name, change).await.map_err(|error| Problem::down(&error))?;
    Ok(taken(api, caller, name, None, &was, desired, cause))
}

/// Has the agent look, and answers.
fn taken(
    api: &Api,
    caller: &Caller,
    workspace: WorkspaceName,
    release: Option<ReleaseDigest>,
    was: &Desired,
    desired: Desired,
    cause: Cause,
) -> (StatusCode, axum::Json<Taken>) {
    api.agent.inbox.wake_for(workspace.clone(), cause, &caller.name);
    (StatusCode::ACCEPTED, axum::Json(Taken::new(workspace, release, was, desired)))
}

/// A workspace of which something can be asked.
fn known(api: &Api, name: &str) -> Result<WorkspaceName, Problem> {
    let name = parse(name)?;
    let status = api.agent.board.get(&name).ok_or_else(|| Problem::unknown(&name))?;
    let refuse = |detail: String, hint: String| Err(Problem::new(StatusCode::CONFLICT, &detail).hint(&hint));
    match status.state {
        WorkspaceState::Removed => refuse(
            format!("`{name}` is removed: the bucket holds nothing of it"),
            format!("`cloudyknight restore {name}` brings it back as it was live last; or push it again"),
        ),
        WorkspaceState::Ignored => refuse(
            format!("`{name}` holds `.nomonitor` and is left alone"),
            "delete that file from the bucket first".to_owned(),
        ),
        _ => Ok(name),
    }
}

#[derive(serde::Serialize, ToSchema)]
pub(super) struct Cancelled {
    version: u32,
    workspace: WorkspaceName,
    /// Of the deployment that is ended.
    release: Option<ReleaseDigest>,
}

/// Cancel a deployment
///
/// Ends the deployment that is under way, unless it has switched already.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/cancel",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 202, description = "It is ended", body = Cancelled),
        (status = 409, description = "No deployment is under way that could still be cancelled", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<(StatusCode, axum::Json<Cancelled>), Problem> {
    let name = known(&api, &name)?;
    let release = api.agent.board.get(&name).and_then(|status| status.deployment?.release);
    if !api.agent.reconciler.cancel(&name) {
        let detail = format!("no deployment of `{name}` is under way that could still be cancelled");
        let hint = format!("`cloudyknight rollback {name}` goes back to the release before");
        return Err(Problem::new(StatusCode::CONFLICT, &detail).hint(&hint));
    }
    let cancelled = Cancelled { version: 1, workspace: name, release };
    Ok((StatusCode::ACCEPTED, axum::Json(cancelled)))
}
