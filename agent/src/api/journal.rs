//! The journal, page by page, the newest first.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem, parse};
use crate::journal::Entry;

const LIMIT: usize = 100;
const LONGEST: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(journal))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The most entries to answer.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only what is of this workspace.
    #[param(value_type = Option<WorkspaceName>)]
    workspace: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct JournalPage {
    entries: Vec<Entry>,
    /// Goes on with older ones; null at the end.
    next: Option<String>,
}

/// What came in, what was decided, and why
///
/// The last 2,000 entries since the agent started, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/journal",
    tag = "live",
    params(Asked),
    responses(
        (status = 200, body = JournalPage),
        (status = 400, description = "The limit, the cursor or the name is none."),
        (status = 403, description = "Not for this caller."),
    ),
)]
pub(super) async fn journal(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<JournalPage>, Problem> {
    let only = asked.workspace.as_deref().map(parse).transpose()?;
    if let Some(name) = only.as_ref().filter(|name| !caller.sees(name)) {
        return Err(Problem::not_yours(name));
    }
    let limit = asked.limit.map_or(LIMIT, |limit| limit as usize);
    if !(1..=LONGEST).contains(&limit) {
        let detail = format!("the limit {limit} is not within 1 and {LONGEST}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, &detail));
    }
    let journal = &api.agent.journal;
    let before = match &asked.cursor {
        None => u64::MAX,
        Some(cursor) => journal.number(cursor).ok_or_else(|| {
            let detail = "the cursor is none of this journal, which begins anew when the agent starts";
            Problem::new(StatusCode::BAD_REQUEST, detail).hint("begin without a cursor")
        })?,
    };
    let is_told = |entry: &Entry| match (&entry.workspace, &only) {
        (Some(workspace), Some(only)) => workspace == only,
        (Some(workspace), None) => caller.sees(workspace),
        (None, Some(_)) => false,
        (None, None) => caller.sees_platform(),
    };
    let mut entries: Vec<Entry> =
        journal.before(before).into_iter().map(|(_, entry)| entry).filter(is_told).take(limit + 1).collect();
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_more).map(|entry| entry.id.clone());
    Ok(axum::Json(JournalPage { entries, next }))
}
