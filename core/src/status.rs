//! What people and programs read about a workspace: the same document in the platform bucket, the API, the CLI
//! (`--json`) and the dashboard. Times are RFC 3339 in UTC, durations milliseconds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::about::About;
use crate::archive::Archive;
use crate::command::Cause;
use crate::commit::{Committed, Uncommitted};
use crate::desired::Pin;
use crate::manifest::ReleaseDigest;
use crate::origin::{self, Origin};
use crate::trace::{self, TraceParent};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkspaceStatus {
    pub version: u32,
    pub workspace: WorkspaceName,
    pub state: State,
    /// The release that takes traffic now.
    pub release: Option<ReleaseDigest>,
    /// Held at a release, whatever is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// What the bucket holds, where that is not what is to run: the workspace is pinned or stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<ReleaseDigest>,
    pub urls: Vec<String>,
    /// The last attempt to make a release live, running or finished.
    pub deployment: Option<Deployment>,
    pub services: Vec<ServiceStatus>,
    /// The compose file the platform made, for a workspace that has none of its own.
    pub default_compose: Option<String>,
    /// What it says about itself; `None` while nothing of it was ever live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// The last archive that was uploaded for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// The commit that was taken last, while the workspace holds a commit marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Committed>,
    /// What waits for the next commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncommitted: Option<Uncommitted>,
    /// What the compose file asks for that has no effect here, and other things worth knowing.
    pub warnings: Vec<String>,
    pub updated_at: String,
}

/// What is true of the workspace now; each variant says what serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkspaceState)]
pub enum State {
    /// A first deployment is on its way; nothing serves yet.
    Deploying,
    /// The release that is to run serves: the bucket's, or the one that the workspace is pinned to.
    Live,
    /// A release serves, while a newer one is being deployed.
    Updating,
    /// The release that is to run failed or was cancelled; the one before it serves.
    Degraded,
    /// The release that is to run failed or was cancelled, and nothing serves.
    Failed,
    /// `.nomonitor` in the workspace: left alone.
    Ignored,
    /// Nothing of it runs because somebody stopped it.
    Stopped,
    /// Nothing is left in the bucket, and nothing runs.
    Removed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    pub id: String,
    /// Unknown until the bucket was listed.
    pub release: Option<ReleaseDigest>,
    pub cause: Cause,
    /// Who asked for it through the API, as the audit names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The trace that the command came with: the same in the logs of the functions and of the agent.
    #[serde(default, deserialize_with = "trace::lenient", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub traceparent: Option<TraceParent>,
    /// What happened before it, from the object that was put on; none where no push is the cause.
    #[serde(default, deserialize_with = "origin::lenient", skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub outcome: Outcome,
    pub steps: Vec<Step>,
    /// [`crate::desired::Desired::restarts`] when it was made.
    #[serde(default)]
    pub restarts: u64,
    /// What served when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseDigest>,
    /// When it went live, also where it has failed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_at: Option<String>,
    /// It failed, and this release is to serve in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<ReleaseDigest>,
    /// This one failed before it changed anything, as an archive that is refused does. The one before still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub before: Option<Box<Deployment>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    Running,
    Live,
    Failed(Failure),
    /// Somebody asked for its end before it was live.
    Cancelled,
    /// Something newer took its place before it was live.
    Superseded,
    /// Not tried: the workspace is pinned or stopped. It can be gone forward to.
    HeldBack,
}

/// One step of a deployment. In the order in which they come: list, settle, fetch, then pull, build and dependencies for each
/// service that needs them, start, check, keep where the platform bucket is slower than all that, switch; or, where the
/// containers stay, sync and restart. The deployment is live then, and drain is what the old containers still carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    pub name: String,
    /// Milliseconds since the deployment started.
    pub at_ms: u64,
    /// `None` while the step runs.
    pub took_ms: Option<u64>,
}

impl Step {
    /// What follows once the deployment is live: the old containers finish what they carry.
    pub const DRAIN: &str = "drain";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// What failed, in one sentence.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The end of the log of what failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatus {
    pub service: String,
    pub container: String,
    pub image: String,
    /// How its containers are replaced.
    #[serde(default, skip_serializing_if = "Strategy::is_rolling")]
    pub strategy: Strategy,
    /// It has done its work, has ended with code 0, and is not run again before it changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub completed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The new one takes the traffic once it is ready, and then the old one goes.
    #[default]
    Rolling,
    /// The old one is stopped before the new one starts: in between there is none.
    Recreate,
}

impl Strategy {
    pub fn is_rolling(&self) -> bool {
        *self == Self::Rolling
    }
}

impl WorkspaceStatus {
    pub const VERSION: u32 = 1;

    /// Whether all that is known of the workspace is an archive that could not be taken.
    pub fn only_refused(&self) -> bool {
        let refused = self.archive.as_ref().is_some_and(|archive| archive.refused().is_some());
        refused && self.state == State::Failed && self.release.is_none()
    }

    /// The last deployment that changed something, or was to: what follows from deployments follows from this one.
    pub fn last(&self) -> Option<&Deployment> {
        let last = self.deployment.as_ref()?;
        Some(last.before.as_deref().unwrap_or(last))
    }

    /// A workspace that was only just heard of, at the time `updated_at`.
    pub fn new(workspace: WorkspaceName, updated_at: String) -> Self {
        Self {
            version: Self::VERSION,
            workspace,
            state: State::Deploying,
            release: None,
            pinned: None,
            held_back: None,
            urls: Vec::new(),
            deployment: None,
            services: Vec::new(),
            default_compose: None,
            about: None,
            archive: None,
            committed: None,
            uncommitted: None,
            warnings: Vec::new(),
            updated_at,
        }
    }
}
