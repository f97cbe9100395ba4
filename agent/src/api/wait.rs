//! Waits for a workspace: until what is asked of it is so, or has failed. That is what the bucket holds now, or the
//! release it is pinned to, or that nothing of it runs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::commit::Gate;
use cloudyknight_core::desired::Desired;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::{Outcome, State as WorkspaceState, WorkspaceStatus};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing::{self, Listing};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::archive::Intake;

use super::{Api, Named, Problem, parse};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(wait))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Wait for this release, and not for what the bucket holds.
    #[param(value_type = Option<ReleaseDigest>)]
    release: Option<String>,
    /// In seconds; at most 60 a request.
    timeout: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Waited {
    /// False when the time was over first.
    done: bool,
    status: Option<WorkspaceStatus>,
}

const LONGEST: u64 = 60;
/// How long somebody waits for an end that is known to be written down as well.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// How often the bucket is listed again while nothing seems to happen.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Wait for a workspace
///
/// Answers when what is asked of it is so or has failed, or when the time is over: what the bucket holds, the release
/// it is pinned to, or that nothing of it runs.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{name}/wait",
    tag = "workspaces",
    params(Named, Asked),
    responses((status = 200, description = "How it is", body = Waited)),
)]
pub(super) async fn wait(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<Waited>, Problem> {
    let name = parse(&name)?;
    let release: Option<ReleaseDigest> = match asked.release {
        None => None,
        Some(text) => {
            let parsed = text.parse();
            Some(parsed.map_err(|error: cloudyknight_core::manifest::InvalidDigest| {
                Problem::new(StatusCode::BAD_REQUEST, &error.to_string())
            })?)
        }
    };
    let limit = Duration::from_secs(asked.timeout.unwrap_or(LONGEST).min(LONGEST));
    let give_up = tokio::time::Instant::now() + limit;
    let mut changes = api.agent.board.watch();
    let mut archive = release.is_none();
    let mut over_since = None;
    loop {
        changes.mark_unchanged();
        let wanted = match &release {
            Some(release) => Wanted::Exactly(release.clone()),
            None => wanted(&api, &name).await?,
        };
        archive = archive && arriving(&api, &name).await?;
        let status = api.agent.board.get(&name);
        match settled(&wanted, status.as_ref()) {
            // Not before somebody has looked whether it is true here.
            // What is to be deployed is still in an archive.
            _ if archive => {}
            Settled::Done if api.agent.board.is_hearsay(&name) => {}
            // Whoever is told of an end may rely on it: the next agent will know of it as well.
            Settled::Done
                if api.agent.board.is_untold(&name)
                    && over_since.get_or_insert_with(tokio::time::Instant::now).elapsed()
                        < WRITTEN_WITHIN => {}
            Settled::Done => return Ok(axum::Json(Waited { done: true, status })),
            Settled::Unknown => return Err(Problem::unknown(&name)),
            Settled::NotYet => {}
        }
        if tokio::time::Instant::now() >= give_up {
            return Ok(axum::Json(Waited { done: false, status }));
        }
        let pause = LOOK_AGAIN.min(give_up - tokio::time::Instant::now());
        // Whichever comes first: the end of a deployment, or the time to look again. Each look is a listing, which costs
        // something on AWS; the steps of a deployment, and other workspaces, are no reason for one.
        let ended = async {
            let board = &api.agent.board;
            let (hearsay, untold) = (board.is_hearsay(&name), board.is_untold(&name));
            let before = ends(status.as_ref());
            while changes.changed().await.is_ok() {
                let confirmed = hearsay && !board.is_hearsay(&name);
                let written = untold && !board.is_untold(&name);
                if confirmed || written || ends(board.get(&name).as_ref()) != before {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(pause, ended).await;
    }
}

/// What changes when a deployment ends, or a workspace is taken away or left alone.
fn ends(status: Option<&WorkspaceStatus>) -> Option<(WorkspaceState, Option<String>)> {
    status.map(|status| {
        let finished = status.deployment.as_ref().and_then(|deployment| deployment.finished_at.clone());
        (status.state, finished)
    })
}

enum Wanted {
    /// This release, whatever is asked of the workspace.
    Exactly(ReleaseDigest),
    /// What the bucket holds, and what is asked beyond it.
    Asked(Listing, Desired),
}

#[derive(Debug, PartialEq, Eq)]
enum Settled {
    Done,
    NotYet,
    /// Neither in the bucket nor known.
    Unknown,
}

async fn wanted(api: &Api, name: &WorkspaceName) -> Result<Wanted, Problem> {
    let tools = &api.agent.reconciler.tools;
    let listed = listing::listing(tools.workspaces.as_ref(), name).await;
    let listing = listed.map_err(|error| Problem::down(&error))?;
    Ok(Wanted::Asked(listing, tools.desires.get(name)))
}

/// Whether an archive of the workspace lies in the bucket, and was not refused.
async fn arriving(api: &Api, name: &WorkspaceName) -> Result<bool, Problem> {
    let tools = &api.agent.reconciler.tools;
    let intake = Intake::of(tools, &api.agent.board);
    intake.is_expected(name).await.map_err(|error| Problem::down(&error))
}

fn settled(wanted: &Wanted, status: Option<&WorkspaceStatus>) -> Settled {
    let is_done = match wanted {
        Wanted::Exactly(release) => status.is_some_and(|status| exactly(release, status)),
        Wanted::Asked(listing, desired) if listing.manifest.is_empty() && desired.pinned.is_none() => {
            match status {
                None => return Settled::Unknown,
                Some(status) => status.state == WorkspaceState::Removed || status.only_refused(),
            }
        }
        Wanted::Asked(listing, desired) => status.is_some_and(|status| asked(listing, desired, status)),
    };
    if is_done { Settled::Done } else { Settled::NotYet }
}

/// It was tried; or it is not going to be, because something else is asked of the workspace.
fn exactly(release: &ReleaseDigest, status: &WorkspaceStatus) -> bool {
    let is_held_back = status.held_back.as_ref() == Some(release);
    status.state == WorkspaceState::Ignored || is_held_back || has_ended(release, status)
}

fn asked(listing: &Listing, desired: &Desired, status: &WorkspaceStatus) -> bool {
    let manifest = &listing.manifest;
    if status.state == WorkspaceState::Ignored {
        return true;
    }
    let waiting = status.uncommitted.as_ref().map(|waiting| &waiting.release);
    let is_closed = listing.gate(status) == Gate::Closed;
    // Committed meanwhile, and the agent has not seen that yet; or there is more by now than it has seen.
    if waiting.is_some_and(|waiting| !is_closed || *waiting != manifest.digest()) {
        return false;
    }
    let waits = waiting.is_some();
    if waits && desired.pinned.is_none() && !desired.stopped {
        // For its commit, as long as that takes. What was committed before serves.
        return status.release.is_some() && status.state != WorkspaceState::Updating;
    }
    // Nobody is told of a rollback that does not show, nor that what was pushed just now is held back before it is kept.
    // What waits for its commit is nothing to hold back yet.
    let is_held = waits || status.held_back == desired.held_back(manifest);
    if status.pinned != desired.pinned || !is_held {
        return false;
    }
    match status.state {
        WorkspaceState::Stopped => desired.stopped,
        _ if desired.stopped => false,
        WorkspaceState::Removed => false,
        _ => {
            let target = desired.pinned.as_ref().map_or_else(|| manifest.digest(), |pin| pin.release.clone());
            let restarted = status.last().is_some_and(|last| last.restarts == desired.restarts);
            // Where nothing serves, there is nothing to restart.
            has_ended(&target, status) && (restarted || status.release.is_none())
        }
    }
}

/// Whether the last deployment was of this release and is over.
fn has_ended(release: &ReleaseDigest, status: &WorkspaceStatus) -> bool {
    let last = status.last().filter(|last| last.release.as_ref() == Some(release));
    last.is_some_and(|last| matches!(last.outcome, Outcome::Live | Outcome::Failed(_) | Outcome::Cancelled))
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::command::Cause;
    use cloudyknight_core::commit::{Commit, Committed, Uncommitted};
    use cloudyknight_core::desired::Pin;
    use cloudyknight_core::manifest::{Entry, Manifest};
    use cloudyknight_core::status::{Deployment, Failure};

    use super::*;

    fn manifest(name: &str) -> Manifest {
        Manifest { entries: [(name.to_owned(), Entry { etag: "e".into(), size: 1 })].into() }
    }

    fn status(state: WorkspaceState, release: &str, outcome: Outcome) -> WorkspaceStatus {
        let mut status = WorkspaceStatus::new("app".parse().unwrap(), String::new());
        status.state = state;
        status.release = Some(manifest(release).digest());
        let deployment = serde_json::json!({
            "id": "1",
            "release": manifest(release).digest(),
            "cause": Cause::Sweep,
            "started_at": "",
            "finished_at": null,
            "outcome": outcome,
            "steps": [],
        });
        status.deployment = Some(serde_json::from_value::<Deployment>(deployment).unwrap());
        status
    }

    fn live(release: &str) -> WorkspaceStatus {
        status(WorkspaceState::Live, release, Outcome::Live)
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure { message: String::new(), service: None, hint: None, log: Vec::new() })
    }

    fn pin(release: &str) -> Desired {
        let pin = Pin { release: manifest(release).digest(), at: "then".into() };
        Desired { pinned: Some(pin), ..Desired::default() }
    }

    fn pinned(status: WorkspaceStatus, release: &str, held: Option<&str>) -> WorkspaceStatus {
        let held_back = held.map(|held| manifest(held).digest());
        WorkspaceStatus { pinned: pin(release).pinned, held_back, ..status }
    }

    fn check(bucket: &str, desired: &Desired, status: &WorkspaceStatus, expected: Settled) {
        let listing = Listing { manifest: manifest(bucket), ..Listing::default() };
        let wanted = Wanted::Asked(listing, desired.clone());
        assert_eq!(settled(&wanted, Some(status)), expected, "{bucket}, {desired:?}, {status:?}");
    }

    #[test]
    fn what_the_bucket_holds_is_waited_for_until_it_is_over() {
        let nothing = Desired::default();
        check("a", &nothing, &live("a"), Settled::Done);
        check("b", &nothing, &live("a"), Settled::NotYet);
        check("b", &nothing, &status(WorkspaceState::Degraded, "b", failed()), Settled::Done);
        check("b", &nothing, &status(WorkspaceState::Degraded, "b", Outcome::Cancelled), Settled::Done);
        check("b", &nothing, &status(WorkspaceState::Updating, "b", Outcome::Running), Settled::NotYet);
        check("b", &nothing, &status(WorkspaceState::Updating, "b", Outcome::Superseded), Settled::NotYet);
        check("b", &nothing, &status(WorkspaceState::Ignored, "a", Outcome::Live), Settled::Done);
    }

    #[test]
    fn a_pinned_workspace_is_waited_for_until_the_pin_serves_and_shows() {
        check("b", &pin("a"), &live("b"), Settled::NotYet);
        check("b", &pin("a"), &live("a"), Settled::NotYet);
        check("b", &pin("a"), &pinned(live("a"), "a", None), Settled::NotYet);
        check("b", &pin("a"), &pinned(live("a"), "a", Some("b")), Settled::Done);
        check("c", &pin("a"), &pinned(live("a"), "a", Some("b")), Settled::NotYet);
        check("a", &pin("a"), &pinned(live("a"), "a", None), Settled::Done);
        let fails = status(WorkspaceState::Degraded, "a", failed());
        check("b", &pin("a"), &pinned(fails, "a", Some("b")), Settled::Done);
        // Taken back, but not yet seen.
        check("b", &Desired::default(), &pinned(live("a"), "a", Some("b")), Settled::NotYet);
        check("a", &Desired::default(), &pinned(live("a"), "a", None), Settled::NotYet);
        // Also of a workspace that the bucket holds nothing of.
        let wanted = Wanted::Asked(Listing::default(), pin("a"));
        assert_eq!(settled(&wanted, Some(&pinned(live("a"), "a", None))), Settled::Done);
        let removed = status(WorkspaceState::Removed, "a", Outcome::Live);
        assert_eq!(settled(&wanted, Some(&pinned(removed, "a", None))), Settled::NotYet);
    }

    #[test]
    fn what_waits_for_its_commit_is_waited_for_only_once_it_is_committed() {
        let marker = |etag: &str| Some(Commit { etag: etag.into(), modified_ms: 1 });
        let check = |bucket: &str, in_bucket: &str, status: &WorkspaceStatus, expected| {
            let (manifest, commit) = (manifest(bucket), marker(in_bucket));
            let listing = Listing { manifest, commit, ..Listing::default() };
            let wanted = Wanted::Asked(listing, Desired::default());
            assert_eq!(settled(&wanted, Some(status)), expected, "{bucket} {in_bucket} {status:?}");
        };
        let committed = |of: &str| Some(Committed { commit: marker("1"), release: manifest(of).digest() });
        let mut known = WorkspaceStatus { committed: committed("a"), ..live("a") };
        check("a", "1", &known, Settled::Done);
        // Pushed, and not yet seen.
        check("b", "1", &known, Settled::NotYet);
        known.uncommitted = Some(Uncommitted { files: Some(1), release: manifest("b").digest() });
        check("b", "1", &known, Settled::Done);
        check("c", "1", &known, Settled::NotYet);
        // Committed, and not yet seen: also where that is what serves already.
        check("b", "2", &known, Settled::NotYet);
        check("a", "2", &known, Settled::NotYet);
        known.uncommitted = None;
        check("b", "2", &known, Settled::NotYet);
        check("b", "2", &WorkspaceStatus { committed: committed("b"), ..live("b") }, Settled::Done);
    }

    #[test]
    fn a_stopped_workspace_is_waited_for_until_nothing_runs_and_a_started_one_until_it_serves() {
        let stop = Desired { stopped: true, ..Desired::default() };
        let mut stopped =
            WorkspaceStatus { release: None, ..status(WorkspaceState::Stopped, "a", Outcome::Live) };
        check("a", &stop, &live("a"), Settled::NotYet);
        check("a", &stop, &stopped, Settled::NotYet);
        stopped.held_back = Some(manifest("a").digest());
        check("a", &stop, &stopped, Settled::Done);
        check("a", &Desired::default(), &stopped, Settled::NotYet);
        check("b", &stop, &stopped, Settled::NotYet);
    }

    #[test]
    fn a_restart_is_waited_for_unless_there_is_nothing_to_restart() {
        let restart = Desired { restarts: 1, ..Desired::default() };
        check("a", &restart, &live("a"), Settled::NotYet);
        let mut restarted = live("a");
        restarted.deployment.as_mut().unwrap().restarts = 1;
        check("a", &restart, &restarted, Settled::Done);
        let nothing = WorkspaceStatus { release: None, ..status(WorkspaceState::Failed, "a", failed()) };
        check("a", &restart, &nothing, Settled::Done);
    }

    #[test]
    fn a_release_that_is_held_back_is_not_waited_for() {
        let exactly = |release: &str, status: &WorkspaceStatus| {
            settled(&Wanted::Exactly(manifest(release).digest()), Some(status))
        };
        assert_eq!(exactly("a", &live("a")), Settled::Done);
        assert_eq!(exactly("b", &live("a")), Settled::NotYet);
        assert_eq!(exactly("b", &pinned(live("a"), "a", Some("b"))), Settled::Done);
        assert_eq!(exactly("c", &pinned(live("a"), "a", Some("b"))), Settled::NotYet);
        assert_eq!(settled(&Wanted::Exactly(manifest("a").digest()), None), Settled::NotYet);
    }

    #[test]
    fn what_the_bucket_holds_nothing_of_is_waited_for_until_it_is_gone() {
        let gone = Wanted::Asked(Listing::default(), Desired::default());
        assert_eq!(settled(&gone, None), Settled::Unknown);
        assert_eq!(settled(&gone, Some(&live("a"))), Settled::NotYet);
        assert_eq!(settled(&gone, Some(&status(WorkspaceState::Removed, "a", Outcome::Live))), Settled::Done);
    }
}
