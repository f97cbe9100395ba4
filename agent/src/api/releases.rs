//! The releases of a workspace: what became of each, and what differs between two.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::difference::Difference;
use cloudyknight_core::history::Told;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::release::Release;
use cloudyknight_core::workspace::WorkspaceName;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Order, Page};
use super::{Api, Named, Problem, parse};
use crate::releases::{NoSuchRelease, ReleaseError, named};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(history)).routes(routes!(diff))
}

/// Tell the history
///
/// What became of each deployment, the newest first, and which releases can be gone back to.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/history",
    tag = "workspaces",
    params(Named, Page),
    responses((status = 200, description = "A page of it", body = Told)),
)]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Told>, Problem> {
    let mut told = told(&api, &parse(&name)?).await?;
    // The newest first: their ids sort by time.
    (told.deployments, told.next) = page.of(told.deployments, Order::Descending, |one| one.id.clone())?;
    Ok(axum::Json(told))
}

pub(super) async fn told(api: &Api, name: &WorkspaceName) -> Result<Told, Problem> {
    let tools = &api.agent.reconciler.tools;
    let (mut history, kept) = (tools.releases.history(name).await?, tools.releases.list(name).await?);
    let status = api.agent.board.get(name);
    if status.is_none() && history.deployments.is_empty() && kept.is_empty() {
        return Err(Problem::unknown(name));
    }
    let live = status.and_then(|status| status.release);
    // Stopped, it goes back from what served last.
    let last = live.as_ref().or(history.last_live());
    let before = last.and_then(|live| history.served_before(live)).cloned();
    history.deployments.reverse();
    Ok(Told {
        version: history.version,
        workspace: history.workspace,
        live,
        pinned: tools.desires.get(name).pinned,
        // What is not kept any more cannot be gone back to.
        before: before.filter(|release| kept.contains(release)),
        deployments: history.deployments,
        kept,
        next: None,
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// A release, or the beginning of its digest; without it, the one that served before the live one.
    #[param(pattern = "^[0-9A-Fa-f]{4,64}$")]
    from: Option<String>,
    /// The same; without it, the live one.
    #[param(pattern = "^[0-9A-Fa-f]{4,64}$")]
    to: Option<String>,
}

/// Compare two releases
///
/// The files that differ, and of text files the lines.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/diff",
    tag = "workspaces",
    params(Named, Between),
    responses(
        (status = 200, description = "What differs", body = Difference),
        (status = 409, description = "There is nothing to compare, or the digest begins several releases", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn diff(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Between>,
) -> Result<axum::Json<Difference>, Problem> {
    let name = parse(&name)?;
    let told = told(&api, &name).await?;
    let to = match &asked.to {
        Some(text) => meant(&name, text, &told.kept)?,
        None => told.live.clone().ok_or_else(|| {
            let detail = format!("nothing of `{name}` serves that could be compared");
            Problem::new(StatusCode::CONFLICT, &detail).hint("say which two releases to compare")
        })?,
    };
    let from = match &asked.from {
        Some(text) => meant(&name, text, &told.kept)?,
        None => before(&name, &told)?,
    };
    let releases = &api.agent.reconciler.tools.releases;
    let _held = (releases.hold(&name, &from).await, releases.hold(&name, &to).await);
    let (from, to) = (kept(&api, &name, &from).await?, kept(&api, &name, &to).await?);
    Ok(axum::Json(releases.difference(&from, &to).await?))
}

/// The release that served before the live one.
pub(super) fn before(name: &WorkspaceName, told: &Told) -> Result<ReleaseDigest, Problem> {
    told.before.clone().ok_or_else(|| {
        let detail = format!("no release of `{name}` that is kept served before the live one");
        let hint = format!("`cloudyknight history {name}` lists the releases there are");
        Problem::new(StatusCode::CONFLICT, &detail).hint(&hint)
    })
}

/// The release that people call so.
pub(super) fn meant(
    name: &WorkspaceName,
    text: &str,
    kept: &[ReleaseDigest],
) -> Result<ReleaseDigest, Problem> {
    named(text, kept).map_err(|error| {
        let (status, hint) = match &error {
            NoSuchRelease::Malformed(_) | NoSuchRelease::Unknown(_) => {
                let status = if matches!(error, NoSuchRelease::Unknown(_)) {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::BAD_REQUEST
                };
                (status, format!("`cloudyknight history {name}` lists the releases there are"))
            }
            NoSuchRelease::Ambiguous { .. } => (StatusCode::CONFLICT, "say more of it".to_owned()),
        };
        Problem::new(status, &error.to_string()).hint(&hint)
    })
}

pub(super) async fn kept(
    api: &Api,
    name: &WorkspaceName,
    release: &ReleaseDigest,
) -> Result<Release, Problem> {
    let read = api.agent.reconciler.tools.releases.get(name, release).await?;
    read.ok_or_else(|| ReleaseError::Unknown { workspace: name.clone(), release: release.clone() }.into())
}

impl From<ReleaseError> for Problem {
    fn from(error: ReleaseError) -> Self {
        let status = match &error {
            ReleaseError::Unknown { .. } => StatusCode::NOT_FOUND,
            error if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Self::new(status, &crate::deploy::with_causes(&error));
        match error.hint() {
            Some(hint) => problem.hint(&hint),
            None => problem,
        }
    }
}
