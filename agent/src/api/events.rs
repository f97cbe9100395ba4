//! What happens, as it happens: a stream of server-sent events. It begins with everything as it is, goes on with each
//! change, and ends now and then, so that whoever reads is asked again who they are; they resume where they were.
//!
//! Nothing waits for a reader. What it has not been sent is looked up when it can take more: of a status the newest, of the
//! journal what is still there, and that it missed something where that is so.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::queue::Depth;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::{Api, Problem, parse};
use crate::agent::Agent;
use crate::board::now;
use crate::inbox::Held;
use crate::journal::{Changes, News, Since};
use crate::queue_watch::Seen;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For how long a stream goes on. A token may be taken back meanwhile.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How soon a reader comes back.
const COME_BACK: Duration = Duration::from_secs(1);

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(events))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only what is of this workspace.
    #[param(value_type = Option<WorkspaceName>)]
    workspace: Option<String>,
}

/// The first event of a stream.
#[derive(Serialize, ToSchema)]
struct Hello<'a> {
    version: &'a str,
    now: String,
    /// Whether nothing was missed since the event that the reader saw last. Otherwise whatever it keeps of the bucket may be
    /// old.
    resumed: bool,
}

/// What waits on the commands queue, and what is being worked on.
#[derive(Serialize, ToSchema)]
struct AtQueue {
    waiting: u64,
    in_flight: u64,
    /// What the agent was asked to look at and is not done with.
    held: Vec<Held>,
}

/// Everything that happens, as server-sent events
///
/// First `hello`, then a `workspace` for each workspace, with its status, then `ready`. From then on `workspace` whenever a
/// status changes; `journal` with each entry of the journal; `changes` with what changed in the bucket; and `queue` with what
/// waits. The header `Last-Event-ID` resumes the journal and the changes where they were.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "live",
    params(Asked, ("last-event-id" = Option<String>, Header, description = "The `id` of the last event that was seen.")),
    responses(
        (status = 200, description = "Events, until the stream ends; then come back.", body = String, content_type = "text/event-stream"),
        (status = 400, description = "The name is none."),
        (status = 403, description = "Not for this caller."),
    ),
)]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + Send>, Problem> {
    let only = asked.workspace.as_deref().map(parse).transpose()?;
    if let Some(name) = only.as_ref().filter(|name| !caller.sees(name)) {
        return Err(Problem::not_yours(name));
    }
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let listener = Listener::new(api.agent.clone(), Audience { caller, only }, last);
    let stream = futures::stream::unfold(listener, |mut listener| async move {
        Some((Ok(listener.next().await?), listener))
    });
    let over = {
        let leaving = api.agent.leaving.clone();
        async move {
            let _ = tokio::time::timeout(LONGEST, leaving.cancelled()).await;
        }
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive");
    Ok(Sse::new(stream.take_until(over)).keep_alive(keep_alive))
}

/// Whom a stream is for.
struct Audience {
    caller: Caller,
    only: Option<WorkspaceName>,
}

struct Listener {
    agent: Agent,
    audience: Audience,
    board: watch::Receiver<u64>,
    journal: watch::Receiver<u64>,
    /// When the statuses that were sent had been updated.
    sent: BTreeMap<WorkspaceName, String>,
    /// Up to where the journal was sent.
    told: u64,
    /// Only for whoever sees the platform.
    queue: Option<watch::Receiver<Option<Seen>>>,
    pending: VecDeque<Event>,
}

impl Audience {
    fn hears_of(&self, workspace: Option<&WorkspaceName>) -> bool {
        match (workspace, &self.only) {
            (Some(workspace), Some(only)) => workspace == only,
            (Some(workspace), None) => self.caller.sees(workspace),
            (None, _) => self.hears_of_platform(),
        }
    }

    fn hears_of_platform(&self) -> bool {
        self.only.is_none() && self.caller.sees_platform()
    }
}

impl Listener {
    fn new(agent: Agent, audience: Audience, last_event_id: Option<&str>) -> Self {
        let seen = last_event_id.and_then(|id| agent.journal.number(id));
        let mut listener = Self {
            // Before anything is looked at: what comes meanwhile is a change.
            board: agent.board.watch(),
            journal: agent.journal.watch(),
            told: seen.unwrap_or_else(|| agent.journal.last()),
            queue: audience.hears_of_platform().then(|| agent.queue.listen()),
            agent,
            audience,
            sent: BTreeMap::new(),
            pending: VecDeque::new(),
        };
        listener.begin(seen.is_some());
        listener
    }

    fn begin(&mut self, knows_something: bool) {
        let Since { news, missed } = self.agent.journal.since(self.told);
        let hello =
            Hello { version: env!("CARGO_PKG_VERSION"), now: now(), resumed: knows_something && !missed };
        let hello = Event::default()
            .event("hello")
            .id(self.agent.journal.id(self.told))
            .retry(COME_BACK)
            .data(json(&hello));
        self.pending.push_back(hello);
        self.send_statuses();
        self.pending.push_back(Event::default().event("ready").data("{}"));
        self.send_news(news);
    }

    /// The next event, as soon as there is one.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let queue = async {
                match &mut self.queue {
                    Some(queue) => queue.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.board.changed() => {
                    changed.ok()?;
                    self.send_statuses();
                }
                changed = self.journal.changed() => {
                    changed.ok()?;
                    self.catch_up();
                }
                changed = queue => {
                    changed.ok()?;
                    self.send_queue();
                }
            }
        }
    }

    fn send_statuses(&mut self) {
        for status in self.agent.board.other_than(&self.sent) {
            self.sent.insert(status.workspace.clone(), status.updated_at.clone());
            if self.audience.hears_of(Some(&status.workspace)) {
                self.pending.push_back(event("workspace", &self.told_of(status)));
            }
        }
    }

    /// A status as the API tells it.
    fn told_of(&self, status: WorkspaceStatus) -> WorkspaceStatus {
        super::workspaces::with_absences(&self.agent, status)
    }

    fn catch_up(&mut self) {
        let Since { news, missed } = self.agent.journal.since(self.told);
        if missed {
            // Whatever is kept of any workspace may be old, and the statuses are sent anew, too.
            self.sent.clear();
            self.send_statuses();
            let known: Vec<WorkspaceName> = self.sent.keys().cloned().collect();
            for workspace in known.into_iter().filter(|one| self.audience.hears_of(Some(one))) {
                self.pending.push_back(event("changes", &Changes::of_anything(workspace)));
            }
        }
        self.send_news(news);
    }

    fn send_news(&mut self, news: Vec<(u64, News)>) {
        for (number, news) in news {
            self.told = number;
            let (name, workspace, data) = match &news {
                News::Entry(entry) => ("journal", entry.workspace.as_ref(), json(entry)),
                News::Changes(changes) => ("changes", Some(&changes.workspace), json(changes)),
            };
            if self.audience.hears_of(workspace) {
                let id = self.agent.journal.id(number);
                self.pending.push_back(Event::default().event(name).id(id).data(data));
            }
        }
    }

    fn send_queue(&mut self) {
        let seen = self.queue.as_mut().and_then(|queue| queue.borrow_and_update().clone());
        if let Some(Seen { depth: Depth { waiting, in_flight }, held }) = seen {
            self.pending.push_back(event("queue", &AtQueue { waiting, in_flight, held }));
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(json(data))
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("it is plain data")
}
