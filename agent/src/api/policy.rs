//! What the operator's policy lets workspaces do.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cloudyknight_core::workspace::WorkspaceName;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem, parse};
use crate::policy::Told;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(policy))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only what it says of this workspace.
    #[param(value_type = Option<WorkspaceName>)]
    workspace: Option<String>,
}

/// Read the policy
///
/// Each permission that workspaces have, and the entry of the operator's file that gives it. For those who see all
/// workspaces.
#[utoipa::path(
    get,
    path = "/api/v1/policy",
    tag = "platform",
    params(Asked),
    responses((status = 200, description = "What holds now", body = Told)),
)]
pub(super) async fn policy(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Json<Told>, Problem> {
    caller.must_see_platform()?;
    let workspace = asked.workspace.as_deref().map(parse).transpose()?;
    let told = api.agent.reconciler.tools.settings.policy.told(workspace);
    // It was read before, or it would not hold.
    told.map(Json).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}
