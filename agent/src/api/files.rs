//! The files of a workspace in the bucket: listed, put and deleted one by one, and all of them together. Whatever is changed
//! here is a push like any other.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cloudyknight_core::command::Cause;
use cloudyknight_core::files::{File, Files};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Object;
use futures::{StreamExt, TryStreamExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::page::Page;
use super::uploads::refused;
use super::{Api, Named, Problem, parse};
use crate::source::no_file;
use crate::uploads::Kind;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete_one)).routes(routes!(delete_all))
}

/// In bytes: larger ones go through S3, or in an archive.
const LARGEST: u64 = 64 << 20;
/// In bytes, as S3 has it.
const LONGEST_KEY: usize = 1024;
/// Objects that are deleted at the same time.
const PARALLEL: usize = 8;

/// List the files of a workspace
///
/// As the bucket holds them, by path.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/files",
    operation_id = "files",
    tag = "files",
    params(Named, Page),
    responses((status = 200, body = Files), (status = 400), (status = 503))
)]
async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Files>, Problem> {
    let name = parse(&name)?;
    let limit = page.limit()?;
    let after = page.cursor.as_deref().map(after).transpose()?;
    let objects = api.agent.reconciler.tools.workspaces.list(&name.prefix()).await;
    let objects = objects.map_err(|error| Problem::down(&error))?;
    Ok(Json(one_page(&name, objects, after.as_deref(), limit)))
}

/// Where the page before ended.
fn after(cursor: &str) -> Result<String, Problem> {
    let text = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "`cursor` is none that a page ended with")
            .hint("take `next` of the page before as it is")
    })
}

fn one_page(name: &WorkspaceName, objects: Vec<Object>, after: Option<&str>, limit: usize) -> Files {
    let prefix = name.prefix();
    let paths = objects.into_iter().filter_map(|object| {
        let path = object.key.strip_prefix(&prefix)?.to_owned();
        Some((path, object))
    });
    let mut rest = paths.filter(|(path, _)| after.is_none_or(|after| path.as_str() > after)).peekable();
    let files: Vec<File> = rest
        .by_ref()
        .take(limit)
        .map(|(path, object)| File {
            path,
            size_bytes: object.size,
            etag: object.etag,
            modified_at: at(object.modified_ms),
        })
        .collect();
    let more = rest.peek().is_some();
    let next = files.last().filter(|_| more).map(|last| hex::encode(&last.path));
    Files { version: Files::VERSION, files, next }
}

/// `None` where the server does not say.
fn at(ms: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
    at.filter(|_| ms != 0)?.format(&Rfc3339).ok()
}

/// The key of one file. A path that could be no file of a release is refused here, and not only left out of it.
fn key(name: &WorkspaceName, path: &str) -> Result<String, Problem> {
    let key = format!("{}{path}", name.prefix());
    let why = if key.len() > LONGEST_KEY { Some("it is longer than a key may be") } else { no_file(path) };
    match why {
        None => Ok(key),
        Some(why) => {
            let shown: String = path.chars().take(100).collect();
            let detail = format!("{shown:?} can be no file of `{name}`: {why}");
            Err(Problem::new(StatusCode::BAD_REQUEST, &detail)
                .hint("a path has plain names between its slashes, as in `public/index.html`"))
        }
    }
}

/// Put one file of a workspace
///
/// What serves does not change before the push is complete, which it is once nothing has changed for a moment.
#[utoipa::path(
    put,
    path = "/api/v1/workspaces/{name}/files/{*path}",
    operation_id = "put_file",
    tag = "files",
    params(Named, ("path" = String, Path, description = "slashes and all")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It took the place of another", body = File),
        (status = 201, description = "There was none", body = File),
        (status = 400), (status = 413), (status = 503)
    )
)]
async fn put(
    State(api): State<Arc<Api>>,
    Path((name, path)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    let name = parse(&name)?;
    let key = key(&name, &path)?;
    let uploads = &api.agent.uploads;
    let received = uploads.receive(Kind::File, LARGEST, body.into_data_stream()).await;
    let received =
        received.map_err(|error| refused(&error, "upload it with an S3 client, or in an archive"))?;
    let bucket = api.agent.reconciler.tools.workspaces.as_ref();
    let there = bucket.list(&key).await.map_err(|error| Problem::down(&error))?;
    let is_new = !there.iter().any(|object| object.key == key);
    let etag = bucket.put_file(&key, received.path()).await.map_err(|error| Problem::down(&error))?;
    uploads.tell(&api.agent, &name, Cause::Put { path: path.clone(), more: 0 });
    let file = File { path, size_bytes: received.bytes, etag, modified_at: Some(crate::board::now()) };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(file)).into_response())
}

/// Delete one file of a workspace
///
/// What serves does not change before that is deployed, like any push.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{name}/files/{*path}",
    operation_id = "delete_file",
    tag = "files",
    params(Named, ("path" = String, Path, description = "slashes and all")),
    responses((status = 204, description = "It is not there any more, or never was"), (status = 400), (status = 503))
)]
async fn delete_one(
    State(api): State<Arc<Api>>,
    Path((name, path)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = parse(&name)?;
    let key = key(&name, &path)?;
    let deleted = api.agent.reconciler.tools.workspaces.delete(&key).await;
    deleted.map_err(|error| Problem::down(&error))?;
    api.agent.uploads.tell(&api.agent, &name, Cause::Delete { path, more: 0 });
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a workspace
///
/// Its files are deleted from the bucket, and what runs is taken away. Its volumes stay, and its releases, so that it can
/// be restored.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{name}",
    operation_id = "delete_workspace",
    tag = "files",
    params(Named),
    responses((status = 202), (status = 404), (status = 503))
)]
async fn delete_all(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let name = parse(&name)?;
    let tools = &api.agent.reconciler.tools;
    let objects = tools.workspaces.list(&name.prefix()).await.map_err(|error| Problem::down(&error))?;
    let pinned = tools.desires.get(&name).pinned.is_some();
    if objects.is_empty() && !pinned {
        return Err(Problem::new(StatusCode::NOT_FOUND, &format!("the bucket holds nothing of `{name}`"))
            .hint("`cloudyknight status` lists the workspaces"));
    }
    tracing::info!(workspace = %name, files = objects.len(), who = caller.name, "deleting its files");
    // Whoever asked may hang up: half of it would be another release.
    let work = tokio::spawn(async move {
        let tools = &api.agent.reconciler.tools;
        let deletions = objects.iter().map(|object| tools.workspaces.delete(&object.key));
        let deletions: Vec<_> = deletions.collect();
        let deletions = futures::stream::iter(deletions).buffer_unordered(PARALLEL);
        deletions.try_collect::<()>().await.map_err(|error| Problem::down(&error))?;
        if pinned {
            // It would serve on whatever the bucket holds, and that is not what was asked.
            let unpinned = tools.desires.change(&name, |desired| desired.pinned = None).await;
            unpinned.map_err(|error| Problem::down(&error))?;
            api.agent.inbox.wake(name.clone(), Cause::Unpinned);
        }
        api.agent.uploads.tell(&api.agent, &name, Cause::Delete { path: String::new(), more: objects.len() });
        Ok(StatusCode::ACCEPTED)
    });
    work.await.map_err(|error| Problem::down(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap_and_the_last_names_no_next() {
        let name: WorkspaceName = "app".parse().unwrap();
        let object = |path: &str| Object {
            key: format!("app/{path}"),
            etag: "e".into(),
            size: 1,
            modified_ms: 1_700_000_000_000,
        };
        let objects: Vec<Object> = ["a", "a/b", "z", "ä"].map(object).into();
        let page = |cursor: Option<&str>, limit| {
            let after = cursor.map(|cursor| after(cursor).unwrap_or_else(|_| panic!("{cursor}")));
            one_page(&name, objects.clone(), after.as_deref(), limit)
        };
        let paths = |files: &Files| files.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        let first = page(None, 3);
        assert_eq!(paths(&first), ["a", "a/b", "z"]);
        assert_eq!(first.files[0].modified_at.as_deref(), Some("2023-11-14T22:13:20Z"));
        let second = page(first.next.as_deref(), 3);
        assert_eq!((paths(&second), second.next), (vec!["ä".to_owned()], None));
        assert_eq!(page(None, 4).next, None);
        assert!(after("zz").is_err() && after("ff").is_err());
    }

    #[test]
    fn a_path_that_could_be_no_file_is_refused() {
        let name: WorkspaceName = "app".parse().unwrap();
        let check = |path: &str, fine: bool| assert_eq!(key(&name, path).is_ok(), fine, "{path:?}");
        check("public/index.html", true);
        check("ünï code.txt", true);
        check(".cloudyknight/commit", true);
        for path in ["", "/etc/passwd", "../other/x", "a/../../other/x", "a//b", "a/", ".", "a/./b", "a\0b"] {
            check(path, false);
        }
        check(&"a/".repeat(600), false);
        check(&format!("{}x", "abc/".repeat(300)), false);
    }
}
