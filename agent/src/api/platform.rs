//! How the platform is: whether its parts answer, and if not, why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use cloudyknight_core::dead_letter::DeadLetter;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem};
use crate::agent::Agent;
use crate::deploy::{Tools, with_causes};
use crate::edge_link::EdgeError;
use crate::inbox::Held;
use crate::journal::Notifications;
use crate::trouble::{Told, Trouble};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(platform))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Platform {
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
    /// What the agent was asked to look at and is not done with, the oldest first.
    commands_held: Vec<Held>,
    dead_letters: Vec<DeadLetter>,
    /// What was read of notifications since the start, and what was not understood of it; null where the functions run
    /// elsewhere.
    notifications: Option<Notifications>,
    /// When another agent was last seen to write to the platform bucket: only one may follow it.
    rival_at: Option<String>,
    /// How often each operation of S3 and SQS was asked for since the start, tries that failed included; empty where
    /// everything is embedded. By `service operation`.
    requests: BTreeMap<String, u64>,
}

/// One part of the platform: does it answer, and if not, why.
#[derive(Serialize, ToSchema)]
pub(super) struct Part {
    ok: bool,
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Part {
    pub fn well() -> Self {
        Self { ok: true, message: None, hint: None }
    }

    /// What is missing, and what to do about it.
    pub fn missing(message: String, hint: String) -> Self {
        Self { ok: false, message: Some(message), hint: Some(hint) }
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
pub(super) async fn soon<T, E: std::error::Error + 'static>(
    asked: impl Future<Output = Result<T, E>>,
) -> (Part, Option<T>) {
    match tokio::time::timeout(SOON, asked).await {
        Ok(Ok(answer)) => (Part::well(), Some(answer)),
        Ok(Err(error)) => (Part::trouble(&error), None),
        Err(_) => {
            let message = format!("no answer within {} s", SOON.as_secs());
            let hint = "is it overloaded, or is something on the way to it that swallows requests?";
            (Part::missing(message, hint.to_owned()), None)
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

/// Look at the platform
///
/// Whether each of its parts answers, what waits in the queues, and what was given up on. For those who see all workspaces.
#[utoipa::path(
    get,
    path = "/api/v1/platform",
    tag = "platform",
    responses((status = 200, description = "How it is", body = Platform)),
)]
pub(super) async fn platform(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Platform>, Problem> {
    caller.must_see_platform()?;
    let Agent { reconciler, board, inbox, commands, journal, .. } = &api.agent;
    let tools = &reconciler.tools;
    let ((docker, _), edge, (bucket, _), (platform_bucket, letters), (queue, depth)) = tokio::join!(
        soon(tools.engine.ping()),
        edge(tools),
        soon(tools.workspaces.folders()),
        soon(board.dead_letters()),
        soon(commands.depth()),
    );
    Ok(Json(Platform {
        version: env!("CARGO_PKG_VERSION"),
        docker,
        edge,
        bucket,
        platform_bucket,
        firewall: match tools.firewall.protection().trouble() {
            None => Part::well(),
            Some((message, hint)) => Part::missing(message, hint),
        },
        policy: match tools.settings.policy.trouble() {
            None => Part::well(),
            Some(error) => {
                let hint = "correct the file; until then holds what it said when it last was right";
                Part::missing(error.to_string(), hint.to_owned())
            }
        },
        // What the last poll was told is nearer to the truth than what counting them was.
        commands: inbox.trouble().map_or(queue, |error| Part::trouble(&*error)),
        events: api.agent.functions.events.as_ref().map(Part::of),
        commands_sent: api.agent.functions.sending.as_ref().map(Part::of),
        commands_waiting: depth.map(|depth| depth.waiting),
        commands_held: inbox.held(),
        commands_in_flight: depth.map(|depth| depth.in_flight),
        dead_letters: letters.unwrap_or_default(),
        notifications: journal.notifications(),
        rival_at: board.rival_at(),
        requests: requests(&api.agent),
    }))
}

fn requests(agent: &Agent) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for ((service, operation), count) in agent.meters.iter().flat_map(|meter| meter.snapshot()) {
        *all.entry(format!("{service} {operation}")).or_default() += count;
    }
    all
}
