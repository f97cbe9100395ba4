//! What workspaces hold in the bucket, and what their containers hold beside it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use cloudyknight_core::storage::{Storage, WorkspaceStorage};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem};
use crate::facts::storage::Survey;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(storage))
}

/// What workspaces hold where
///
/// Looked at only while somebody asks, and at most every ten seconds: Docker takes its time for it.
#[utoipa::path(
    get,
    path = "/api/v1/storage",
    tag = "facts",
    responses((status = 200, body = Storage), (status = 503, description = "Docker does not answer"))
)]
async fn storage(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Storage>, Problem> {
    let survey = api.agent.facts.storage(&api.agent).await.map_err(|error| Problem::down(&error))?;
    Ok(Json(told(&survey, &caller)))
}

/// As far as the caller sees it.
fn told(survey: &Survey, caller: &Caller) -> Storage {
    let seen = survey.workspaces.iter().filter(|one| caller.sees(&one.workspace));
    let workspaces: Vec<WorkspaceStorage> = seen.cloned().collect();
    let images = survey.images.iter().filter(|(_, users)| users.iter().any(|user| caller.sees(user)));
    let images: u64 = images.map(|(bytes, _)| bytes).sum();
    Storage {
        version: Storage::VERSION,
        at: survey.at.clone(),
        source_bytes: workspaces.iter().filter_map(|one| one.source_bytes).sum(),
        held_bytes: images + workspaces.iter().map(|one| one.written_bytes).sum::<u64>(),
        workspaces,
    }
}
