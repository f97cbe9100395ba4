//! What workspaces use and carry now.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use cloudyknight_core::stats::Stats;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(stats))
}

/// What workspaces use and carry now
///
/// Measured only while somebody asks, and at most every two seconds. The first answer takes half a second longer: how busy
/// something is takes two looks.
#[utoipa::path(
    get,
    path = "/api/v1/stats",
    tag = "facts",
    responses((status = 200, body = Stats), (status = 503, description = "Docker does not answer"))
)]
async fn stats(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Stats>, Problem> {
    let measured = api.agent.facts.stats(&api.agent.reconciler.tools).await;
    let mut stats = measured.map_err(|error| Problem::down(&error))?.stats.clone();
    stats.workspaces.retain(|one| caller.sees(&one.workspace));
    if !caller.sees_platform() {
        stats.edge = None;
    }
    Ok(Json(stats))
}
