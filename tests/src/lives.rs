//! The lives of one platform's containers while a test goes on, as Docker tells them: none is too short to be seen.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::docker::Docker;
use crate::wait::eventually;

/// Something that happened to a container.
#[derive(Clone, Debug)]
pub struct Event {
    /// `start`, `kill`, `die`.
    pub what: String,
    pub container: String,
    /// Its name when it happened.
    pub name: String,
    /// The container exited with it.
    pub code: Option<i64>,
    pub at: Duration,
}

/// Follows along until it is dropped.
pub struct Lives {
    docker: Child,
    told: tempfile::NamedTempFile,
}

impl Lives {
    pub fn of(docker: &Docker) -> Self {
        let told = tempfile::NamedTempFile::new().expect("a temporary file");
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let mut command = Command::new("docker");
        // Since now, and not since Docker hears of it.
        command.args(["events", "--since", &format!("{}.{:09}", since.as_secs(), since.subsec_nanos())]);
        for event in ["start", "kill", "die"] {
            command.args(["--filter", &format!("event={event}")]);
        }
        command.args(["--filter", &format!("label=cloudyknight.platform={}", docker.platform())]);
        command.args(["--filter", "type=container", "--format", "{{json .}}"]);
        let output = told.reopen().expect("the file is there");
        let docker = command.stdin(Stdio::null()).stdout(output).spawn().expect("docker events");
        Self { docker, told }
    }

    /// What has happened so far.
    pub fn so_far(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(self.told.path()).expect("what Docker told");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let event = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let of = |field: &str| event["Actor"]["Attributes"][field].as_str();
            Event {
                what: event["Action"].as_str().unwrap_or_default().to_owned(),
                container: event["Actor"]["ID"].as_str().unwrap_or_default().to_owned(),
                name: of("name").unwrap_or_default().to_owned(),
                code: of("exitCode").and_then(|code| code.parse().ok()),
                at: Duration::from_nanos(event["timeNano"].as_u64().expect("a time")),
            }
        };
        whole.lines().map(event).collect()
    }

    /// Waits until this has happened to a container for which the name says that it is meant.
    #[track_caller]
    pub fn wait(&self, what: &str, name: &str) -> Event {
        eventually(&format!("a container `{name}` has had `{what}`"), Duration::from_secs(60), || {
            self.so_far().into_iter().find(|event| event.what == what && event.name.starts_with(name))
        })
    }

    /// The most containers that ran at once, beside those that ran before.
    pub fn most_at_once(&self) -> usize {
        let mut running = BTreeSet::new();
        let mut most = 0;
        for event in self.so_far() {
            match event.what.as_str() {
                "start" => drop(running.insert(event.container)),
                "die" => drop(running.remove(&event.container)),
                _ => {}
            }
            most = most.max(running.len());
        }
        most
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        let _ = self.docker.kill();
        let _ = self.docker.wait();
    }
}
