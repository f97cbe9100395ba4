//! What can still be done with a removed workspace: bring it back, or forget it.
//!
//! Brought back, its last live release is published into the bucket and deployed. It is pinned to that release
//! meanwhile, so that it is deployed whole, from what is kept, and no half of what is being published ever is.
//! Interrupted, it stays pinned and can be restored again.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::{Desired, Pin, Taken};
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::State as WorkspaceState;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::releases::{kept, meant, told};
use super::{Api, Named, Problem, parse};
use crate::board::now;
use crate::identity::DeploymentId;
use crate::publish::publish;
use crate::releases::Collected;
use crate::source::Place;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(restore)).routes(routes!(forget))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// A release, or the beginning of its digest; without it, the one that was live last.
    #[param(pattern = "^[0-9A-Fa-f]{4,64}$")]
    release: Option<String>,
    /// Also when the workspace is not removed: what the bucket holds of it is replaced.
    #[serde(default)]
    force: bool,
}

/// Bring back a removed workspace
///
/// As it was live last, or as a release that is kept: its files are put into the bucket again.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/restore",
    tag = "workspaces",
    params(Named, Asked),
    responses(
        (status = 202, description = "Its files are back, and the agent deploys them", body = Taken),
        (status = 409, description = "It is not removed, or no such release is kept", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn restore(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, axum::Json<Taken>), Problem> {
    let name = parse(&name)?;
    let release = chosen(&api, &name, asked.release.as_deref()).await?;
    if !asked.force {
        refuse_unless_removed(&api, &name).await?;
    }
    let was = api.agent.reconciler.tools.desires.get(&name);
    // Whoever asked may hang up: it is done to the end.
    let work = tokio::spawn(async move {
        let desired = bring_back(&api, &name, &release, &caller.name).await?;
        Ok::<_, Problem>((name, release, desired))
    });
    let (workspace, release, desired) = work.await.map_err(|error| Problem::down(&error))??;
    Ok((StatusCode::ACCEPTED, axum::Json(Taken::new(workspace, Some(release), &was, desired))))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Forgotten {
    version: u32,
    workspace: WorkspaceName,
    #[serde(flatten)]
    removed: Collected,
}

/// Forget a removed workspace
///
/// Deletes what is kept of it: its releases can be gone back to no more.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{name}/releases",
    tag = "workspaces",
    params(Named),
    responses(
        (status = 200, description = "What was deleted", body = Forgotten),
        (status = 409, description = "It is not removed", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<axum::Json<Forgotten>, Problem> {
    let name = parse(&name)?;
    let tools = &api.agent.reconciler.tools;
    if let Some(why) = not_removed(&api, &name).await? {
        return Err(Problem::new(StatusCode::CONFLICT, &why)
            .hint(&format!("`cloudyknight rm {name}` removes a workspace")));
    }
    let removed = tools.releases.forget(&name).await?;
    let asked = tools.desires.change(&name, |desired| *desired = Desired::default()).await;
    asked.map_err(|error| Problem::down(&error))?;
    Ok(axum::Json(Forgotten { version: 1, workspace: name, removed }))
}

async fn chosen(api: &Api, name: &WorkspaceName, text: Option<&str>) -> Result<ReleaseDigest, Problem> {
    let told = told(api, name).await?;
    match text {
        Some(text) => meant(name, text, &told.kept),
        None => {
            let history = api.agent.reconciler.tools.releases.history(name).await?;
            let last = history.last_live().filter(|release| told.kept.contains(release));
            last.cloned().ok_or_else(|| {
                let detail = format!("no release of `{name}` that was live is kept");
                Problem::new(StatusCode::CONFLICT, &detail)
                    .hint(&format!("`cloudyknight history {name}` lists the releases there are"))
            })
        }
    }
}

async fn refuse_unless_removed(api: &Api, name: &WorkspaceName) -> Result<(), Problem> {
    let Some(why) = not_removed(api, name).await? else { return Ok(()) };
    let hint = "`cloudyknight rollback` goes back without touching the bucket; `restore --force` replaces what it holds";
    Err(Problem::new(StatusCode::CONFLICT, &why).hint(hint))
}

/// Both must say that it is: the bucket may hold what was pushed just now, and the status what was not yet taken away.
async fn not_removed(api: &Api, name: &WorkspaceName) -> Result<Option<String>, Problem> {
    let listed = listing::manifest(api.agent.reconciler.tools.workspaces.as_ref(), name).await;
    let in_bucket = !listed.map_err(|error| Problem::down(&error))?.is_empty();
    let status = api.agent.board.get(name);
    let runs = status.is_some_and(|status| status.state != WorkspaceState::Removed);
    Ok(if in_bucket {
        Some(format!("`{name}` is not removed: the bucket holds files of it"))
    } else if runs {
        Some(format!("`{name}` is not removed: something of it still runs, or is to run"))
    } else {
        None
    })
}

async fn bring_back(
    api: &Api,
    name: &WorkspaceName,
    release: &ReleaseDigest,
    by: &str,
) -> Result<Desired, Problem> {
    let tools = &api.agent.reconciler.tools;
    let _hold = tools.releases.hold(name, release).await;
    let kept = kept(api, name, release).await?;
    let pin = Pin { release: release.clone(), at: now() };
    tools.releases.pin(name, pin, |desired| desired.stopped = false).await?;
    api.agent.inbox.wake_for(name.clone(), Cause::Restored { to: release.clone() }, by);

    // Beside the sources of deployments, and no deployment is called so.
    let random = getrandom::u64().map_err(|error| Problem::down(&error))?;
    let deployment = DeploymentId(format!("restore-{random:016x}"));
    let place = Place {
        source_dir: &tools.settings.source_dir,
        workspace: name,
        deployment: &deployment,
        limit: tools.settings.max_source_bytes,
        previous: None,
    };
    let source = tools.releases.fetch(&place, &kept).await?;
    let published = publish(tools.workspaces.as_ref(), name, &source.path).await;
    source.discard().await;
    published.map_err(|error| {
        let hint = format!(
            "it stays pinned to the release; `cloudyknight restore {name} --force` tries again, `cloudyknight unpin \
             {name}` lets the bucket count as it is"
        );
        Problem::down(&error).hint(&hint)
    })?;
    // What is published has the same content, and the same digest where the server's ETags are those of the content.
    let desired = tools.desires.change(name, |desired| desired.pinned = None).await;
    let desired = desired.map_err(|error| Problem::down(&error))?;
    api.agent.inbox.wake_for(name.clone(), Cause::Restored { to: release.clone() }, by);
    Ok(desired)
}
