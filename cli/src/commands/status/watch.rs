//! `cloudyknight status --watch`: on a terminal a table that stays true; elsewhere a line for each change. The platform tells
//! of changes as they happen; one that does not know how to is asked again and again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_core::status::{State, WorkspaceStatus};
use tokio::signal::unix::{SignalKind, signal};

use super::Workspaces;
use crate::client::{Client, Older, segment};
use crate::home::Home;
use crate::output::Output;
use crate::{clock, errors, show};

const ASK_AGAIN: Duration = Duration::from_secs(1);

pub async fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    // Before anything is printed: whoever has read that may end it.
    let mut interrupted = signal(SignalKind::interrupt()).context("could not listen for signals")?;
    let client = Client::new(home)?;
    // What was mistyped, or is not there, is told at once.
    let mut view = View::new(name, output);
    view.see_all(all(&client, name).await?);
    tokio::select! {
        ended = follow(&client, name, &mut view) => ended,
        _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
    }
}

async fn all(client: &Client, name: Option<&str>) -> anyhow::Result<Vec<WorkspaceStatus>> {
    match name {
        Some(name) => Ok(vec![client.get(&format!("/api/v1/workspaces/{}", segment(name))).await?]),
        None => Ok(Workspaces::of(client).await?.workspaces),
    }
}

async fn follow(client: &Client, name: Option<&str>, view: &mut View<'_>) -> anyhow::Result<ExitCode> {
    let restriction = name.map(|name| format!("?workspace={}", segment(name))).unwrap_or_default();
    let mut is_lost = false;
    loop {
        let mut events = Events::default();
        let streamed = client
            .stream(&format!("/api/v1/events{restriction}"), |piece| {
                events.take(piece).into_iter().for_each(|status| view.see(status));
                view.draw();
            })
            .await;
        let asked = match streamed {
            Err(error) if error.is::<Older>() => {
                tokio::time::sleep(ASK_AGAIN).await;
                all(client, name).await.map(|statuses| view.see_all(statuses))
            }
            other => {
                tokio::time::sleep(ASK_AGAIN).await;
                other
            }
        };
        match asked {
            Ok(()) => is_lost = false,
            Err(error) if !is_lost => {
                is_lost = true;
                errors::report(&error, view.output.is_json());
            }
            Err(_) => {}
        }
    }
}

/// Statuses out of a stream of events (text/event-stream).
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    kind: String,
    data: String,
}

impl Events {
    fn take(&mut self, piece: &[u8]) -> Vec<WorkspaceStatus> {
        self.rest.extend_from_slice(piece);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        let mut statuses = Vec::new();
        for line in String::from_utf8_lossy(&whole).lines() {
            if let Some(kind) = line.strip_prefix("event:") {
                self.kind = kind.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data);
            } else if line.is_empty() {
                // An event ends where a line is empty, in whatever order its fields came.
                let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                if kind == "workspace" {
                    statuses.extend(serde_json::from_str::<WorkspaceStatus>(&data));
                }
            }
        }
        statuses
    }
}

struct View<'a> {
    name: Option<&'a str>,
    output: Output,
    is_terminal: bool,
    known: BTreeMap<String, WorkspaceStatus>,
    is_drawn: bool,
}

impl<'a> View<'a> {
    fn new(name: Option<&'a str>, output: Output) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && !output.is_json();
        Self { name, output, is_terminal, known: BTreeMap::new(), is_drawn: false }
    }

    fn see_all(&mut self, statuses: Vec<WorkspaceStatus>) {
        statuses.into_iter().for_each(|status| self.see(status));
        self.draw();
    }

    fn see(&mut self, status: WorkspaceStatus) {
        let name = status.workspace.to_string();
        let before = self.known.get(&name);
        if before == Some(&status) {
            return;
        }
        let is_news = before.map(summary) != Some(summary(&status));
        if self.output.is_json() {
            anstream::println!("{}", serde_json::json!(status));
        } else if is_news && !self.is_terminal {
            anstream::println!("{} {}", clock::time_of_day(), summary(&status));
        }
        self.known.insert(name, status);
        self.is_drawn = false;
    }

    /// Draws what is known over what was drawn before.
    fn draw(&mut self) {
        if !self.is_terminal || self.is_drawn {
            return;
        }
        self.is_drawn = true;
        let text = match self.name.and_then(|name| self.known.get(name)) {
            Some(status) => show::details(status),
            None => {
                let there = self.known.values().filter(|status| status.state != State::Removed);
                let there: Vec<WorkspaceStatus> = there.cloned().collect();
                let under_way: Vec<String> = there.iter().filter_map(step).collect();
                let under_way = under_way.into_iter().map(|step| format!("\n{step}")).collect::<String>();
                format!("{}{under_way}", show::table(&there))
            }
        };
        // Home, and clear to the end.
        anstream::print!("\u{1b}[H\u{1b}[2J{text}\n\n{} · Ctrl-C ends\n", clock::time_of_day());
    }
}

/// What a line tells.
fn summary(status: &WorkspaceStatus) -> String {
    let release = status.release.as_ref().map_or("-", |release| release.short());
    let url = status.urls.first().map_or("-", String::as_str);
    format!("{} {} {release} {url}", status.workspace, show::state(status.state))
}

/// What a deployment is doing now.
fn step(status: &WorkspaceStatus) -> Option<String> {
    let deployment = status.deployment.as_ref()?;
    let step = deployment.steps.iter().find(|step| step.took_ms.is_none())?;
    Some(format!("{}: {} …", status.workspace, step.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, state: State) -> WorkspaceStatus {
        let mut status = WorkspaceStatus::new(name.parse().unwrap(), "2026-11-23T12:00:00Z".into());
        status.state = state;
        status
    }

    #[test]
    fn statuses_are_put_together_from_pieces_of_a_stream() {
        let shop = serde_json::to_string(&status("shop", State::Live)).unwrap();
        let text = format!(
            "event: hello\ndata: {{}}\n\n: keep-alive\n\nevent: workspace\nid: 7\ndata: {shop}\n\nevent: journal\ndata: {shop}\n\n"
        );
        let mut events = Events::default();
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        let mut seen = events.take(first);
        seen.extend(events.take(second));
        assert_eq!(seen, [status("shop", State::Live)]);
    }

    #[test]
    fn a_line_tells_what_serves_now() {
        let mut status = status("shop", State::Live);
        status.urls = vec!["http://localhost:8080/shop/".into()];
        assert_eq!(summary(&status), "shop live - http://localhost:8080/shop/");
    }
}
