//! What builds and installations print, in memory: of each workspace the last one's output, readable while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloudyknight_core::workspace::WorkspaceName;

use crate::identity::DeploymentId;
use crate::lines::{Limit, Lines};

/// Of one workspace.
const LIMIT: Limit = Limit { lines: 50_000, bytes: 1 << 20 };
/// So many workspaces' output is kept; of more, that of the latest.
const LOGS: usize = 64;

#[derive(Default)]
pub struct Builds(Mutex<BTreeMap<WorkspaceName, Log>>);

struct Log {
    deployment: DeploymentId,
    lines: Arc<Lines>,
}

/// Where the builds of one deployment print. When it is dropped they are over.
pub struct Output<'a> {
    builds: &'a Builds,
    workspace: &'a WorkspaceName,
    deployment: &'a DeploymentId,
}

impl Builds {
    /// For the builds of a deployment. What the one before printed stays until one of them prints something.
    pub fn of<'a>(&'a self, workspace: &'a WorkspaceName, deployment: &'a DeploymentId) -> Output<'a> {
        Output { builds: self, workspace, deployment }
    }

    pub fn last(&self, workspace: &WorkspaceName) -> Option<Arc<Lines>> {
        self.lock().get(workspace).map(|log| log.lines.clone())
    }

    pub fn forget(&self, workspace: &WorkspaceName) {
        self.lock().remove(workspace);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkspaceName, Log>> {
        self.0.lock().expect("no thread panics while it holds the logs")
    }
}

impl Output<'_> {
    /// Begins a part of the output, and answers where its lines go.
    pub fn begin(&self, what: &str) -> Arc<Lines> {
        let mut logs = self.builds.lock();
        let is_ours = logs.get(self.workspace).is_some_and(|log| log.deployment == *self.deployment);
        if !is_ours {
            let log = Log { deployment: self.deployment.clone(), lines: Arc::new(Lines::new(LIMIT)) };
            logs.insert(self.workspace.clone(), log);
        }
        let lines = logs[self.workspace].lines.clone();
        if logs.len() > LOGS {
            // Deployments are named after the time.
            let oldest = logs.iter().min_by(|a, b| a.1.deployment.0.cmp(&b.1.deployment.0));
            if let Some(oldest) = oldest.map(|(workspace, _)| workspace.clone()) {
                logs.remove(&oldest);
            }
        }
        drop(logs);
        lines.push(&format!("=== {what} (deployment {})", self.deployment));
        lines
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        let logs = self.builds.lock();
        if let Some(log) = logs.get(self.workspace).filter(|log| log.deployment == *self.deployment) {
            log.lines.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    async fn text(builds: &Builds, workspace: &WorkspaceName) -> String {
        let pieces: Vec<_> = builds.last(workspace).unwrap().read(None, true).collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn the_builds_of_a_deployment_print_to_one_log_and_take_the_place_of_the_one_before() {
        let (builds, app) = (Builds::default(), "app".parse().unwrap());
        let (first, second) = (DeploymentId("1".into()), DeploymentId("2".into()));
        let output = builds.of(&app, &first);
        output.begin("web").push("a");
        output.begin("worker").push("b");
        drop(output);
        let expected = "=== web (deployment 1)\na\n=== worker (deployment 1)\nb\n";
        assert_eq!(text(&builds, &app).await, expected);
        drop(builds.of(&app, &second));
        assert_eq!(text(&builds, &app).await, expected, "nothing was built");
        builds.of(&app, &second).begin("web").push("c");
        assert_eq!(text(&builds, &app).await, "=== web (deployment 2)\nc\n");
    }

    #[test]
    fn of_many_workspaces_the_latest_are_kept() {
        let builds = Builds::default();
        let name = |n: usize| format!("app-{n}").parse::<WorkspaceName>().unwrap();
        for n in 0..=LOGS {
            builds.of(&name(n), &DeploymentId(format!("{n:04}"))).begin("web");
        }
        assert!(builds.last(&name(0)).is_none() && builds.last(&name(1)).is_some());
        assert!(builds.last(&name(LOGS)).is_some());
        builds.forget(&name(LOGS));
        assert!(builds.last(&name(LOGS)).is_none());
    }
}
