//! How statuses look to people.

use std::fmt::Write;

use cloudyknight_core::command::Cause;
use cloudyknight_core::status::{Deployment, Failure, Outcome, State, WorkspaceStatus};

pub fn state(state: State) -> &'static str {
    match state {
        State::Deploying => "deploying",
        State::Live => "live",
        State::Updating => "updating",
        State::Degraded => "degraded",
        State::Failed => "failed",
        State::Ignored => "ignored",
        State::Removed => "removed",
    }
}

/// One line each, in columns.
pub fn table(statuses: &[WorkspaceStatus]) -> String {
    let mut rows = vec![["WORKSPACE".to_owned(), "STATE".into(), "RELEASE".into(), "URL".into()]];
    rows.extend(statuses.iter().map(|status| {
        [
            status.workspace.to_string(),
            state(status.state).to_owned(),
            status.release.as_ref().map_or("-", |release| release.short()).to_owned(),
            status.urls.first().map_or("-", String::as_str).to_owned(),
        ]
    }));
    columns(&rows)
}

pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
            format!("{cell:width$}")
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
    for url in &status.urls {
        line("url", url);
    }
    for service in &status.services {
        line("service", &format!("{} ({}, container {})", service.service, service.image, service.container));
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

fn meaning(status: &WorkspaceStatus) -> &'static str {
    match status.state {
        State::Deploying => "its first release is on its way",
        State::Live => "the bucket's release serves",
        State::Updating => "a release serves while a newer one is deployed",
        State::Degraded => "the newest release failed; the one before it serves",
        State::Failed => "the release failed, and nothing serves",
        State::Ignored => "it holds `.nomonitor` and is left alone",
        State::Removed => "nothing is left in the bucket, and nothing runs",
    }
}

fn deployment(deployment: &Deployment) -> String {
    let outcome = match &deployment.outcome {
        Outcome::Running => "running",
        Outcome::Live => "done",
        Outcome::Failed(_) => "failed",
    };
    let mut text =
        format!("{outcome}, started {} because {}", deployment.started_at, cause(&deployment.cause));
    for step in &deployment.steps {
        let took = step.took_ms.map_or("…".to_owned(), |ms| format!("{ms} ms"));
        let _ = write!(text, "\n{:<13} {took:>9}", step.name);
    }
    text
}

fn cause(cause: &Cause) -> String {
    let and_more = |more: usize| if more == 0 { String::new() } else { format!(" and {more} more") };
    match cause {
        Cause::Put { path, more } => format!("{path:?}{} came", and_more(*more)),
        Cause::Delete { path, more } => format!("{path:?}{} went", and_more(*more)),
        Cause::Sweep => "a sweep found a difference".to_owned(),
        Cause::AgentStarted => "the agent started".to_owned(),
        Cause::Requested => "it was asked for".to_owned(),
    }
}

fn failure(text: &mut String, failure: &Failure) {
    let _ = writeln!(text, "\nerror: {}", failure.message);
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "hint: {hint}");
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
    let mut text = format!("error: {} was not deployed; {serving}\n", status.workspace);
    self::failure(&mut text, failure);
    text
}
