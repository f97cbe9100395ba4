//! Waits for a workspace: until what the bucket holds now is live, has failed, or is gone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::{Outcome, State as WorkspaceState, WorkspaceStatus};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::listing;
use serde::{Deserialize, Serialize};

use super::{Api, Problem, parse};

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Wait for this release, and not for what the bucket holds.
    release: Option<String>,
    /// In seconds; at most 60 a request.
    timeout: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Waited {
    /// False when the time was over first.
    done: bool,
    status: Option<WorkspaceStatus>,
}

const LONGEST: u64 = 60;
/// How often the bucket is listed again while nothing seems to happen.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    loop {
        changes.mark_unchanged();
        let wanted = match &release {
            Some(release) => Wanted::Release(release.clone()),
            None => wanted(&api, &name).await?,
        };
        let status = api.agent.board.get(&name);
        match settled(&wanted, status.as_ref()) {
            // Not before somebody has looked whether it is true here.
            Settled::Done if api.agent.board.is_hearsay(&name) => {}
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
            let hearsay = api.agent.board.is_hearsay(&name);
            let before = ends(status.as_ref());
            while changes.changed().await.is_ok() {
                let confirmed = hearsay && !api.agent.board.is_hearsay(&name);
                if confirmed || ends(api.agent.board.get(&name).as_ref()) != before {
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
    Release(ReleaseDigest),
    /// The bucket holds nothing of it.
    Nothing,
}

enum Settled {
    Done,
    NotYet,
    /// Neither in the bucket nor known.
    Unknown,
}

async fn wanted(api: &Api, name: &WorkspaceName) -> Result<Wanted, Problem> {
    let listed = listing::manifest(api.agent.reconciler.tools.workspaces.as_ref(), name).await;
    let manifest = listed.map_err(|error| Problem::down(&error))?;
    Ok(if manifest.is_empty() { Wanted::Nothing } else { Wanted::Release(manifest.digest()) })
}

fn settled(wanted: &Wanted, status: Option<&WorkspaceStatus>) -> Settled {
    let (release, status) = match (wanted, status) {
        (Wanted::Nothing, None) => return Settled::Unknown,
        (Wanted::Release(_), None) => return Settled::NotYet,
        (Wanted::Nothing, Some(status)) if status.state == WorkspaceState::Removed => return Settled::Done,
        (Wanted::Nothing, Some(_)) => return Settled::NotYet,
        (Wanted::Release(release), Some(status)) => (release, status),
    };
    if status.state == WorkspaceState::Ignored {
        return Settled::Done;
    }
    let attempted =
        status.deployment.as_ref().filter(|deployment| deployment.release.as_ref() == Some(release));
    match attempted.map(|deployment| &deployment.outcome) {
        Some(Outcome::Live | Outcome::Failed(_) | Outcome::Cancelled) => Settled::Done,
        Some(Outcome::Running | Outcome::Superseded) | None => Settled::NotYet,
    }
}
