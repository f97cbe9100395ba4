//! What is left of a platform that was told to go.

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::Docker;
use crate::firewall;

/// Everything that a platform makes outside of its home, and the home.
pub struct Traces<'a> {
    pub docker: &'a Docker,
    pub home: &'a Path,
    /// Where it keeps the source of what runs.
    pub source: PathBuf,
}

impl Traces<'_> {
    /// A line for each thing that is still there.
    pub fn left(&self) -> Vec<String> {
        let named = |kind: &str, names: Vec<String>| -> Vec<String> {
            names.into_iter().map(|name| format!("{kind} {name}")).collect()
        };
        let mut left = named("container", self.docker.containers());
        left.extend(named("network", self.docker.networks()));
        left.extend(named("volume", self.docker.volumes()));
        left.extend(named("image", self.docker.images()));
        left.extend(named("firewall", firewall::of(self.docker.platform()).into_iter().collect()));
        left.extend(named("process", processes(self.home)));
        let folders = [self.home, &self.source].into_iter().filter(|folder| folder.exists());
        left.extend(folders.map(|folder| format!("folder {}", folder.display())));
        left
    }
}

/// Command lines of the processes that were started for this home.
fn processes(home: &Path) -> Vec<String> {
    let home = home.display().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let command_line = |entry: fs::DirEntry| {
        let text = fs::read(entry.path().join("cmdline")).ok()?;
        let arguments: Vec<String> =
            text.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        arguments.contains(&home).then(|| arguments.join(" "))
    };
    entries.filter_map(Result::ok).filter_map(command_line).collect()
}
