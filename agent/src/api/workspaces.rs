//! The workspaces there are, and another look at one of them.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cloudyknight_core::archive;
use cloudyknight_core::command::Cause;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Object, TopLevel};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::dead_letters::is_theirs;
use super::page::{Order, Page};
use super::platform::{Part, soon};
use super::{Api, Named, Problem, parse};
use crate::agent::Agent;

pub(super) fn reads() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(workspaces)).routes(routes!(workspace))
}

pub(super) fn changes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(reconcile))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Workspaces {
    /// By name.
    workspaces: Vec<WorkspaceStatus>,
    /// Where the next page begins; `null` at the end.
    next: Option<String>,
    /// What lies in the bucket as if it were a workspace, and can be none; for those who see all workspaces.
    invalid: Vec<Invalid>,
    /// Whether the bucket could be listed for that.
    bucket: Part,
    /// Whether there is a firewall, where the operator wants one.
    firewall: Part,
    /// What was given up on; empty also while the platform bucket does not answer, which `/platform` tells.
    dead_letters: Vec<DeadLetter>,
}

#[derive(Serialize, ToSchema)]
struct Invalid {
    #[serde(flatten)]
    what: What,
    message: String,
    hint: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    Folder(String),
    /// By its key.
    Archive(String),
}

fn invalid(top: TopLevel) -> Vec<Invalid> {
    let folders = top.folders.into_iter().filter_map(|folder| {
        let message = folder.parse::<WorkspaceName>().err()?.to_string();
        let hint = "rename the folder: 1 to 63 of a-z, 0-9 and `-`";
        Some(Invalid { what: What::Folder(folder), message, hint })
    });
    let archives = top.objects.into_iter().filter_map(|Object { key, .. }| {
        let (message, hint) = match archive::workspace(&key) {
            Some(name) => {
                let hint =
                    "upload it under the name of a workspace: 1 to 63 of a-z, 0-9 and `-`, and the ending";
                (name.err()?.to_string(), hint)
            }
            None if archive::is_of_another_kind(&key) => {
                let hint = "make a `.tar.gz`, `.tgz`, `.tar.zst`, `.tar` or `.zip` of it";
                ("archives of this kind are not taken".to_owned(), hint)
            }
            None => return None,
        };
        Some(Invalid { what: What::Archive(key), message, hint })
    });
    folders.chain(archives).collect()
}

/// List workspaces
///
/// The status of each that the caller sees, and what keeps others from being one.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    tag = "workspaces",
    params(Page),
    responses((status = 200, description = "A page of them", body = Workspaces)),
)]
pub(super) async fn workspaces(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Result<Json<Workspaces>, Problem> {
    let mut seen = api.agent.board.all();
    seen.retain(|status| caller.sees(&status.workspace));
    let (workspaces, next) = page.of(seen, Order::Ascending, |one| one.workspace.to_string())?;
    // What runs is known without the bucket, and is asked for most when the bucket is away.
    let top = soon(api.agent.reconciler.tools.workspaces.top_level());
    let ((bucket, top), (_, letters)) = tokio::join!(top, soon(api.agent.board.dead_letters()));
    let mut dead_letters = letters.unwrap_or_default();
    dead_letters.retain(|letter| is_theirs(&caller, letter));
    Ok(Json(Workspaces {
        invalid: top.filter(|_| caller.sees_platform()).map(invalid).unwrap_or_default(),
        workspaces,
        next,
        bucket,
        firewall: match api.agent.reconciler.tools.firewall.protection().absence() {
            None => Part::well(),
            Some((message, hint)) => Part::missing(message, hint),
        },
        dead_letters,
    }))
}

/// Look at a workspace
///
/// What serves, what is under way, and what failed.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}",
    tag = "workspaces",
    params(Named),
    responses((status = 200, description = "Its status", body = WorkspaceStatus)),
)]
pub(super) async fn workspace(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<WorkspaceStatus>, Problem> {
    let name = parse(&name)?;
    let status = api.agent.board.get(&name).ok_or_else(|| Problem::unknown(&name))?;
    Ok(Json(with_absences(&api.agent, status)))
}

/// A status, with what the platform lacks that concerns every workspace.
pub(super) fn with_absences(agent: &Agent, mut status: WorkspaceStatus) -> WorkspaceStatus {
    let absence = agent.reconciler.tools.firewall.protection().absence();
    status.warnings.extend(absence.map(|(message, hint)| format!("{message}; {hint}")));
    status
}

/// Look again
///
/// Asks for another look at the bucket, and for another try of a release that failed.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/reconcile",
    tag = "workspaces",
    params(Named),
    responses((status = 202, description = "The agent sees to it")),
)]
pub(super) async fn reconcile(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.agent.inbox.wake_for(parse(&name)?, Cause::Requested, &caller.name);
    Ok(StatusCode::ACCEPTED)
}
