//! Follows a deployment to its end: a line for each step, and on a terminal what it is doing now.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudyknight_core::status::{Deployment, WorkspaceStatus};
use indicatif::{ProgressBar, ProgressStyle};

use super::wait;
use crate::client::{Client, workspace};
use crate::output::Output;

const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The deployment that was the last before something was asked: it is not the one to follow.
pub struct Before(Option<String>);

impl Before {
    pub async fn of(client: &Client, name: &str) -> Self {
        Self(status(client, name).await.and_then(|status| Some(status.deployment?.id)))
    }
}

async fn status(client: &Client, name: &str) -> Option<WorkspaceStatus> {
    client.get(workspace(name, "").trim_end_matches('/')).await.ok()
}

/// Waits, and tells the steps meanwhile. `None` when the time was over first.
pub async fn follow(
    client: &Client,
    name: &str,
    before: &Before,
    timeout: u64,
    output: Output,
) -> anyhow::Result<Option<WorkspaceStatus>> {
    let waiting = wait::wait(client, name, None, timeout);
    if !output.talks() {
        return waiting.await;
    }
    tokio::pin!(waiting);
    let mut steps = Steps::new();
    let ended = loop {
        tokio::select! {
            ended = &mut waiting => break ended,
            () = tokio::time::sleep(LOOK_AGAIN) => {
                if let Some(status) = status(client, name).await {
                    steps.show(&status, before);
                }
            }
        }
    };
    if let Ok(Some(status)) = &ended {
        steps.show(status, before);
    }
    steps.spinner.finish_and_clear();
    ended
}

struct Steps {
    /// Shown only on a terminal.
    spinner: ProgressBar,
    /// Of the deployment, and the place in it.
    shown: BTreeSet<(String, u64, String)>,
}

impl Steps {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner:.cyan} {msg}");
        let spinner = ProgressBar::new_spinner();
        spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.set_message("waiting for the platform to notice");
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { spinner, shown: BTreeSet::new() }
    }

    fn show(&mut self, status: &WorkspaceStatus, before: &Before) {
        let Some(deployment) = status.deployment.as_ref().filter(|last| Some(&last.id) != before.0.as_ref())
        else {
            return;
        };
        for line in new_lines(deployment, &mut self.shown) {
            self.spinner.suspend(|| anstream::eprintln!("{line}"));
        }
        if let Some(step) = deployment.steps.iter().find(|step| step.took_ms.is_none()) {
            self.spinner.set_message(format!("{} …", step.name));
        }
    }
}

/// A line for each step that has ended and was not told yet.
fn new_lines(deployment: &Deployment, shown: &mut BTreeSet<(String, u64, String)>) -> Vec<String> {
    let ended = deployment.steps.iter().filter_map(|step| Some((step, step.took_ms?)));
    let new = ended.filter(|(step, _)| shown.insert((deployment.id.clone(), step.at_ms, step.name.clone())));
    new.map(|(step, took)| format!("  {:<13} {:>9}", step.name, format!("{took} ms"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, steps: &[(&str, Option<u64>)]) -> Deployment {
        let steps: Vec<_> = (0..)
            .zip(steps)
            .map(|(at, (name, took))| serde_json::json!({ "name": name, "at_ms": at, "took_ms": took }))
            .collect();
        serde_json::from_value(serde_json::json!({
            "id": id,
            "release": null,
            "cause": { "kind": "sweep" },
            "started_at": "",
            "finished_at": null,
            "outcome": { "result": "running" },
            "steps": steps,
        }))
        .unwrap()
    }

    #[test]
    fn each_step_is_told_once_when_it_has_ended() {
        let mut shown = BTreeSet::new();
        let mut told =
            |id: &str, steps: &[(&str, Option<u64>)]| new_lines(&deployment(id, steps), &mut shown);
        assert_eq!(told("1", &[("settle", Some(104)), ("fetch", None)]), ["  settle           104 ms"]);
        assert_eq!(told("1", &[("settle", Some(104)), ("fetch", Some(7))]), ["  fetch              7 ms"]);
        assert_eq!(told("1", &[("settle", Some(104)), ("fetch", Some(7))]), [""; 0]);
        assert_eq!(told("2", &[("settle", Some(90))]), ["  settle            90 ms"]);
    }
}
