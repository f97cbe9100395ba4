//! What is mounted where on this machine, who uses it, and how it is taken away.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::program;
use crate::errors::hinted;

/// A line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    pub dir: PathBuf,
    pub kind: String,
    pub device: String,
}

pub fn table() -> anyhow::Result<Vec<Mounted>> {
    let text =
        std::fs::read_to_string("/proc/self/mountinfo").context("could not read the table of mounts")?;
    Ok(text.lines().filter_map(line).collect())
}

/// <https://docs.kernel.org/filesystems/proc.html>, 3.5: six fields and optional ones, a dash, then kind and device.
fn line(text: &str) -> Option<Mounted> {
    let (place, what) = text.split_once(" - ")?;
    let dir = unescaped(place.split(' ').nth(4)?);
    let mut what = what.split(' ');
    Some(Mounted { dir, kind: what.next()?.to_owned(), device: what.next()?.to_owned() })
}

/// Spaces and the like are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal =
            tail.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

/// Where our device is mounted; the last one first, as they have to be taken away.
pub fn of_device(device: &str) -> anyhow::Result<Vec<PathBuf>> {
    Ok(table()?.into_iter().rev().filter(|one| one.device == device).map(|one| one.dir).collect())
}

/// Whether something can be mounted at `dir`, which is made if there is none. Nothing of ours is mounted there any more.
pub fn prepare(dir: &Path) -> anyhow::Result<()> {
    if let Some(other) = table()?.into_iter().find(|one| one.dir == dir) {
        let Mounted { kind, device, .. } = other;
        let message = format!("{} is a mount point already: of {device} ({kind})", dir.display());
        return Err(hinted(message, "unmount that, or mount the workspaces elsewhere"));
    }
    std::fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    let mut entries =
        std::fs::read_dir(dir).with_context(|| format!("could not look into {}", dir.display()))?;
    if entries.next().is_some() {
        let message = format!("{} is not empty, and what is in it would be hidden", dir.display());
        return Err(hinted(message, "name an empty folder, or one that does not exist yet"));
    }
    Ok(())
}

/// Takes a mount away. `lazily`: also one that is in use or whose program is gone; who uses it goes on with what it has
/// open.
pub fn unmount(dir: &Path, lazily: bool) -> anyhow::Result<()> {
    let how = if lazily { "-uz" } else { "-u" };
    let output = Command::new(program::fusermount()?).arg(how).arg("--").arg(dir).output();
    let output = output.context("fusermount3 could not be started")?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    anyhow::bail!("{} could not be unmounted: {}", dir.display(), words.trim())
}

/// Takes away whatever is mounted of this device, in use or not. Answers from where.
pub fn unmount_device(device: &str) -> anyhow::Result<Vec<PathBuf>> {
    let dirs = of_device(device)?;
    for dir in &dirs {
        unmount(dir, true)?;
    }
    Ok(dirs)
}

/// The processes that stand in a folder or have something open in it, with their names. Only links are read, so that it
/// also ends where the mount does not answer.
pub fn users(dir: &Path) -> Vec<(i32, String)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let user = |entry: std::fs::DirEntry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        let process = entry.path();
        let is_inside = |link: PathBuf| std::fs::read_link(link).is_ok_and(|target| target.starts_with(dir));
        let opened = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let uses = ["cwd", "root"].iter().any(|link| is_inside(process.join(link)))
            || opened.into_iter().any(|file| is_inside(file.path()));
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        uses.then(|| (id, name.trim().to_owned()))
    };
    processes.filter_map(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_of_mounts_is_read() {
        let text =
            r"43 27 0:39 / /my\040files/w rw,nosuid shared:7 - fuse.rclone cloudyknight-1 rw,user_id=0";
        let expected = Mounted {
            dir: "/my files/w".into(),
            kind: "fuse.rclone".into(),
            device: "cloudyknight-1".into(),
        };
        assert_eq!(line(text), Some(expected));
        assert_eq!(line("43 27 0:39 / /a rw - tmpfs tmpfs rw").map(|one| one.dir), Some("/a".into()));
        assert_eq!(line("nothing"), None);
        assert_eq!(unescaped(r"\\a\1"), PathBuf::from(r"\\a\1"));
    }
}
