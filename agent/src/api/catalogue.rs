//! What everybody may know of what is live here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudyknight_core::catalogue::Catalogue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(catalogue))
}

/// The public workspaces that are live
///
/// Each with the name, the sentence and the picture that it says of itself. What asks its visitors who they are is not
/// listed, nor what says that it is not public.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue",
    tag = "facts",
    security(()),
    responses((status = 200, description = "What everybody may know of", body = Catalogue)),
)]
async fn catalogue(State(api): State<Arc<Api>>) -> Json<Catalogue> {
    let edge_url = &api.agent.reconciler.tools.settings.edge_url;
    Json(Catalogue::of(api.agent.board.all(), edge_url))
}
