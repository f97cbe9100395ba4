//! What the platform prints, as text: the output of the last build of a workspace, and its own log.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Named, Problem, parse};
use crate::lines::Lines;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(build_log)).routes(routes!(platform_log))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only so many lines from the end.
    #[param(maximum = 100000u32)]
    tail: Option<u32>,
    /// Go on with what comes, until the end of it.
    #[serde(default)]
    follow: bool,
}

/// What the last build or installation of a workspace printed
///
/// Kept in memory, at most 1 MiB of it. With `follow`, also while it goes on.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/build-log",
    tag = "live",
    params(Named, Asked),
    responses(
        (status = 200, body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "The name is none."),
        (status = 404, description = "Nothing was built since the agent started."),
    ),
)]
pub(super) async fn build_log(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let name = parse(&name)?;
    let lines = api.agent.reconciler.tools.builds.last(&name).ok_or_else(|| {
        let detail = format!("nothing was built for the workspace `{name}` since the agent started");
        Problem::new(StatusCode::NOT_FOUND, &detail).hint("an image that is there already is not built again")
    })?;
    text(&api, lines, &asked)
}

/// What the platform logs
///
/// The last lines of the process that holds the agent, the functions and the API.
#[utoipa::path(
    get,
    path = "/api/v1/platform/log",
    tag = "live",
    params(Asked),
    responses(
        (status = 200, body = String, content_type = "text/plain; charset=utf-8"),
        (status = 403, description = "Not for this caller."),
    ),
)]
pub(super) async fn platform_log(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    caller.must_see_platform()?;
    text(&api, api.agent.log.clone(), &asked)
}

/// More than anybody keeps.
const MOST: u32 = 100_000;

fn text(api: &Api, lines: Arc<Lines>, asked: &Asked) -> Result<Response, Problem> {
    if asked.tail.is_some_and(|tail| tail > MOST) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, &format!("`tail` is at most {MOST}")));
    }
    let stream =
        lines.read(asked.tail.map(|tail| tail as usize), asked.follow).map(Ok::<_, std::convert::Infallible>);
    let body = Body::from_stream(stream.take_until(api.agent.leaving.clone().cancelled_owned()));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}
