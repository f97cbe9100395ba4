//! New workspaces, made of templates.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use cloudyknight_core::archive;
use cloudyknight_core::command::Cause;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::BucketError;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem, parse};
use crate::templates::{TEMPLATES, Template, TemplateStatus, find};

pub(super) fn reads() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(templates))
}

pub(super) fn changes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(make))
}

#[derive(Serialize, ToSchema)]
struct Templates {
    version: u32,
    templates: Vec<TemplateStatus>,
}

/// List templates
///
/// What a new workspace can begin with.
#[utoipa::path(get, path = "/api/v1/templates", tag = "files", responses((status = 200, body = Templates)))]
async fn templates() -> Json<Templates> {
    Json(Templates { version: 1, templates: TEMPLATES.iter().map(Template::status).collect() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[schema(value_type = WorkspaceName)]
    name: String,
    /// One of those that `GET /templates` lists.
    template: String,
}

#[derive(Serialize, ToSchema)]
struct Made {
    version: u32,
    #[schema(value_type = String)]
    workspace: WorkspaceName,
    files: Vec<&'static str>,
}

/// Make a workspace of a template
///
/// Its files are put into the bucket, and deployed like any others.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces",
    operation_id = "create_workspace",
    tag = "files",
    request_body = Wanted,
    responses((status = 201, body = Made), (status = 400), (status = 403), (status = 409), (status = 503))
)]
async fn make(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let name = parse(&wanted.name)?;
    if !caller.changes(&name) {
        let detail = format!("`{}` may not make a workspace `{name}`", caller.name);
        return Err(Problem::new(StatusCode::FORBIDDEN, &detail).hint("ask for a token with another role"));
    }
    let template = find(&wanted.template).ok_or_else(|| {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        let shown: String = wanted.template.chars().take(100).collect();
        Problem::new(StatusCode::BAD_REQUEST, &format!("there is no template {shown:?}"))
            .hint(&format!("there are {}", names.join(", ")))
    })?;
    let claim = api.agent.uploads.claim().await;
    unless_taken(&api, &name, "choose another name, or delete that workspace first").await?;
    let bucket = api.agent.reconciler.tools.workspaces.clone();
    let prefix = name.prefix();
    let puts = template.files(&name).map(|(path, text)| {
        let (bucket, key) = (bucket.clone(), format!("{prefix}{path}"));
        async move { bucket.put(&key, text.into()).await.map(|_| path) }
    });
    // Whoever asked may hang up: half a workspace is none.
    let puts = futures::stream::iter(puts.collect::<Vec<_>>()).buffered(PARALLEL).try_collect::<Vec<_>>();
    let put = tokio::spawn(puts).await.map_err(|error| Problem::down(&error))?;
    drop(claim);
    let files = put.map_err(|error| Problem::down(&error))?;
    let cause =
        Cause::Put { path: files.first().copied().unwrap_or_default().to_owned(), more: files.len() - 1 };
    api.agent.uploads.tell(&api.agent, &name, cause);
    tracing::info!(workspace = %name, template = template.name, who = caller.name, "made of a template");
    Ok((StatusCode::CREATED, Json(Made { version: 1, workspace: name, files })))
}

const PARALLEL: usize = 8;

/// Fails where the bucket holds anything of it, files or an archive.
pub(super) async fn unless_taken(api: &Api, name: &WorkspaceName, hint: &str) -> Result<(), Problem> {
    if !is_taken(api, name).await.map_err(|error| Problem::down(&error))? {
        return Ok(());
    }
    let detail = format!("the bucket holds files of `{name}` already");
    Err(Problem::new(StatusCode::CONFLICT, &detail).hint(hint))
}

async fn is_taken(api: &Api, name: &WorkspaceName) -> Result<bool, BucketError> {
    let bucket = &api.agent.reconciler.tools.workspaces;
    let (folder, beside) = (name.prefix(), format!("{name}."));
    let (files, archives) = tokio::try_join!(bucket.list(&folder), bucket.list(&beside))?;
    let is_archive = |key: &str| archive::workspace(key).is_some_and(|of| of.as_ref() == Ok(name));
    Ok(!files.is_empty() || archives.iter().any(|object| is_archive(&object.key)))
}
