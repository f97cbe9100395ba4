//! Named volumes: listed, and deleted on request. Nothing else deletes one but `down --purge`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::volume::{Volume, Volumes};
use cloudyknight_core::workspace::WorkspaceName;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::page::{Order, Page};
use super::{Api, Named, Problem, parse};

pub(super) fn reads() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_workspace))
}

pub(super) fn changes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(delete))
}

/// List all volumes
///
/// Of the workspaces that the caller sees, by workspace and name.
#[utoipa::path(
    get,
    path = "/api/v1/volumes",
    operation_id = "volumes",
    tag = "workspaces",
    params(Page),
    responses((status = 200, description = "A page of them", body = Volumes)),
)]
pub(super) async fn all(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Volumes>, Problem> {
    let mut volumes = list(&api, None).await?;
    volumes.retain(|volume| caller.sees(&volume.workspace));
    told(volumes, &page)
}

/// List the volumes of a workspace
///
/// By name, with the services that use them.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/volumes",
    operation_id = "volumes_of_workspace",
    tag = "workspaces",
    params(Named, Page),
    responses((status = 200, description = "A page of them", body = Volumes)),
)]
pub(super) async fn of_workspace(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Volumes>, Problem> {
    told(list(&api, Some(&parse(&name)?)).await?, &page)
}

async fn list(api: &Api, name: Option<&WorkspaceName>) -> Result<Vec<Volume>, Problem> {
    let listed = api.agent.reconciler.tools.engine.volumes(name).await;
    listed.map_err(|error| Problem::down(&error))
}

fn told(mut volumes: Vec<Volume>, page: &Page) -> Result<axum::Json<Volumes>, Problem> {
    // Docker's name says which of two of the same name it is.
    let key = |one: &Volume| format!("{}/{}/{}", one.workspace, one.volume, one.name);
    volumes.sort_by_key(key);
    let (volumes, next) = page.of(volumes, Order::Ascending, key)?;
    Ok(axum::Json(Volumes { version: Volumes::VERSION, volumes, next }))
}

/// The path of one volume.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it says what the path holds")]
pub(super) struct VolumePath {
    /// The workspace.
    name: WorkspaceName,
    /// As the compose file names it, or Docker.
    volume: String,
}

/// Delete a volume
///
/// With all that is in it. Nothing may use it.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{name}/volumes/{volume}",
    operation_id = "delete_volume",
    tag = "workspaces",
    params(VolumePath),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 409, description = "A container uses it", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path((name, volume)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = parse(&name)?;
    let volumes = list(&api, Some(&name)).await?;
    let found = volumes.iter().find(|one| one.volume == volume || one.name == volume);
    let found = found.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, &format!("`{name}` has no volume `{volume}`"))
            .hint(&format!("`cloudyknight volumes {name}` lists those it has"))
    })?;
    if !found.used_by.is_empty() {
        return Err(in_use(&name, &volume, &found.used_by.join(", ")));
    }
    match api.agent.reconciler.tools.engine.remove_volume(&found.name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // A container was made for it just now.
        Err(error) if error.is_conflict() => Err(in_use(&name, &volume, "a container that was just made")),
        Err(error) => Err(Problem::down(&error)),
    }
}

fn in_use(name: &WorkspaceName, volume: &str, users: &str) -> Problem {
    let detail = format!("the volume `{volume}` of `{name}` is in use by {users}");
    Problem::new(StatusCode::CONFLICT, &detail).hint(&format!("`cloudyknight stop {name}` lets go of it"))
}
