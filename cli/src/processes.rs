//! The processes of a home, as the machine knows them: also those whose lock is lost with the folder that it lay in, and
//! rclone, which is none of ours and is started by us.

use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::home::Home;
use crate::mount::Files;

/// What the platform starts itself with; `doctor`, `down` and the like are none of these.
const ROLES: [&str; 5] = ["run", "serve", "edge", "ingest", "mount-keeper"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: Pid,
    /// What it does: a role, or rclone.
    pub does: String,
}

/// All that run for this home but this one.
pub fn of(home: &Home) -> Vec<Process> {
    let control = Files(home).control();
    let own = rustix::process::getpid();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let words = read(&entry.path().join("cmdline"));
        let does = of_platform(&words, home.path(), || home_of(&entry.path()))
            .or_else(|| of_rclone(&words, &control))?;
        (id != own).then(|| Process { id, does: does.to_owned() })
    };
    entries.filter_map(process).collect()
}

/// rclone, where one serves the mount of this home.
pub fn rclone(home: &Home) -> Vec<Pid> {
    of(home).into_iter().filter(|process| process.does == RCLONE).map(|process| process.id).collect()
}

const RCLONE: &str = "rclone";

/// Strings that end with zero bytes.
fn read(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// What `CLOUDYKNIGHT_HOME` of a process says.
fn home_of(process: &Path) -> Option<PathBuf> {
    let variables = read(&process.join("environ"));
    variables.iter().find_map(|variable| variable.strip_prefix("CLOUDYKNIGHT_HOME=")).map(PathBuf::from)
}

/// The role, where a command line is one of the platform of this home. The home is an argument, or else a variable.
fn of_platform<'w>(
    words: &'w [String],
    home: &Path,
    variable: impl FnOnce() -> Option<PathBuf>,
) -> Option<&'w str> {
    let (program, arguments) = words.split_first()?;
    if Path::new(program).file_name()? != "cloudyknight" {
        return None;
    }
    let role = arguments.iter().find(|word| ROLES.contains(&word.as_str()))?;
    let asked = arguments.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--home") {
        Some("") => arguments.get(at + 1).map(PathBuf::from),
        Some(rest) => rest.strip_prefix('=').map(PathBuf::from),
        None => None,
    });
    (asked.or_else(variable)? == home).then_some(role)
}

fn of_rclone(words: &[String], control: &Path) -> Option<&'static str> {
    let ours = format!("--rc-addr=unix://{}", control.display());
    words.contains(&ours).then_some(RCLONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_belongs_to_the_home_that_it_was_started_for() {
        let check = |line: &str, variable: Option<&str>, expected: Option<&str>| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let found = of_platform(&words, Path::new("/h"), || variable.map(PathBuf::from));
            assert_eq!(found, expected, "{line}");
        };
        check("/usr/bin/cloudyknight run --home /h", None, Some("run"));
        check("/usr/bin/cloudyknight serve --home /h --s3-listen 127.0.0.1:1", Some("/other"), Some("serve"));
        check("cloudyknight --home=/h edge", None, Some("edge"));
        check("cloudyknight run", Some("/h"), Some("run"));
        check("cloudyknight run", None, None);
        check("cloudyknight run --home /other", Some("/h"), None);
        check("cloudyknight down --home /h", None, None);
        check("vim /h/run", Some("/h"), None);
    }

    #[test]
    fn an_rclone_belongs_to_the_home_of_its_socket() {
        let words = ["rclone", "mount", "--rc-addr=unix:///h/run/rclone.sock"].map(str::to_owned);
        assert!(of_rclone(&words, Path::new("/h/run/rclone.sock")).is_some());
        assert!(of_rclone(&words, Path::new("/h2/run/rclone.sock")).is_none());
    }
}
