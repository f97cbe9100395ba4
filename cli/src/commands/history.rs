//! `cloudyknight history`: what was deployed of a workspace, the newest first.

use std::process::ExitCode;

use cloudyknight_core::history::{Record, Told};
use cloudyknight_core::status::{Outcome, Step};

use crate::client::{Client, workspace};
use crate::home::Home;
use crate::output::Output;
use crate::show;

pub async fn run(home: &Home, name: &str, limit: Option<u16>, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let told: Told = match limit {
        Some(limit) => client.get(&workspace(name, &format!("history?limit={limit}"))).await?,
        None => client.all(&workspace(name, "history")).await?,
    };
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&told)?);
    } else {
        anstream::print!("{}", text(&told));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a failure says in a table, in characters.
const FAILURE: usize = 70;

fn text(told: &Told) -> String {
    let header = ["RELEASE", "", "WHEN", "OUTCOME", "TOOK", "FILES", "BECAUSE"].map(str::to_owned);
    // What is said of a release is said at its newest deployment.
    let mut marked = std::collections::BTreeSet::new();
    let rows = told.deployments.iter().map(|record| {
        let release = record.release.as_ref();
        let mark = match release.filter(|release| marked.insert((*release).clone())) {
            Some(release) => marks(told, release),
            None => String::new(),
        };
        [
            release.map_or("-", |release| release.short()).to_owned(),
            mark,
            show::when(&record.started_at),
            outcome(&record.outcome),
            took(record),
            files(record),
            show::cause(&record.cause, record.by.as_deref()),
        ]
    });
    let mut text = show::columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    if told.deployments.is_empty() {
        text = format!("Nothing of {} was deployed yet.\n", told.workspace);
    }
    if let Some(pin) = &told.pinned {
        text.push_str(&format!(
            "\nIt is pinned to {} since {}: `cloudyknight unpin {}` follows the bucket again.\n",
            pin.release.short(),
            show::when(&pin.at),
            told.workspace
        ));
    }
    text
}

fn marks(told: &Told, release: &cloudyknight_core::manifest::ReleaseDigest) -> String {
    let is_pinned = told.pinned.as_ref().is_some_and(|pin| pin.release == *release);
    let marks = [
        (told.live.as_ref() == Some(release), "live"),
        (is_pinned, "pinned"),
        (!told.kept.contains(release), "not kept"),
    ];
    let marks: Vec<&str> = marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| mark).collect();
    marks.join(", ")
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Running => "running".to_owned(),
        Outcome::Live => "live".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Superseded => "superseded".to_owned(),
        Outcome::HeldBack => "held back".to_owned(),
        Outcome::Failed(failure) => {
            let message: String = failure.message.chars().take(FAILURE).collect();
            let more = if message.len() < failure.message.len() { "…" } else { "" };
            format!("failed: {}{more}", message.escape_debug())
        }
    }
}

fn took(record: &Record) -> String {
    // It was live before the old containers were done.
    let steps = record.steps.iter().filter(|step| step.name != Step::DRAIN);
    let end = steps.filter_map(|step| Some(step.at_ms + step.took_ms?)).max();
    end.map_or("-".to_owned(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100))
}

/// How many came, changed and went.
fn files(record: &Record) -> String {
    let changed = &record.changed;
    let listed = [("+", &changed.added), ("~", &changed.changed), ("-", &changed.removed)];
    let mut parts: Vec<String> = listed
        .into_iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(sign, paths)| format!("{sign}{}", paths.len()))
        .collect();
    if changed.more > 0 {
        parts.push(format!("and {} more", changed.more));
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::command::Cause;
    use cloudyknight_core::desired::Pin;
    use cloudyknight_core::history::Changed;
    use cloudyknight_core::manifest::ReleaseDigest;
    use cloudyknight_core::status::Failure;

    use super::*;

    fn release(letter: &str) -> ReleaseDigest {
        letter.repeat(64).parse().unwrap()
    }

    fn record(letter: &str, cause: Cause, outcome: Outcome, changed: Changed) -> Record {
        Record {
            id: "1".into(),
            release: Some(release(letter)),
            previous: None,
            cause,
            by: None,
            origin: None,
            started_at: "2026-11-23T12:00:00.123456Z".into(),
            finished_at: "2026-11-23T12:00:02Z".into(),
            outcome,
            steps: vec![Step { name: "settle".into(), at_ms: 0, took_ms: Some(1234) }],
            changed,
            images: Default::default(),
        }
    }

    #[test]
    fn the_newest_comes_first_and_what_is_live_pinned_or_gone_is_marked() {
        let paths = |count: usize| (0..count).map(|n| n.to_string()).collect();
        let failure = Failure {
            message: "service `web` exited\u{1b}[31m".into(),
            service: None,
            hint: None,
            log: vec![],
        };
        let put = Cause::Put { path: "index.js".into(), more: 0 };
        let told = Told {
            version: 1,
            workspace: "shop".parse().unwrap(),
            live: Some(release("b")),
            pinned: Some(Pin { release: release("b"), at: "2026-11-23T12:00:00Z".into() }),
            before: None,
            deployments: vec![
                Record {
                    by: Some("ci".into()),
                    ..record("b", Cause::RolledBack { to: release("b") }, Outcome::Live, Changed::default())
                },
                record(
                    "c",
                    put.clone(),
                    Outcome::Failed(failure),
                    Changed { added: paths(2), ..Changed::default() },
                ),
                record(
                    "b",
                    put.clone(),
                    Outcome::Live,
                    Changed { changed: paths(1), more: 7, ..Changed::default() },
                ),
                record("a", put, Outcome::Live, Changed { removed: paths(1), ..Changed::default() }),
            ],
            kept: vec![release("b"), release("c")],
            next: None,
        };
        insta::assert_snapshot!(text(&told));
    }
}
