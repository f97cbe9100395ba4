//! What a look at a workspace asks for: decided purely, from the bucket's listing, what people asked for, what was
//! deployed last, and what runs.

use cloudyknight_core::command::Cause;
use cloudyknight_core::desired::Desired;
use cloudyknight_core::manifest::{Manifest, ReleaseDigest};
use cloudyknight_core::status::{Deployment, Outcome, State, WorkspaceStatus};

use crate::plan::Running;

/// The file that says: leave this workspace alone.
pub const IGNORE: &str = ".nomonitor";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// What runs is what is to run, or has been tried and has failed.
    Nothing,
    /// Note that the workspace is to be left alone, and touch nothing.
    Ignore,
    /// Take everything that runs away, and leave what it keeps.
    Stop,
    /// The bucket holds something that is not to run: keep it, so that one can go forward to it.
    Hold,
    /// The bucket differs from what was deployed: wait until the push is complete, then deploy or remove.
    Deploy,
    /// Deploy a release that was kept: somebody pinned the workspace to it.
    GoBack(ReleaseDigest),
    /// Deploy a release that was kept in the place of what was deployed last, which is not to be tried again.
    FallBack(ReleaseDigest),
}

/// What is seen.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub manifest: &'a Manifest,
    pub desired: &'a Desired,
    pub status: Option<&'a WorkspaceStatus>,
    pub running: &'a Running,
    pub cause: &'a Cause,
    /// The last failure was not the release's fault, and another try was promised.
    pub retrying: bool,
}

pub fn todo(look: &Look<'_>) -> Todo {
    let Look { manifest, desired, status, running, .. } = *look;
    let state = status.map(|status| status.state);
    if manifest.is_empty() && desired.pinned.is_none() {
        if status.is_some_and(WorkspaceStatus::only_refused) && !runs(running) {
            return Todo::Nothing;
        }
        let known = state.is_some_and(|state| state != State::Removed);
        return if known || runs(running) { Todo::Deploy } else { Todo::Nothing };
    }
    if manifest.entries.contains_key(IGNORE) {
        return if state == Some(State::Ignored) { Todo::Nothing } else { Todo::Ignore };
    }
    if desired.stopped {
        if state != Some(State::Stopped) || runs(running) {
            return Todo::Stop;
        }
        return hold(look);
    }
    let target = desired.pinned.as_ref().map_or_else(|| manifest.digest(), |pin| pin.release.clone());
    let deploy = match &desired.pinned {
        Some(pin) => Todo::GoBack(pin.release.clone()),
        None => Todo::Deploy,
    };
    let last = status.and_then(WorkspaceStatus::last);
    let idle = matches!(state, Some(State::Ignored | State::Stopped | State::Removed));
    let Some(last) = last.filter(|last| !idle && last.release.as_ref() == Some(&target)) else {
        return deploy;
    };
    let is_over = match last.outcome {
        Outcome::Live => running.serves() && last.restarts == desired.restarts,
        // The same release fails the same way, unless what failed was not the release, somebody asks for another
        // try, or the world was restarted. One that was live and fell is only tried again when somebody asks.
        Outcome::Failed(_) => {
            let fell = last.live_at.is_some() && last.instead.is_some();
            let again = look.retrying || (*look.cause == Cause::AgentStarted && !fell);
            !again && !is_asked(look.cause)
        }
        // Somebody wanted it no longer: only asking brings it back.
        Outcome::Cancelled => !is_asked(look.cause),
        Outcome::Running | Outcome::Superseded | Outcome::HeldBack => false,
    };
    match instead(last, status, running, desired) {
        _ if !is_over => deploy,
        Some(other) => Todo::FallBack(other),
        None => hold(look),
    }
}

fn runs(running: &Running) -> bool {
    !running.live.is_empty() || !running.leftovers.is_empty()
}

/// Somebody asks for what they may have asked for before.
fn is_asked(cause: &Cause) -> bool {
    matches!(cause, Cause::Requested | Cause::RolledBack { .. } | Cause::Unpinned | Cause::Started)
}

/// The release that is to serve in the place of the last one, and does not, or not since it was to be restarted.
fn instead(
    last: &Deployment,
    status: Option<&WorkspaceStatus>,
    running: &Running,
    desired: &Desired,
) -> Option<ReleaseDigest> {
    if last.outcome == Outcome::Live {
        return None;
    }
    let serves = status.and_then(|status| status.release.as_ref());
    let restart = serves.filter(|_| last.restarts != desired.restarts);
    let fell = last.instead.as_ref().filter(|other| serves != Some(*other) || !running.serves());
    restart.or(fell).cloned()
}

fn hold(look: &Look<'_>) -> Todo {
    let known = look.status.and_then(|status| status.held_back.as_ref());
    match look.desired.held_back(look.manifest) {
        Some(held) if known != Some(&held) => Todo::Hold,
        _ => Todo::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloudyknight_core::desired::Pin;
    use cloudyknight_core::manifest::Entry;
    use cloudyknight_core::status::Failure;

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
            by: None,
            traceparent: None,
            origin: None,
            started_at: "then".into(),
            finished_at: None,
            outcome,
            steps: Vec::new(),
            restarts: 0,
            previous: None,
            live_at: None,
            instead: None,
            before: None,
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
            slot: Slot::FIRST,
            name: "workspace-app".into(),
            source: None,
            routes: Vec::new(),
            traefik: None,
            one_shot: false,
            may_end: false,
            restart: crate::compose::model::Restart::Unset,
            stop_grace: None,
            pre_stop: Vec::new(),
        };
        let networks = Default::default();
        let seen = Seen { id: "c".into(), name: "workspace-app".into(), identity, condition, networks };
        Running { live: BTreeMap::from([("web".into(), seen)]), ..Running::default() }
    }

    /// What is to be done where nobody asked for anything but what the bucket holds.
    fn plain(
        manifest: &Manifest,
        status: Option<&WorkspaceStatus>,
        running: &Running,
        cause: &Cause,
        retrying: bool,
    ) -> Todo {
        let desired = Desired::default();
        todo(&Look { manifest, desired: &desired, status, running, cause, retrying })
    }

    fn asked(desired: &Desired, manifest: &Manifest, status: &WorkspaceStatus, cause: &Cause) -> Todo {
        let running = running(Condition::Running);
        todo(&Look { manifest, desired, status: Some(status), running: &running, cause, retrying: false })
    }

    fn pinned(to: &Manifest) -> Desired {
        Desired { pinned: Some(Pin { release: to.digest(), at: "now".into() }), ..Desired::default() }
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure { message: "m".into(), service: None, hint: None, log: Vec::new() })
    }

    #[test]
    fn a_new_workspace_is_deployed() {
        assert_eq!(plain(&manifest(&["a"]), None, &Running::default(), &Cause::Sweep, false), Todo::Deploy);
    }

    #[test]
    fn what_is_live_and_runs_needs_nothing_whatever_woke_us() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        for cause in [Cause::Sweep, Cause::AgentStarted, Cause::Requested] {
            assert_eq!(plain(&held, Some(&live), &running(Condition::Running), &cause, false), Todo::Nothing);
        }
    }

    #[test]
    fn what_is_live_but_does_not_run_is_deployed_again() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        let dead = running(Condition::Exited { code: 137 });
        assert_eq!(plain(&held, Some(&live), &dead, &Cause::AgentStarted, false), Todo::Deploy);
        assert_eq!(plain(&held, Some(&live), &Running::default(), &Cause::AgentStarted, false), Todo::Deploy);
    }

    #[test]
    fn a_changed_bucket_is_deployed_also_after_a_failure() {
        for outcome in [Outcome::Live, failed(), Outcome::Running] {
            let before = status(State::Degraded, &manifest(&["a"]), outcome);
            let now = manifest(&["a", "b"]);
            assert_eq!(
                plain(&now, Some(&before), &running(Condition::Running), &Cause::Sweep, false),
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
                plain(&held, Some(&status), &Running::default(), &cause, retrying),
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
            plain(&held, Some(&status), &running(Condition::Running), &Cause::Sweep, false),
            Todo::Deploy
        );
    }

    #[test]
    fn an_empty_workspace_is_taken_away_once() {
        let live = status(State::Live, &manifest(&["a"]), Outcome::Live);
        let removed = status(State::Removed, &manifest(&["a"]), Outcome::Live);
        let check = |status: Option<&WorkspaceStatus>, running: Running, expected: Todo| {
            assert_eq!(plain(&Manifest::default(), status, &running, &Cause::Sweep, false), expected);
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
            assert_eq!(plain(manifest, Some(status), &running, &Cause::Sweep, false), expected);
        };
        check(&marked, &live, Todo::Ignore);
        check(&marked, &ignored, Todo::Nothing);
        check(&manifest(&["a"]), &ignored, Todo::Deploy);
    }

    #[test]
    fn what_somebody_cancelled_is_not_tried_again_until_somebody_asks() {
        let held = manifest(&["a"]);
        let status = status(State::Degraded, &held, Outcome::Cancelled);
        let check = |cause: Cause, expected: Todo| {
            assert_eq!(plain(&held, Some(&status), &running(Condition::Running), &cause, false), expected);
        };
        check(Cause::Sweep, Todo::Nothing);
        check(Cause::AgentStarted, Todo::Nothing);
        check(Cause::Put { path: "a".into(), more: 0 }, Todo::Nothing);
        check(Cause::Requested, Todo::Deploy);
        let pushed = manifest(&["a", "b"]);
        assert_eq!(asked(&Desired::default(), &pushed, &status, &Cause::Sweep), Todo::Deploy);
    }

    #[test]
    fn a_pinned_workspace_runs_its_release_whatever_is_pushed_and_keeps_what_was() {
        let (old, new) = (manifest(&["a"]), manifest(&["a", "b"]));
        let live_new = status(State::Live, &new, Outcome::Live);
        let pin = pinned(&old);
        assert_eq!(asked(&pin, &new, &live_new, &Cause::Sweep), Todo::GoBack(old.digest()));
        let mut live_old = status(State::Live, &old, Outcome::Live);
        assert_eq!(asked(&pin, &new, &live_old, &Cause::Sweep), Todo::Hold);
        live_old.held_back = Some(new.digest());
        assert_eq!(asked(&pin, &new, &live_old, &Cause::Sweep), Todo::Nothing);
        assert_eq!(asked(&pin, &old, &live_old, &Cause::Sweep), Todo::Nothing, "it is what the bucket holds");
        assert_eq!(asked(&pin, &Manifest::default(), &live_old, &Cause::Sweep), Todo::Nothing);
        // Unpinned, the bucket counts again.
        assert_eq!(asked(&Desired::default(), &new, &live_old, &Cause::Unpinned), Todo::Deploy);
        assert_eq!(asked(&Desired::default(), &old, &live_old, &Cause::Unpinned), Todo::Nothing);
    }

    #[test]
    fn what_failed_before_it_changed_anything_changes_nothing_of_what_is_to_be_done() {
        let held = manifest(&["a"]);
        let check = |before: WorkspaceStatus, running: &Running| {
            let mut after = before.clone();
            let Some(last) = before.deployment.clone() else { unreachable!() };
            after.state = State::Degraded;
            after.deployment = Some(Deployment {
                id: "refused".into(),
                outcome: failed(),
                live_at: None,
                instead: None,
                before: Some(Box::new(last)),
                ..before.deployment.clone().unwrap()
            });
            for cause in [Cause::Sweep, Cause::AgentStarted, Cause::Requested] {
                let plain = |status| plain(&held, Some(status), running, &cause, false);
                assert_eq!(plain(&after), plain(&before), "{cause:?} {before:?}");
            }
        };
        for outcome in [Outcome::Live, Outcome::Superseded, Outcome::Running, Outcome::Cancelled, failed()] {
            for running in [running(Condition::Running), Running::default()] {
                check(status(State::Live, &held, outcome.clone()), &running);
            }
        }
    }

    #[test]
    fn a_pinned_release_that_fails_is_tried_again_only_when_somebody_asks() {
        let (old, new) = (manifest(&["a"]), manifest(&["a", "b"]));
        let mut status = status(State::Degraded, &old, failed());
        status.held_back = Some(new.digest());
        let pin = pinned(&old);
        assert_eq!(asked(&pin, &new, &status, &Cause::Sweep), Todo::Nothing);
        let again = Cause::RolledBack { to: old.digest() };
        assert_eq!(asked(&pin, &new, &status, &again), Todo::GoBack(old.digest()));
    }

    #[test]
    fn a_stopped_workspace_runs_nothing_until_it_is_started() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        let mut stopped = status(State::Stopped, &held, Outcome::Live);
        let stop = Desired { stopped: true, ..Desired::default() };
        let check = |status: &WorkspaceStatus, desired: &Desired, running: &Running, expected: Todo| {
            let look = Look {
                manifest: &held,
                desired,
                status: Some(status),
                running,
                cause: &Cause::Sweep,
                retrying: false,
            };
            assert_eq!(todo(&look), expected);
        };
        let (up, nothing) = (running(Condition::Running), Running::default());
        check(&live, &stop, &up, Todo::Stop);
        check(&stopped, &stop, &up, Todo::Stop);
        check(&stopped, &stop, &nothing, Todo::Hold);
        stopped.held_back = Some(held.digest());
        check(&stopped, &stop, &nothing, Todo::Nothing);
        check(&stopped, &Desired::default(), &nothing, Todo::Deploy);
        check(&stopped, &pinned(&held), &nothing, Todo::GoBack(held.digest()));
        let both = Desired { stopped: true, ..pinned(&held) };
        check(&stopped, &both, &nothing, Todo::Nothing);
    }

    #[test]
    fn a_restart_deploys_what_serves_once() {
        let held = manifest(&["a"]);
        let live = status(State::Live, &held, Outcome::Live);
        let restart = Desired { restarts: 1, ..Desired::default() };
        assert_eq!(asked(&restart, &held, &live, &Cause::Restarted), Todo::Deploy);
        let mut restarted = live.clone();
        restarted.deployment.as_mut().unwrap().restarts = 1;
        assert_eq!(asked(&restart, &held, &restarted, &Cause::Restarted), Todo::Nothing);
        // What failed is not what serves.
        let mut degraded = status(State::Degraded, &held, failed());
        let serves = manifest(&["old"]).digest();
        degraded.release = Some(serves.clone());
        assert_eq!(asked(&restart, &held, &degraded, &Cause::Restarted), Todo::FallBack(serves));
    }

    #[test]
    fn a_release_that_fell_is_replaced_by_the_one_before_and_not_tried_again() {
        let (old, new) = (manifest(&["a"]), manifest(&["a", "b"]));
        let mut status = status(State::Degraded, &new, failed());
        status.release = Some(new.digest());
        let last = status.deployment.as_mut().unwrap();
        (last.live_at, last.instead) = (Some("then".into()), Some(old.digest()));
        let plain = |status: &WorkspaceStatus, cause: &Cause| asked(&Desired::default(), &new, status, cause);
        assert_eq!(plain(&status, &Cause::Sweep), Todo::FallBack(old.digest()));
        status.release = Some(old.digest());
        for cause in [Cause::Sweep, Cause::AgentStarted, Cause::Put { path: "b".into(), more: 0 }] {
            assert_eq!(plain(&status, &cause), Todo::Nothing, "{cause:?}");
        }
        assert_eq!(plain(&status, &Cause::Requested), Todo::Deploy);
    }
}
