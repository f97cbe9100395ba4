//! Named volumes: listed, and deleted on request. Nothing else deletes one but `down --purge`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloudyknight_core::volume::Volumes;
use cloudyknight_core::workspace::WorkspaceName;

use super::{Api, Problem, parse};

pub(super) async fn all(State(api): State<Arc<Api>>) -> Result<axum::Json<Volumes>, Problem> {
    list(&api, None).await.map(axum::Json)
}

pub(super) async fn of_workspace(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<axum::Json<Volumes>, Problem> {
    list(&api, Some(&parse(&name)?)).await.map(axum::Json)
}

async fn list(api: &Api, name: Option<&WorkspaceName>) -> Result<Volumes, Problem> {
    let listed = api.agent.reconciler.tools.engine.volumes(name).await;
    let volumes = listed.map_err(|error| Problem::down(&error))?;
    Ok(Volumes { version: Volumes::VERSION, volumes })
}

/// By the name that the compose file gives it, or Docker's.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path((name, volume)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = parse(&name)?;
    let volumes = list(&api, Some(&name)).await?.volumes;
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
