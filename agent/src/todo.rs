//! What a look at a workspace asks for: decided purely, from the bucket's listing, what was deployed last, and what
//! runs.

use cloudyknight_core::command::Cause;
use cloudyknight_core::manifest::Manifest;
use cloudyknight_core::status::{Outcome, State, WorkspaceStatus};

use crate::plan::Running;

/// The file that says: leave this workspace alone.
pub const IGNORE: &str = ".nomonitor";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// What runs is what the bucket holds, or has been tried and has failed.
    Nothing,
    /// Note that the workspace is to be left alone, and touch nothing.
    Ignore,
    /// The bucket differs from what was deployed: wait until the push is complete, then deploy or remove.
    Deploy,
}

/// `retrying`: the last failure was not the release's fault, and another try was promised.
pub fn todo(
    manifest: &Manifest,
    status: Option<&WorkspaceStatus>,
    running: &Running,
    cause: &Cause,
    retrying: bool,
) -> Todo {
    if manifest.is_empty() {
        let known = status.is_some_and(|status| status.state != State::Removed);
        let runs = !running.live.is_empty() || !running.leftovers.is_empty();
        return if known || runs { Todo::Deploy } else { Todo::Nothing };
    }
    let ignored = status.is_some_and(|status| status.state == State::Ignored);
    if manifest.entries.contains_key(IGNORE) {
        return if ignored { Todo::Nothing } else { Todo::Ignore };
    }
    let Some(last) = status.and_then(|status| status.deployment.as_ref()) else { return Todo::Deploy };
    if ignored || last.release.as_ref() != Some(&manifest.digest()) {
        return Todo::Deploy;
    }
    let settled = match last.outcome {
        Outcome::Live => running.serves(),
        // The same release fails the same way, unless what failed was not the release, somebody asks for another
        // try, or the world was restarted.
        Outcome::Failed(_) => !retrying && !matches!(cause, Cause::Requested | Cause::AgentStarted),
        // Somebody wanted it no longer: only asking brings it back.
        Outcome::Cancelled => !matches!(cause, Cause::Requested),
        Outcome::Running | Outcome::Superseded => false,
    };
    if settled { Todo::Nothing } else { Todo::Deploy }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloudyknight_core::manifest::Entry;
    use cloudyknight_core::status::{Deployment, Failure};

    use super::*;
    use crate::identity::{DeploymentId, Identity, Slot};
    use crate::plan::{Condition, Seen};

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = Entry { etag: "e".into(), size: 1 };
        Manifest { entries: paths.iter().map(|path| ((*path).to_owned(), entry.clone())).collect() }
    }

    fn status(state: State, deployed: &Manifest, outcome: Outcome) -> WorkspaceStatus {
        let mut status = WorkspaceStatus::new("app".parse().unwrap(), "now".into());
        status.state = state;
        status.deployment = Some(Deployment {
            id: "1".into(),
            release: Some(deployed.digest()),
            cause: Cause::Sweep,
            traceparent: None,
            started_at: "then".into(),
            finished_at: None,
            outcome,
            steps: Vec::new(),
            restarts: 0,
        });
        status
    }

    fn running(condition: Condition) -> Running {
        let identity = Identity {
            workspace: "app".parse().unwrap(),
            service: "web".into(),
            deployment: DeploymentId("1".into()),
            release: manifest(&["a"]).digest(),
            spec: "s".into(),
            slot: Slot::Blue,
            name: "workspace-app".into(),
            source: None,
            routes: Vec::new(),
            one_shot: false,
            restart: crate::compose::model::Restart::Unset,
            stop_grace: None,
            pre_stop: Vec::new(),
        };
        let networks = Default::default();
        let seen = Seen { id: "c".into(), name: "workspace-app".into(), identity, condition, networks };
        Running { live: BTreeMap::from([("web".into(), seen)]), ..Running::default() }
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure { message: "m".into(), service: None, hint: None, log: Vec::new() })
    }

    #[test]
    fn a_new_workspace_is_deployed() {
        assert_eq!(todo(&manifest(&["a"]), None, &Running::default(), &Cause::Sweep, false), Todo::Deploy);
    }

    #[test]
    fn what_is_live_and_runs_needs_nothing_whatever_woke_us() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        for cause in [Cause::Sweep, Cause::AgentStarted, Cause::Requested] {
            assert_eq!(todo(&held, Some(&live), &running(Condition::Running), &cause, false), Todo::Nothing);
        }
    }

    #[test]
    fn what_is_live_but_does_not_run_is_deployed_again() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        let dead = running(Condition::Exited { code: 137 });
        assert_eq!(todo(&held, Some(&live), &dead, &Cause::AgentStarted, false), Todo::Deploy);
        assert_eq!(todo(&held, Some(&live), &Running::default(), &Cause::AgentStarted, false), Todo::Deploy);
    }

    #[test]
    fn a_changed_bucket_is_deployed_also_after_a_failure() {
        for outcome in [Outcome::Live, failed(), Outcome::Running] {
            let before = status(State::Degraded, &manifest(&["a"]), outcome);
            let now = manifest(&["a", "b"]);
            assert_eq!(
                todo(&now, Some(&before), &running(Condition::Running), &Cause::Sweep, false),
                Todo::Deploy
            );
        }
    }

    #[test]
    fn a_failed_release_is_tried_again_only_for_a_reason() {
        let held = manifest(&["a"]);
        let status = status(State::Failed, &held, failed());
        let check = |cause: Cause, retrying: bool, expected: Todo| {
            assert_eq!(
                todo(&held, Some(&status), &Running::default(), &cause, retrying),
                expected,
                "{cause:?}"
            );
        };
        check(Cause::Sweep, false, Todo::Nothing);
        check(Cause::Put { path: "a".into(), more: 0 }, false, Todo::Nothing);
        check(Cause::Put { path: "a".into(), more: 0 }, true, Todo::Deploy);
        check(Cause::Requested, false, Todo::Deploy);
        check(Cause::AgentStarted, false, Todo::Deploy);
    }

    #[test]
    fn an_interrupted_deployment_is_done_again() {
        let held = manifest(&["a"]);
        let status = status(State::Updating, &held, Outcome::Running);
        assert_eq!(
            todo(&held, Some(&status), &running(Condition::Running), &Cause::Sweep, false),
            Todo::Deploy
        );
    }

    #[test]
    fn an_empty_workspace_is_taken_away_once() {
        let live = status(State::Live, &manifest(&["a"]), Outcome::Live);
        let removed = status(State::Removed, &manifest(&["a"]), Outcome::Live);
        let check = |status: Option<&WorkspaceStatus>, running: Running, expected: Todo| {
            assert_eq!(todo(&Manifest::default(), status, &running, &Cause::Sweep, false), expected);
        };
        check(Some(&live), running(Condition::Running), Todo::Deploy);
        check(Some(&removed), Running::default(), Todo::Nothing);
        check(Some(&removed), running(Condition::Running), Todo::Deploy);
        check(None, Running::default(), Todo::Nothing);
        check(None, running(Condition::Running), Todo::Deploy);
    }

    #[test]
    fn a_workspace_that_asks_for_it_is_left_alone_and_taken_up_again_later() {
        let marked = manifest(&["a", IGNORE]);
        let live = status(State::Live, &manifest(&["a"]), Outcome::Live);
        let ignored = status(State::Ignored, &manifest(&["a"]), Outcome::Live);
        let check = |manifest: &Manifest, status: &WorkspaceStatus, expected: Todo| {
            let running = running(Condition::Running);
            assert_eq!(todo(manifest, Some(status), &running, &Cause::Sweep, false), expected);
        };
        check(&marked, &live, Todo::Ignore);
        check(&marked, &ignored, Todo::Nothing);
        check(&manifest(&["a"]), &ignored, Todo::Deploy);
    }
}
