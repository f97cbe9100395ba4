//! The agent's HTTP API, for the CLI, scripts and the dashboard: `/api/v1`, JSON, a bearer token, errors as
//! problem documents (RFC 9457).

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cloudyknight_core::workspace::WorkspaceName;
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::access::secret::{Digest, Secret};
use crate::agent::Agent;
use document::Document;
use problem::{PROBLEM, Problem};

pub mod caller;
pub mod sockets;

mod admission;
mod audit;
mod catalogue;
mod dead_letters;
mod document;
mod events;
mod files;
mod journal;
mod logs;
mod output;
mod page;
mod platform;
mod policy;
mod problem;
mod releases;
mod restore;
mod sessions;
mod stats;
mod storage;
mod templates;
mod tokens;
mod uploads;
mod volumes;
mod wait;
mod wishes;
mod workspaces;

struct Api {
    agent: Agent,
    /// Of the operator's token.
    operator: Digest,
    /// The OpenAPI document, as text.
    document: String,
}

/// Every path of the API. All but `/health` want to know who calls.
pub fn router(agent: Agent, token: &Secret) -> Router {
    let (guarded, document) = endpoints().split_for_parts();
    let document = document.to_json().expect("the document is plain data");
    let api = Arc::new(Api { agent, operator: token.digest(), document });
    let guarded = guarded.route_layer(middleware::from_fn_with_state(api.clone(), caller::known));
    let open = Router::new().route("/health", get(|| async { "ok\n" }));
    guarded
        .merge(open)
        .fallback(nowhere)
        .with_state(api)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::map_response(in_words))
}

/// What the document tells of, all of it.
fn endpoints() -> OpenApiRouter<Arc<Api>> {
    let reads = OpenApiRouter::with_openapi(Document::openapi())
        .merge(document::routes())
        .merge(audit::routes())
        .merge(workspaces::reads())
        .merge(wait::routes())
        .merge(logs::routes())
        .merge(releases::routes())
        .merge(volumes::reads())
        .merge(platform::routes())
        .merge(policy::routes())
        .merge(stats::routes())
        .merge(storage::routes())
        .merge(catalogue::routes())
        .merge(templates::reads())
        .merge(events::routes())
        .merge(journal::routes())
        .merge(output::routes())
        .merge(dead_letters::reads());
    let changes = OpenApiRouter::new()
        .merge(sessions::routes())
        .merge(tokens::routes())
        .merge(workspaces::changes())
        .merge(wishes::routes())
        .merge(restore::routes())
        .merge(volumes::changes())
        .merge(files::routes())
        .merge(uploads::routes())
        .merge(templates::changes())
        .merge(dead_letters::changes());
    let mut all = reads.merge(changes);
    document::complete(all.get_openapi_mut());
    all
}

/// In bytes, where a handler does not say otherwise: what is sent is short.
const LONGEST_BODY: usize = 64 * 1024;

/// Whatever refuses a request before a handler sees it, such as a query that is none, answers as the handlers do. And
/// nothing that is answered is to be guessed at, or kept.
async fn in_words(response: Response) -> Response {
    let mut answer = told(response).await;
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

async fn told(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let status = parts.status;
    let told = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    if told || !(status.is_client_error() || status.is_server_error()) {
        return Response::from_parts(parts, body);
    }
    let text = axum::body::to_bytes(body, LONGEST_REFUSAL).await.unwrap_or_default();
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path knows no such method".into(),
        _ => String::from_utf8_lossy(&text),
    };
    let mut answer = Problem::new(status, &plainly(&detail)).into_response();
    if let Some(allowed) = parts.headers.remove(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// What the framework says of a request, in our words.
fn plainly(detail: &str) -> String {
    for (theirs, ours) in [
        ("Failed to deserialize the JSON body into the target type: ", "the body is not what is asked for: "),
        ("Failed to parse the request body as JSON: ", "the body is no JSON: "),
        ("Failed to deserialize query string: ", "the query is not what is asked for: "),
    ] {
        if let Some(rest) = detail.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    detail.to_owned()
}

/// In bytes.
const LONGEST_REFUSAL: usize = 4096;

async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the API has no such path")
}

/// The path of one workspace.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it says what the path holds")]
struct Named {
    /// The workspace.
    name: WorkspaceName,
}

fn parse(name: &str) -> Result<WorkspaceName, Problem> {
    name.parse().map_err(|error: cloudyknight_core::workspace::InvalidName| {
        Problem::new(StatusCode::BAD_REQUEST, &error.to_string())
            .hint("a workspace is a first-level folder of the bucket: 1 to 63 of a-z, 0-9 and `-`")
    })
}

#[cfg(test)]
mod tests;
