//! The agent's HTTP API, for the CLI, scripts and the dashboard: `/api/v1`, JSON, a bearer token, errors as
//! problem documents (RFC 9457).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use cloudyknight_core::archive;
use cloudyknight_core::command::Cause;
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Object, TopLevel};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::agent::Agent;
use crate::deploy::{Tools, with_causes};
use crate::edge_link::EdgeError;
use crate::trouble::{Told, Trouble};

pub mod caller;
pub mod sockets;

mod logs;
mod releases;
mod restore;
mod volumes;
mod wait;
mod wishes;

struct Api {
    agent: Agent,
    token: String,
}

/// The OpenAPI document, to which each handler adds itself.
#[derive(OpenApi)]
#[openapi(info(
    title = "CloudyKnight",
    description = "The platform's API: everything that the command line and the dashboard do."
))]
struct Document;

/// Every path of the API. All but `/health` want to know who calls.
pub fn router(agent: Agent, token: String) -> Router {
    let api = Arc::new(Api { agent, token });
    let reads = OpenApiRouter::with_openapi(Document::openapi())
        .route("/api/v1/workspaces", get(workspaces))
        .route("/api/v1/workspaces/{name}", get(workspace))
        .route("/api/v1/workspaces/{name}/wait", get(wait::wait))
        .route("/api/v1/workspaces/{name}/logs", get(logs::logs))
        .route("/api/v1/workspaces/{name}/history", get(releases::history))
        .route("/api/v1/workspaces/{name}/diff", get(releases::diff))
        .route("/api/v1/workspaces/{name}/volumes", get(volumes::of_workspace))
        .route("/api/v1/volumes", get(volumes::all))
        .route("/api/v1/platform", get(platform));
    let changes = OpenApiRouter::new()
        .route("/api/v1/workspaces/{name}/reconcile", post(reconcile))
        .route("/api/v1/workspaces/{name}/rollback", post(wishes::rollback))
        .route("/api/v1/workspaces/{name}/unpin", post(wishes::unpin))
        .route("/api/v1/workspaces/{name}/restart", post(wishes::restart))
        .route("/api/v1/workspaces/{name}/stop", post(wishes::stop))
        .route("/api/v1/workspaces/{name}/start", post(wishes::start))
        .route("/api/v1/workspaces/{name}/cancel", post(wishes::cancel))
        .route("/api/v1/workspaces/{name}/restore", post(restore::restore))
        .route("/api/v1/workspaces/{name}/releases", delete(restore::forget))
        .route("/api/v1/workspaces/{name}/volumes/{volume}", delete(volumes::delete));
    let (guarded, _document) = reads.merge(changes).split_for_parts();
    let guarded = guarded.route_layer(middleware::from_fn_with_state(api.clone(), caller::known));
    let open = Router::new().route("/health", get(|| async { "ok\n" }));
    guarded.merge(open).fallback(nowhere).with_state(api).layer(middleware::map_response(in_words))
}

/// Whatever refuses a request before a handler sees it, such as a query that is none, answers as the handlers do.
async fn in_words(response: Response) -> Response {
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
    let mut answer = Problem::new(status, &detail).into_response();
    if let Some(allowed) = parts.headers.remove(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

const PROBLEM: &str = "application/problem+json";
/// In bytes.
const LONGEST_REFUSAL: usize = 4096;

async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the API has no such path")
}

#[derive(Serialize)]
struct Workspaces {
    workspaces: Vec<WorkspaceStatus>,
    /// What lies in the bucket as if it were a workspace, and can be none.
    invalid: Vec<Invalid>,
    /// Whether the bucket could be listed for that.
    bucket: Part,
    /// Whether there is a firewall, where the operator wants one.
    firewall: Part,
    /// What was given up on; empty also while the platform bucket does not answer, which `/platform` tells.
    dead_letters: Vec<DeadLetter>,
}

#[derive(Serialize)]
struct Invalid {
    #[serde(flatten)]
    what: What,
    message: String,
    hint: &'static str,
}

#[derive(Serialize)]
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

async fn workspaces(State(api): State<Arc<Api>>) -> axum::Json<Workspaces> {
    // What runs is known without the bucket, and is asked for most when the bucket is away.
    let top = soon(api.agent.reconciler.tools.workspaces.top_level());
    let ((bucket, top), (_, letters)) = tokio::join!(top, soon(api.agent.board.dead_letters()));
    axum::Json(Workspaces {
        invalid: top.map(invalid).unwrap_or_default(),
        workspaces: api.agent.board.all(),
        bucket,
        firewall: match api.agent.reconciler.tools.firewall.protection().absence() {
            None => Part::well(),
            Some((message, hint)) => Part { ok: false, message: Some(message), hint: Some(hint) },
        },
        dead_letters: letters.unwrap_or_default(),
    })
}

async fn workspace(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<axum::Json<WorkspaceStatus>, Problem> {
    let name = parse(&name)?;
    let mut status = api.agent.board.get(&name).ok_or_else(|| Problem::unknown(&name))?;
    let absence = api.agent.reconciler.tools.firewall.protection().absence();
    status.warnings.extend(absence.map(|(message, hint)| format!("{message}; {hint}")));
    Ok(axum::Json(status))
}

/// Asks for another look at the bucket, and for another try of a release that failed.
async fn reconcile(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    api.agent.inbox.wake(parse(&name)?, Cause::Requested);
    Ok(StatusCode::ACCEPTED)
}

#[derive(Serialize)]
struct Platform {
    version: &'static str,
    docker: Part,
    edge: Part,
    bucket: Part,
    platform_bucket: Part,
    /// Whether containers are kept from the platform's own doors and from metadata services.
    firewall: Part,
    /// Whether what holds is what the policy's file says.
    policy: Part,
    /// Whether commands can be received.
    commands: Part,
    /// Of the functions in this process: whether notifications can be received, and commands sent. `null` where the
    /// functions run elsewhere.
    events: Option<Part>,
    commands_sent: Option<Part>,
    commands_waiting: Option<u64>,
    commands_in_flight: Option<u64>,
    dead_letters: Vec<DeadLetter>,
    /// When another agent was last seen to write to the platform bucket: only one may follow it.
    rival_at: Option<String>,
    /// How often each operation of S3 and SQS was asked for since the start, tries that failed included; empty where
    /// everything is embedded. By `service operation`.
    requests: BTreeMap<String, u64>,
}

/// One part of the platform: does it answer, and if not, why.
#[derive(Serialize)]
struct Part {
    ok: bool,
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Part {
    fn well() -> Self {
        Self { ok: true, message: None, hint: None }
    }

    fn of(trouble: &Trouble) -> Self {
        match trouble.told() {
            None => Self::well(),
            Some(Told { message, hint }) => Self { ok: false, message: Some(message), hint },
        }
    }

    fn trouble(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { ok: false, message: Some(with_causes(error)), hint: cloudyknight_store::hint::of(error) }
    }
}

/// How long a part may take to answer: whoever asks how the platform is wants to know it now.
const SOON: Duration = Duration::from_secs(5);

/// Whether a part answers, and what.
async fn soon<T, E: std::error::Error + 'static>(
    asked: impl Future<Output = Result<T, E>>,
) -> (Part, Option<T>) {
    match tokio::time::timeout(SOON, asked).await {
        Ok(Ok(answer)) => (Part::well(), Some(answer)),
        Ok(Err(error)) => (Part::trouble(&error), None),
        Err(_) => {
            let message = format!("no answer within {} s", SOON.as_secs());
            let hint = "is it overloaded, or is something on the way to it that swallows requests?";
            (Part { ok: false, message: Some(message), hint: Some(hint.to_owned()) }, None)
        }
    }
}

/// Whether the edge answers and has the routes.
async fn edge(tools: &Tools) -> Part {
    let mut hint = None;
    let (part, _) = soon(async {
        let repaired = tools.edge.repair().await;
        hint = repaired.as_ref().err().and_then(EdgeError::hint);
        repaired
    })
    .await;
    Part { hint: part.hint.or(hint), ..part }
}

async fn platform(State(api): State<Arc<Api>>) -> axum::Json<Platform> {
    let Agent { reconciler, board, inbox, commands, .. } = &api.agent;
    let tools = &reconciler.tools;
    let ((docker, _), edge, (bucket, _), (platform_bucket, letters), (queue, depth)) = tokio::join!(
        soon(tools.engine.ping()),
        edge(tools),
        soon(tools.workspaces.folders()),
        soon(board.dead_letters()),
        soon(commands.depth()),
    );
    axum::Json(Platform {
        version: env!("CARGO_PKG_VERSION"),
        docker,
        edge,
        bucket,
        platform_bucket,
        firewall: match tools.firewall.protection().trouble() {
            None => Part::well(),
            Some((message, hint)) => Part { ok: false, message: Some(message), hint: Some(hint) },
        },
        policy: match tools.settings.policy.trouble() {
            None => Part::well(),
            Some(error) => {
                let hint = "correct the file; until then holds what it said when it last was right";
                Part { ok: false, message: Some(error.to_string()), hint: Some(hint.to_owned()) }
            }
        },
        // What the last poll was told is nearer to the truth than what counting them was.
        commands: inbox.trouble().map_or(queue, |error| Part::trouble(&*error)),
        events: api.agent.functions.events.as_ref().map(Part::of),
        commands_sent: api.agent.functions.sending.as_ref().map(Part::of),
        commands_waiting: depth.map(|depth| depth.waiting),
        commands_in_flight: depth.map(|depth| depth.in_flight),
        dead_letters: letters.unwrap_or_default(),
        rival_at: board.rival_at(),
        requests: requests(&api.agent),
    })
}

fn requests(agent: &Agent) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for ((service, operation), count) in agent.meters.iter().flat_map(|meter| meter.snapshot()) {
        *all.entry(format!("{service} {operation}")).or_default() += count;
    }
    all
}

fn parse(name: &str) -> Result<WorkspaceName, Problem> {
    name.parse().map_err(|error: cloudyknight_core::workspace::InvalidName| {
        Problem::new(StatusCode::BAD_REQUEST, &error.to_string())
            .hint("a workspace is a first-level folder of the bucket: 1 to 63 of a-z, 0-9 and `-`")
    })
}

/// What went wrong with a request.
#[derive(Debug, Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status: status.as_u16(), title, detail: detail.to_owned(), hint: None }
    }

    fn unknown(name: &WorkspaceName) -> Self {
        Self::new(StatusCode::NOT_FOUND, &format!("there is no workspace `{name}`"))
            .hint("`cloudyknight status` lists those there are")
    }

    fn down(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, &with_causes(error))
            .hint("`cloudyknight doctor` looks for the reason")
    }

    fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem is plain data");
        (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response()
    }
}
