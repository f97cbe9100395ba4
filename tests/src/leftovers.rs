//! What is left of a platform that was told to go.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::docker::Docker;
use crate::firewall;

/// Everything that a platform makes outside of its home, and the home.
pub struct Traces<'a> {
    pub docker: &'a Docker,
    pub home: &'a Path,
    /// Where it keeps the source of what runs.
    pub source: PathBuf,
    /// Where it listened.
    pub addresses: Vec<String>,
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
        left.extend(named("mount", mounts(self.docker.platform())));
        let listened = |address: &&String| TcpListener::bind(address.as_str()).is_err();
        left.extend(named("listener", self.addresses.iter().filter(listened).cloned().collect()));
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
        // rclone has it as a part of its options.
        let is_of_home = |argument: &String| {
            let rest = argument.split_once(&home).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        arguments.iter().any(is_of_home).then(|| arguments.join(" "))
    };
    entries.filter_map(Result::ok).filter_map(command_line).collect()
}

/// Where something of this platform is mounted.
pub fn mounts(platform: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("Linux has a table of mounts");
    let device = format!("cloudyknight-{platform}");
    let dir = |line: &str| {
        let (place, what) = line.split_once(" - ")?;
        (what.split(' ').nth(1)? == device).then(|| place.split(' ').nth(4).unwrap_or_default().to_owned())
    };
    table.lines().filter_map(dir).collect()
}
