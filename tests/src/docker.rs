//! Docker, seen through the label of one platform: what others run on the same engine is not there.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::run::{run, stdout, succeeded};
use crate::wait::eventually;

/// For what is replaced to be gone: longer than it may drain.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Docker {
    label: String,
}

impl Docker {
    pub fn of(platform: &str) -> Self {
        Self { label: format!("label=cloudyknight.platform={platform}") }
    }

    pub fn platform(&self) -> &str {
        self.label.rsplit('=').next().expect("a label has a value")
    }

    /// Names of all containers, running or not.
    pub fn containers(&self) -> Vec<String> {
        self.list(&["ps", "--all", "--format", "{{.Names}}"])
    }

    /// Containers of one workspace: id by name.
    pub fn containers_of(&self, workspace: &str) -> BTreeMap<String, String> {
        let filter = format!("label=cloudyknight.workspace={workspace}");
        let format = "{{.Names}} {{.ID}}";
        let lines = self.list(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", format]);
        let pair = |line: String| line.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()));
        lines.into_iter().filter_map(pair).collect()
    }

    /// The container of a workspace that has only one, as soon as those that it replaced are gone.
    #[track_caller]
    pub fn container_of(&self, workspace: &str) -> String {
        eventually("there is one container", PATIENCE, || {
            let mut ids = self.containers_of(workspace).into_values();
            ids.next().filter(|_| ids.next().is_none())
        })
    }

    pub fn networks(&self) -> Vec<String> {
        self.list(&["network", "ls", "--format", "{{.Name}}"])
    }

    pub fn volumes(&self) -> Vec<String> {
        self.list(&["volume", "ls", "--format", "{{.Name}}"])
    }

    /// Images made for workspaces: dependency layers and builds.
    pub fn images(&self) -> Vec<String> {
        self.list(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
    }

    /// A field of `docker inspect`, as a Go template.
    pub fn inspect(&self, container: &str, format: &str) -> String {
        let output = docker(&["inspect", "--format", format, container]);
        succeeded("docker inspect", &output).trim().to_owned()
    }

    /// The environment a container was given.
    pub fn environment(&self, container: &str) -> BTreeMap<String, String> {
        let all: Value =
            serde_json::from_str(&self.inspect(container, "{{json .Config.Env}}")).expect("JSON");
        let pair = |line: &Value| line.as_str()?.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        all.as_array().into_iter().flatten().filter_map(pair).collect()
    }

    /// Runs a shell line inside; it may fail.
    pub fn exec(&self, container: &str, line: &str) -> Output {
        docker(&["exec", container, "sh", "-c", line])
    }

    /// What a shell line prints inside; it must succeed.
    #[track_caller]
    pub fn shell(&self, container: &str, line: &str) -> String {
        succeeded(line, &self.exec(container, line))
    }

    /// What comes of a request from inside, by Node: `200`, `ECONNREFUSED`, or `TimeoutError` after two seconds.
    #[track_caller]
    pub fn fetch(&self, container: &str, url: &str) -> String {
        let script = "fetch(process.argv[1], { signal: AbortSignal.timeout(2000) }).then(a => console.log(a.status), \
                      e => console.log(e.cause?.code ?? e.name))";
        let line = format!("node -e \"{script}\" '{url}'");
        self.shell(container, &line).trim().to_owned()
    }

    /// The host's address in the first network of a container.
    pub fn gateway(&self, container: &str) -> String {
        let all = self.inspect(container, "{{range .NetworkSettings.Networks}}{{.Gateway}} {{end}}");
        all.split_whitespace().next().expect("it has a network").to_owned()
    }

    pub fn logs(&self, container: &str) -> String {
        let output = docker(&["logs", container]);
        succeeded("docker logs", &output) + &crate::run::stderr(&output)
    }

    fn list(&self, arguments: &[&str]) -> Vec<String> {
        let output = run(Command::new("docker").args(arguments).args(["--filter", &self.label]));
        succeeded("docker lists", &output).lines().map(str::to_owned).collect()
    }
}

/// Where the engine keeps everything, on the host's disk.
pub fn data_root() -> String {
    stdout(&docker(&["info", "--format", "{{.DockerRootDir}}"])).trim().to_owned()
}

pub fn docker(arguments: &[&str]) -> Output {
    run(Command::new("docker").args(arguments))
}
