//! How statuses look to people.

use std::fmt::Write;

use cloudyknight_core::archive::{Archive, ArchiveResult};
use cloudyknight_core::command::Cause;
use cloudyknight_core::commit::{MARKER, Uncommitted};
use cloudyknight_core::status::{Deployment, Failure, Outcome, State, WorkspaceStatus};

use crate::output::{ERROR, HINT};

pub fn state(state: State) -> &'static str {
    match state {
        State::Deploying => "deploying",
        State::Live => "live",
        State::Updating => "updating",
        State::Degraded => "degraded",
        State::Failed => "failed",
        State::Ignored => "ignored",
        State::Stopped => "stopped",
        State::Removed => "removed",
    }
}

/// To the second, as people read times.
pub fn when(time: &str) -> String {
    time.get(..19).map_or(time.to_owned(), |time| format!("{}Z", time.replace('T', " ")))
}

/// One line each, in columns.
pub fn table(statuses: &[WorkspaceStatus]) -> String {
    let mut rows = vec![["WORKSPACE".to_owned(), "STATE".into(), "RELEASE".into(), "URL".into()]];
    rows.extend(statuses.iter().map(|status| {
        [
            status.workspace.to_string(),
            coloured(status.state),
            status.release.as_ref().map_or("-", |release| release.short()).to_owned(),
            status.urls.first().map_or("-", String::as_str).to_owned(),
        ]
    }));
    columns(&rows)
}

/// On terminals: what needs somebody stands out.
pub fn coloured(state: State) -> String {
    let word = self::state(state);
    match state {
        State::Live => format!("\u{1b}[32m{word}\u{1b}[0m"),
        State::Degraded | State::Failed => format!("\u{1b}[31m{word}\u{1b}[0m"),
        State::Deploying | State::Updating => format!("\u{1b}[36m{word}\u{1b}[0m"),
        State::Ignored | State::Stopped | State::Removed => format!("\u{1b}[2m{word}\u{1b}[0m"),
    }
}

/// How wide a text is, without what only colours it.
fn seen(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|piece| piece.chars().count()).sum()
}

/// In columns, each as wide as its widest cell. Colours take no place.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = rows.iter().map(|row| seen(&row[column])).max().unwrap_or_default();
            format!("{cell}{:blank$}", "", blank = width - seen(cell))
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Everything about one workspace.
pub fn details(status: &WorkspaceStatus) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11} {}", value.replace('\n', "\n            "));
    };
    line("workspace", status.workspace.as_str());
    line("state", &format!("{}: {}", state(status.state), meaning(status)));
    if let Some(release) = &status.release {
        line("release", release.as_str());
    }
    if let Some(pin) = &status.pinned {
        let what = format!(
            "to {} since {}; `cloudyknight unpin {}` follows the bucket again",
            pin.release, pin.at, status.workspace
        );
        line("pinned", &what);
    }
    if let Some(held) = &status.held_back {
        let how = if status.state == State::Stopped { "start" } else { "unpin" };
        line(
            "held back",
            &format!("{held}, what the bucket holds; `cloudyknight {how} {}` deploys it", status.workspace),
        );
    }
    for url in &status.urls {
        line("url", url);
    }
    for service in &status.services {
        let completed = if service.completed { ", completed" } else { "" };
        line(
            "service",
            &format!("{} ({}, container {}){completed}", service.service, service.image, service.container),
        );
    }
    if let Some(waiting) = &status.uncommitted {
        line("waits", &uncommitted(waiting));
    }
    if let Some(archive) = &status.archive {
        line("archive", &self::archive(archive));
    }
    for warning in &status.warnings {
        line("warning", warning);
    }
    if let Some(last) = &status.deployment {
        line("deployment", &deployment(last));
        if let Outcome::Failed(failure) = &last.outcome {
            self::failure(&mut text, failure);
        }
    }
    if let Some(compose) = &status.default_compose {
        let _ = write!(text, "\nIt has no compose file; this one was made for it:\n\n{compose}");
    }
    text
}

fn uncommitted(waiting: &Uncommitted) -> String {
    format!("{}; put `{MARKER}` to deploy", changed(waiting))
}

fn changed(waiting: &Uncommitted) -> String {
    let files = match waiting.files {
        Some(1) => "1 file".to_owned(),
        Some(files) => format!("{files} files"),
        None => "files".to_owned(),
    };
    format!("{files} changed since the last commit")
}

fn archive(archive: &Archive) -> String {
    match &archive.result {
        ArchiveResult::Unpacking => format!("{} ({}) is being unpacked", archive.key, archive.etag),
        ArchiveResult::Published { put, deleted, unchanged, left_out } => {
            let mut text = format!(
                "{} ({}): {put} files put, {deleted} deleted, {unchanged} unchanged",
                archive.key, archive.etag
            );
            for what in left_out {
                let _ = write!(text, "\nleft out: {what}");
            }
            text
        }
        ArchiveResult::Waiting(failure) | ArchiveResult::Refused(failure) => {
            let what = if archive.refused().is_some() { "was refused" } else { "could not be taken yet" };
            let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!("\n{HINT} {hint}"));
            format!("{} ({}) {what}: {}{hint}", archive.key, archive.etag, failure.message)
        }
    }
}

fn meaning(status: &WorkspaceStatus) -> &'static str {
    match status.state {
        State::Deploying => "its first release is on its way",
        State::Live if status.pinned.is_some() => "the release that it is pinned to serves",
        State::Live if status.uncommitted.is_some() => "what was committed last serves",
        State::Live => "the bucket's release serves",
        State::Updating => "a release serves while a newer one is deployed",
        State::Degraded => "the newest release failed; the one before it serves",
        State::Failed => "the release failed, and nothing serves",
        State::Ignored => "it holds `.nomonitor` and is left alone",
        State::Stopped => "somebody stopped it, and nothing of it runs until `cloudyknight start`",
        State::Removed => "nothing is left in the bucket, and nothing runs",
    }
}

fn deployment(deployment: &Deployment) -> String {
    let outcome = match &deployment.outcome {
        Outcome::Running => "running",
        Outcome::Live => "done",
        Outcome::Failed(_) => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::Superseded => "superseded",
        Outcome::HeldBack => "held back",
    };
    let mut text = format!(
        "{outcome}, started {} because {}",
        deployment.started_at,
        cause(&deployment.cause, deployment.by.as_deref())
    );
    for step in &deployment.steps {
        let took = step.took_ms.map_or("…".to_owned(), |ms| format!("{ms} ms"));
        let _ = write!(text, "\n{:<13} {took:>9}", step.name);
    }
    text
}

/// Why something was deployed, and who asked for it, where that is known.
pub fn cause(cause: &Cause, by: Option<&str>) -> String {
    let somebody = by.map_or("somebody".to_owned(), |by| by.escape_debug().to_string());
    let and_more = |more: usize| if more == 0 { String::new() } else { format!(" and {more} more") };
    match cause {
        Cause::Put { path, more } => format!("{path:?}{} came", and_more(*more)),
        Cause::Delete { path, more } => format!("{path:?}{} went", and_more(*more)),
        Cause::Archive { key } => format!("the archive {key:?} came or went"),
        Cause::Sweep => "a sweep found a difference".to_owned(),
        Cause::AgentStarted => "the agent started".to_owned(),
        Cause::Requested => format!("{somebody} asked for it"),
        Cause::RolledBack { to } => format!("{somebody} went back to {}", to.short()),
        Cause::Unpinned => format!("{somebody} took a rollback back"),
        Cause::Restarted => format!("{somebody} asked for a restart"),
        Cause::Stopped => format!("{somebody} stopped it"),
        Cause::Started => format!("{somebody} started it"),
        Cause::Restored { to } => format!("{somebody} restored {}", to.short()),
        Cause::FellBack { from } => format!("{} failed soon after it had gone live", from.short()),
    }
}

fn failure(text: &mut String, failure: &Failure) {
    let _ = writeln!(text, "\n{ERROR} {}", failure.message);
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "{HINT} {hint}");
    }
    if !failure.log.is_empty() {
        let _ = writeln!(text, "\nthe end of its log:");
        for line in &failure.log {
            let _ = writeln!(text, "  {line}");
        }
    }
}

/// A failure alone, as `wait` and `push` print it.
pub fn failed(status: &WorkspaceStatus, failure: &Failure) -> String {
    let serving =
        if status.release.is_some() { "the release before it still serves" } else { "nothing serves" };
    let mut text = format!("{} was not deployed; {serving}\n", status.workspace);
    self::failure(&mut text, failure);
    text
}

/// A deployment that somebody ended, as `wait` and `push` print it.
pub fn cancelled(status: &WorkspaceStatus) -> String {
    let name = &status.workspace;
    let serving =
        if status.release.is_some() { "the release before it still serves" } else { "nothing serves" };
    format!(
        "{name} was not deployed: somebody cancelled it; {serving}\n{HINT} `cloudyknight retry {name}` tries it again\n"
    )
}

/// What is pinned, held back or not committed, and what to do about it; empty when the bucket counts.
pub fn held(status: &WorkspaceStatus) -> String {
    let name = &status.workspace;
    let mut text = String::new();
    if let Some(pin) = &status.pinned {
        let _ = writeln!(text, "note: it is pinned to {} since {}", pin.release.short(), pin.at);
    }
    if let Some(held) = &status.held_back {
        let _ = writeln!(text, "note: what the bucket holds, {}, is kept and not deployed", held.short());
    }
    if status.state == State::Stopped {
        let _ = writeln!(text, "{HINT} `cloudyknight start {name}` starts it");
    } else if status.pinned.is_some() {
        let _ = writeln!(text, "{HINT} `cloudyknight unpin {name}` follows the bucket again");
    } else if let Some(waiting) = &status.uncommitted {
        let _ = writeln!(text, "note: {}, and not deployed", changed(waiting));
        let _ = writeln!(text, "{HINT} put `{MARKER}` to deploy it, as `cloudyknight push` does");
    }
    text
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::status::{ServiceStatus, Step};

    use super::*;

    /// Without colours.
    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn status(state: State) -> WorkspaceStatus {
        let mut status = WorkspaceStatus::new("shop".parse().unwrap(), "2026-11-23T12:00:00Z".into());
        status.state = state;
        status.urls = vec!["http://localhost:8080/shop/".into(), "http://shop.localhost:8080/".into()];
        status.release = Some("a1b2c3d4e5f6".repeat(6)[..64].parse().unwrap());
        status.services = vec![ServiceStatus {
            service: "web".into(),
            container: "workspace-shop".into(),
            image: "workspace-node-ephemeral:latest".into(),
            strategy: Default::default(),
            completed: false,
        }];
        status.deployment = Some(Deployment {
            id: "20261123t120000000".into(),
            release: status.release.clone(),
            cause: Cause::Put { path: "index.js".into(), more: 2 },
            by: None,
            traceparent: None,
            origin: None,
            started_at: "2026-11-23T12:00:00Z".into(),
            finished_at: None,
            outcome: Outcome::Running,
            restarts: 0,
            previous: None,
            live_at: None,
            instead: None,
            before: None,
            steps: vec![
                Step { name: "settle".into(), at_ms: 0, took_ms: Some(104) },
                Step { name: "fetch".into(), at_ms: 104, took_ms: None },
            ],
        });
        status
    }

    fn failure() -> Failure {
        Failure {
            message: "service `web` exited with code 1 before it was ready".into(),
            service: Some("web".into()),
            hint: Some("the end of its output is in the log below".into()),
            log: vec!["Error: Cannot find module 'express'".into(), "    at index.js:1".into()],
        }
    }

    #[test]
    fn what_is_pinned_stopped_or_held_back_is_told_with_what_to_do() {
        let release =
            |letter: &str| letter.repeat(64).parse::<cloudyknight_core::manifest::ReleaseDigest>().unwrap();
        let mut status = status(State::Live);
        assert_eq!(held(&status), "");
        status.pinned = Some(cloudyknight_core::desired::Pin {
            release: release("a"),
            at: "2026-11-23T12:00:00Z".into(),
        });
        status.held_back = Some(release("b"));
        status.deployment = None;
        insta::assert_snapshot!(plain(&format!("{}\n{}", details(&status), held(&status))));
        (status.state, status.pinned, status.release) = (State::Stopped, None, None);
        status.urls.clear();
        status.services.clear();
        insta::assert_snapshot!(plain(&format!(
            "{}\n{}\n{}",
            details(&status),
            held(&status),
            cancelled(&status)
        )));
    }

    #[test]
    fn who_asked_for_a_deployment_is_named_where_that_is_known() {
        let to: cloudyknight_core::manifest::ReleaseDigest = "a".repeat(64).parse().unwrap();
        let back = Cause::RolledBack { to };
        assert_eq!(cause(&back, None), "somebody went back to aaaaaaaaaaaa");
        assert_eq!(cause(&back, Some("ci")), "ci went back to aaaaaaaaaaaa");
        assert_eq!(cause(&Cause::Requested, Some("a\u{1b}[31m")), "a\\u{1b}[31m asked for it");
        assert_eq!(cause(&Cause::Sweep, Some("ci")), "a sweep found a difference");
    }

    #[test]
    fn what_waits_for_a_commit_is_not_told_to_be_what_the_bucket_holds() {
        let mut status = status(State::Live);
        status.deployment = None;
        let release = "b".repeat(64).parse().unwrap();
        status.uncommitted = Some(Uncommitted { files: Some(2), release });
        insta::assert_snapshot!(plain(&format!("{}\n{}", details(&status), held(&status))));
    }

    #[test]
    fn a_table_has_a_line_for_each_workspace() {
        let mut other = WorkspaceStatus::new("a-longer-name".parse().unwrap(), String::new());
        other.state = State::Failed;
        insta::assert_snapshot!(plain(&table(&[status(State::Live), other])), @r"
        WORKSPACE      STATE   RELEASE       URL
        shop           live    a1b2c3d4e5f6  http://localhost:8080/shop/
        a-longer-name  failed  -             -
        ");
    }

    #[test]
    fn the_details_tell_what_serves_and_what_is_under_way() {
        insta::assert_snapshot!(plain(&details(&status(State::Updating))));
    }

    #[test]
    fn the_details_of_a_failure_tell_what_to_do() {
        let mut status = status(State::Degraded);
        status.warnings = vec!["docker-compose.yml:7: `tty` has no effect".into()];
        status.default_compose =
            Some("services:\n  shop:\n    image: workspace-node-ephemeral:latest\n".into());
        if let Some(deployment) = &mut status.deployment {
            deployment.outcome = Outcome::Failed(failure());
        }
        insta::assert_snapshot!(plain(&details(&status)));
    }

    #[test]
    fn a_failed_wait_says_what_still_serves() {
        insta::assert_snapshot!(plain(&failed(&status(State::Degraded), &failure())), @r"
        shop was not deployed; the release before it still serves

        error: service `web` exited with code 1 before it was ready
        hint: the end of its output is in the log below

        the end of its log:
          Error: Cannot find module 'express'
              at index.js:1
        ");
    }
}
