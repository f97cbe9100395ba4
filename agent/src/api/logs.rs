//! The output of a workspace's containers, as text: one service, or all of them with the service's name first.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, Named, Problem, parse};
use crate::deploy::replicas::service_of;
use crate::engine::{Excerpt, Follow, LogLine};
use crate::plan::Running;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(logs))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// One service; without it, all of them, each line with the service's name first.
    service: Option<String>,
    /// Lines from the end; without it 100, and with `since` all of them.
    #[param(maximum = 4294967295u32)]
    tail: Option<u32>,
    /// Nothing that was printed before this time, such as `2026-01-02T03:04:05.678Z`.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Goes on with what is written from now on.
    #[serde(default)]
    follow: bool,
    /// Each line begins with the time at which it was printed.
    #[serde(default)]
    timestamps: bool,
}

const TAIL: usize = 100;

/// Read logs
///
/// The output of the containers that run.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/logs",
    tag = "workspaces",
    params(Named, Asked),
    responses(
        (status = 200, description = "Lines", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "The name, or the time, is none."),
        (status = 404, description = "Nothing of it runs, or no such service."),
    ),
)]
pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let name = parse(&name)?;
    let engine = &api.agent.reconciler.tools.engine;
    let seen = engine.containers(Some(&name)).await.map_err(|error| Problem::down(&error))?;
    let live = Running::recover(seen).live;
    if live.is_empty() {
        let detail = format!("nothing of the workspace `{name}` runs");
        return Err(Problem::new(StatusCode::NOT_FOUND, &detail).hint("`cloudyknight status` says why"));
    }
    if let Some(service) = &asked.service
        && !live.keys().any(|entry| service_of(entry) == service)
    {
        let known: BTreeSet<&str> = live.keys().map(|entry| service_of(entry)).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let detail = format!("the workspace `{name}` runs no service `{service}`");
        let hint = format!("it runs {}", known.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, &detail).hint(&hint));
    }
    let since = asked.since.as_deref().map(moment).transpose()?;
    let tail = asked.tail.map(|tail| tail as usize).or(if since.is_some() { None } else { Some(TAIL) });
    let follow = if asked.follow { Follow::ThroughRestarts } else { Follow::Not };
    let several = live.len() > 1 && asked.service.is_none();
    let chosen = live
        .into_iter()
        .filter(|(service, _)| asked.service.as_ref().is_none_or(|one| one == service_of(service)));
    let streams = chosen.map(|(service, one)| {
        let lines = engine.logs(&one.id, Excerpt { tail, since, follow });
        let prefix = if several { format!("{service} | ") } else { String::new() };
        let text =
            lines.map_ok(move |line| Bytes::from(format!("{prefix}{}\n", shown(line, asked.timestamps))));
        text.boxed()
    });
    let streams = futures::stream::select_all(streams);
    let body = Body::from_stream(streams.take_until(api.agent.leaving.clone().cancelled_owned()));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

fn moment(text: &str) -> Result<OffsetDateTime, Problem> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        let shown: String = text.chars().take(100).collect();
        Problem::new(StatusCode::BAD_REQUEST, &format!("`since` is no time: {shown:?}"))
            .hint("write it as in 2026-01-02T03:04:05.678Z, as `timestamps=true` does")
    })
}

/// The time as Docker writes it: as wide for each line.
fn shown(line: LogLine, timestamps: bool) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");
    match line.at.filter(|_| timestamps).and_then(|at| at.to_offset(UtcOffset::UTC).format(format).ok()) {
        Some(at) => format!("{at} {}", line.text),
        None => line.text,
    }
}
