//! Probation: a release whose new containers fail soon after it went live does not hold, and the one before serves again,
//! out of what was kept of it.
//!
//! What Docker tells is only noted here; what to do about it is decided by the next look at the workspace, from the
//! status: it says which release is to serve instead. So it is done once, and also when the agent ends in between.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudyknight_core::command::Cause;
use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::status::{Deployment, Failure, Outcome, State};
use cloudyknight_core::workspace::WorkspaceName;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::{Ask, Next, Reconciler, note_release};
use crate::deploy::{self, DeployError, Kind, Newcomer, with_causes};
use crate::engine::{Happened, What};
use crate::identity::Identity;
use crate::plan::Running;

pub struct Probation {
    until: Instant,
    /// By id.
    newcomers: BTreeMap<String, Newcomer>,
    /// Those that the kernel ended something in for want of memory.
    starved: Vec<String>,
    fallen: Option<Fallen>,
}

/// How a container failed.
struct Fallen {
    container: String,
    service: String,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Exited { code: i64, out_of_memory: bool },
    Unhealthy,
}

const LOG_LINES: usize = 30;

impl Reconciler {
    /// A release went live with these containers, and with those that an agent made live which did not live to tell.
    pub(super) fn watch_over(&self, workspace: &WorkspaceName, mut newcomers: BTreeMap<String, Newcomer>) {
        newcomers.extend(self.remember(workspace, |memory| std::mem::take(&mut memory.switched_untold)));
        let last = self.board.get(workspace).and_then(|status| status.deployment);
        let fell_back = matches!(last.map(|last| last.cause), Some(Cause::FellBack { .. }));
        // There is nothing behind what was fallen back to: it served before.
        let watched = !fell_back && !self.tools.settings.probation.is_zero() && !newcomers.is_empty();
        let until = Instant::now() + self.tools.settings.probation;
        let probation = Probation { until, newcomers, starved: Vec::new(), fallen: None };
        self.remember(workspace, |memory| {
            memory.is_taken_over = true;
            memory.probation = watched.then_some(probation);
        });
    }

    /// Docker tells of a container. Answers whether the workspace is to be looked at.
    pub fn happened(&self, happened: &Happened) -> bool {
        self.remember(&happened.workspace, |memory| {
            let Some(probation) = &mut memory.probation else { return false };
            if Instant::now() > probation.until {
                memory.probation = None;
                return false;
            }
            let Some(newcomer) = probation.newcomers.get(&happened.container) else { return false };
            if happened.at.zip(newcomer.since).is_some_and(|(at, since)| at < since) {
                // It was restarted: that is how it was stopped before.
                return false;
            }
            let how = match happened.what {
                What::Started | What::Ended => return false,
                What::Starved => {
                    probation.starved.push(happened.container.clone());
                    return false;
                }
                What::Died { code: 0 } if newcomer.may_end => return false,
                What::Died { code } => {
                    How::Exited { code, out_of_memory: probation.starved.contains(&happened.container) }
                }
                What::Unhealthy => How::Unhealthy,
            };
            let (container, service) = (happened.container.clone(), newcomer.service.clone());
            probation.fallen.get_or_insert(Fallen { container, service, how });
            true
        })
    }

    /// Finds out whether the release that went live last has failed since.
    pub(super) async fn look_after_what_went_live(
        &self,
        workspace: &WorkspaceName,
    ) -> Result<(), DeployError> {
        if !self.remember(workspace, |memory| std::mem::replace(&mut memory.is_taken_over, true)) {
            self.take_over(workspace).await?;
        }
        let fallen = self.remember(workspace, |memory| {
            let fallen = memory.probation.as_mut().and_then(|probation| probation.fallen.take());
            if fallen.is_some() {
                memory.probation = None;
            }
            fallen
        });
        match fallen {
            Some(fallen) => self.fell(workspace, fallen).await,
            None => Ok(()),
        }
    }

    /// What an earlier agent made live goes on being on probation, or has failed while nobody looked.
    async fn take_over(&self, workspace: &WorkspaceName) -> Result<(), DeployError> {
        let Some(status) = self.board.get(workspace) else { return Ok(()) };
        let Some(last) = status.last().cloned() else { return Ok(()) };
        let serves = status.release;
        let running = Running::recover(self.tools.engine.containers(Some(workspace)).await?);
        let is_untold = |one: &Identity| one.deployment.0 > last.id && serves.as_ref() != Some(&one.release);
        let untold = running.live.values().filter(|one| is_untold(&one.identity));
        let untold = untold.map(|one| (one.id.clone(), Newcomer::of(&one.identity))).collect();
        self.remember(workspace, |memory| memory.switched_untold = untold);
        if last.outcome == Outcome::Running && last.steps.iter().any(|step| step.name == deploy::SYNC) {
            // An agent ended while it put files into what runs.
            self.remember(workspace, |memory| memory.is_mixed = true);
        }
        let live_at = last.live_at.as_deref().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        let fell_back = matches!(last.cause, Cause::FellBack { .. });
        let (Some(live_at), Outcome::Live, false) = (live_at, &last.outcome, fell_back) else {
            return Ok(());
        };
        let probation = self.tools.settings.probation;
        let mut newcomers = BTreeMap::new();
        let mut fallen = None;
        for one in running.live.values().filter(|one| one.identity.deployment.0 == last.id) {
            let newcomer = Newcomer::of(&one.identity);
            let end = self.tools.engine.end(&one.id).await?;
            if let Some(end) = end.filter(|end| end.code != 0 || !newcomer.may_end)
                && is_within(live_at, end.at, probation)
            {
                let how = How::Exited { code: end.code, out_of_memory: end.out_of_memory };
                let (container, service) = (one.id.clone(), newcomer.service.clone());
                fallen.get_or_insert(Fallen { container, service, how });
            }
            newcomers.insert(one.id.clone(), newcomer);
        }
        let since = (OffsetDateTime::now_utc() - live_at).try_into().unwrap_or(Duration::ZERO);
        let rest = probation.saturating_sub(since);
        if fallen.is_some() || !rest.is_zero() {
            let probation =
                Probation { until: Instant::now() + rest, newcomers, starved: Vec::new(), fallen };
            self.remember(workspace, |memory| memory.probation = Some(probation));
        }
        Ok(())
    }

    /// Writes down that the release that went live has failed, and which one is to serve instead.
    async fn fell(&self, workspace: &WorkspaceName, fallen: Fallen) -> Result<(), DeployError> {
        let Some(status) = self.board.get(workspace) else { return Ok(()) };
        let Some(last) = status.last().filter(|last| last.outcome == Outcome::Live).cloned() else {
            return Ok(());
        };
        let log = self.tools.engine.log_tail(&fallen.container, LOG_LINES).await;
        let instead = self.before(workspace).await;
        let live_at = last.live_at.as_deref().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        let after = live_at.map_or(0, |live_at| (OffsetDateTime::now_utc() - live_at).whole_seconds().max(0));
        let failure = failure(&fallen, after, instead.as_ref(), log);
        tracing::warn!(%workspace, error = failure.message, "a release did not hold");
        self.board.update(workspace, |status| {
            // What serves until the other one does is what is left of it.
            status.state = State::Degraded;
            status.deployment =
                Some(Deployment { outcome: Outcome::Failed(failure), instead, ..last.clone() });
        });
        self.note(workspace, self.at_hand(workspace, last.release.as_ref()).as_ref()).await;
        self.tell(workspace).await
    }

    fn at_hand(
        &self,
        workspace: &WorkspaceName,
        release: Option<&ReleaseDigest>,
    ) -> Option<cloudyknight_core::manifest::Manifest> {
        let manifest = self.remember(workspace, |memory| memory.manifest.clone());
        (Some(&manifest.digest()) == release).then_some(manifest)
    }

    /// What served before the last deployment, if it is another release and was kept.
    pub(super) async fn before(&self, workspace: &WorkspaceName) -> Option<ReleaseDigest> {
        let status = self.board.get(workspace)?;
        let last = status.last()?.clone();
        let before = last.previous.filter(|before| last.release.as_ref() != Some(before))?;
        match self.tools.releases.list(workspace).await {
            Ok(kept) => kept.contains(&before).then_some(before),
            Err(error) => {
                // That it is there is found out when it is fetched, which is tried until somebody answers.
                tracing::debug!(%workspace, error = with_causes(&error), "the releases cannot be listed");
                Some(before)
            }
        }
    }

    /// Has a release serve in the place of the one that was deployed last, which stays what the status tells of.
    pub(super) async fn fall_back(
        &self,
        workspace: &WorkspaceName,
        release: &ReleaseDigest,
        ask: &Ask,
    ) -> Result<Option<Next>, DeployError> {
        let Some(before) = self.board.get(workspace).and_then(|status| status.last().cloned()) else {
            return Ok(None);
        };
        // Nobody asked for a release to fail.
        let (cause, by) = match (&before.instead, &before.release) {
            (Some(instead), Some(from)) if instead == release => {
                (Cause::FellBack { from: from.clone() }, None)
            }
            _ => (Cause::Restarted, ask.by.clone()),
        };
        let ask = Ask { cause, by, traceparent: ask.traceparent.clone(), origin: None };
        let try_ = self.begin(workspace, &ask, None);
        self.board.update(workspace, |status| note_release(status, release.clone()));
        let deployed = self.deploy_kept(workspace, &try_, release).await;
        let next = match deployed {
            Ok((manifest, deployed)) => {
                let told = self.live(workspace, manifest, deployed, &try_.progress).await;
                // Failures of telling are made good by the next look.
                told.map(|()| Some(Next::Done))
            }
            Err(error) if error.kind() == Kind::Human => {
                self.ended(workspace, &error, None).await.map(|_| Some(Next::Done))
            }
            Err(error) => self.ended(workspace, &error, None).await,
        };
        let after = self.board.get(workspace);
        let outcome = after.as_ref().and_then(|status| status.deployment.as_ref()).map(|last| &last.outcome);
        let (serves, is_over) = (
            outcome == Some(&Outcome::Live),
            matches!(outcome, Some(Outcome::Failed(_) | Outcome::Cancelled)),
        );
        let given_up = is_over && !self.remember(workspace, |memory| std::mem::take(&mut memory.try_again));
        self.board.update(workspace, |status| {
            let mut told = before;
            if serves {
                told.restarts = try_.desired.restarts;
            }
            if let Outcome::Failed(failure) = &mut told.outcome {
                let says = if serves { "serves again" } else { "could not be brought back" };
                if serves || given_up {
                    failure.message = conclude(&failure.message, release, says);
                }
            }
            if given_up {
                told.instead = None;
                told.restarts = try_.desired.restarts;
            }
            status.deployment = Some(told);
            status.state = if status.release.is_some() { State::Degraded } else { State::Failed };
        });
        self.note(workspace, None).await;
        self.tell(workspace).await?;
        next
    }
}

/// Whether it ended so soon after it had gone live.
fn is_within(live_at: OffsetDateTime, end: OffsetDateTime, probation: Duration) -> bool {
    end >= live_at && end - live_at <= probation
}

const NEXT: &str = "; release ";

fn failure(fallen: &Fallen, after_s: i64, instead: Option<&ReleaseDigest>, log: Vec<String>) -> Failure {
    let service = &fallen.service;
    let what = match fallen.how {
        How::Exited { code, out_of_memory: true } => format!("ran out of memory and exited with code {code}"),
        How::Exited { code, .. } => format!("exited with code {code}"),
        How::Unhealthy => "became unhealthy".to_owned(),
    };
    let then = match instead {
        Some(release) => format!("{NEXT}{} is brought back", release.short()),
        None => "; there is no release before it to go back to".to_owned(),
    };
    let hint = match instead {
        Some(_) => "push a better release; `cloudyknight retry` tries this one again",
        None => {
            "Docker starts it again as its restart policy says; push a better release, or `cloudyknight retry`"
        }
    };
    Failure {
        message: format!("service `{service}` {what} {after_s} s after the release had gone live{then}"),
        service: Some(service.clone()),
        hint: Some(hint.to_owned()),
        log,
    }
}

/// Says what became of the way back.
fn conclude(message: &str, release: &ReleaseDigest, says: &str) -> String {
    let failed = message.split_once(NEXT).map_or(message, |(failed, _)| failed);
    format!("{failed}{NEXT}{} {says}", release.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> ReleaseDigest {
        "ab".repeat(32).parse().unwrap()
    }

    #[test]
    fn a_failure_says_who_failed_how_when_and_what_serves() {
        let exited = How::Exited { code: 3, out_of_memory: false };
        let fallen = Fallen { container: "c".into(), service: "web".into(), how: exited };
        let told = failure(&fallen, 4, Some(&release()), vec!["the end".into()]);
        let expected = "service `web` exited with code 3 4 s after the release had gone live; release abababababab is \
                        brought back";
        assert_eq!(told.message, expected);
        let told = conclude(&told.message, &release(), "serves again");
        assert!(told.ends_with("gone live; release abababababab serves again"), "{told}");
        let first = failure(&fallen, 4, None, Vec::new());
        assert!(first.message.ends_with("there is no release before it to go back to"), "{}", first.message);
    }

    #[test]
    fn only_an_end_within_the_window_counts() {
        let live_at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(100);
        let check = |at: u64, expected: bool| {
            let end = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(at);
            assert_eq!(is_within(live_at, end, Duration::from_secs(10)), expected, "{at}");
        };
        check(99, false);
        check(100, true);
        check(110, true);
        check(111, false);
    }
}
