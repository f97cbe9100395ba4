//! The mounted folder of a platform, and people who work in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::platform::Platform;
use crate::run::{run, succeeded};
use crate::wait::eventually;

pub struct Mounted {
    dir: PathBuf,
    home: PathBuf,
}

/// Longer than a mount takes to come back.
const LIMIT: Duration = Duration::from_secs(20);

impl Mounted {
    /// Mounts it.
    #[track_caller]
    pub fn of(platform: &Platform) -> Self {
        let dir = platform.mount_dir();
        succeeded("cloudyknight mount", &platform.cli(&["mount", text(&dir)]));
        assert_eq!(platform.mounts(), [text(&dir)]);
        Self { dir, home: platform.home().to_owned() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.dir.join(key)
    }

    /// Writes one file, and makes the folders that it needs.
    #[track_caller]
    pub fn write(&self, key: &str, content: &str) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().expect("it is inside"))
            .unwrap_or_else(|error| panic!("{key}: {error}"));
        fs::write(&path, content).unwrap_or_else(|error| panic!("{key}: {error}"));
    }

    #[track_caller]
    pub fn read(&self, key: &str) -> String {
        fs::read_to_string(self.path(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// The names in a folder, in order.
    #[track_caller]
    pub fn names(&self, key: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The rclone that serves it.
    pub fn rclone(&self) -> Option<Pid> {
        let socket = format!("--rc-addr=unix://{}", self.home.join("run/rclone.sock").display());
        let entries = fs::read_dir("/proc").expect("Linux has /proc").flatten();
        let mut processes = entries.filter_map(|entry| {
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let is_it = words.split(|byte| *byte == 0).any(|word| word == socket.as_bytes());
            is_it.then(|| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))?
        });
        processes.next()
    }

    /// Waits until rclone has written down that it holds a file which is not uploaded yet: one that is killed in the
    /// millisecond in which a file is closed knows nothing of it.
    #[track_caller]
    pub fn written_down(&self, key: &str) {
        let stores = self.home.join("mount/vfsMeta");
        eventually(&format!("{key} is written down"), LIMIT, || {
            let mut stores = fs::read_dir(&stores).ok()?.flatten();
            let path = stores.find_map(|store| {
                let path = store.path().join("workspaces").join(key);
                path.is_file().then_some(path)
            })?;
            let facts: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
            let size = fs::metadata(self.path(key)).ok()?.len();
            (facts["Size"] == size && size > 0).then_some(())
        });
    }

    /// Ends rclone without a word, and waits for the next one to answer.
    #[track_caller]
    pub fn kill_rclone(&self) {
        let killed = self.rclone().expect("rclone runs");
        kill_process(killed, Signal::KILL).expect("it can be killed");
        eventually("another rclone serves the folder", LIMIT, || {
            let other = self.rclone().is_some_and(|process| process != killed);
            // The folder beneath it is there as well, and empty.
            let is_mounted =
                fs::read_to_string("/proc/self/mountinfo").is_ok_and(|table| table.contains(text(&self.dir)));
            (other && is_mounted && fs::read_dir(&self.dir).is_ok()).then_some(())
        });
    }

    /// Runs a command of the shell in the folder.
    #[track_caller]
    pub fn sh(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-ec", command]).current_dir(&self.dir);
        succeeded(command, &run(&mut shell))
    }

    /// Puts a line before a file in vim, as somebody at a terminal does, with this said to vim before.
    #[track_caller]
    pub fn vim(&self, key: &str, settings: &str, line: &str) {
        let typed = format!(
            "vim -u NONE -N -c {} -c {} -c wq {}",
            quoted(&format!("set swapfile {settings}")),
            quoted(&format!("normal O{line}")),
            quoted(key)
        );
        self.sh(&format!("TERM=xterm script -qec {} /dev/null", quoted(&typed)));
    }

    /// The same in nano.
    #[track_caller]
    pub fn nano(&self, key: &str, line: &str) {
        let mut program = crate::client::python();
        program.args(["-c", NANO, key, line]).current_dir(&self.dir).env("TERM", "xterm");
        succeeded("nano", &run(&mut program));
    }
}

/// Types into nano, and waits for what it shows.
const NANO: &str = r#"
import os, pty, select, sys, time
key, line = sys.argv[1:]
process, terminal = pty.fork()
if process == 0:
    os.execvp("nano", ["nano", "--ignorercfiles", "--locking", key])
seen = b""
def until(text):
    global seen
    give_up = time.monotonic() + 20
    while text not in seen:
        if time.monotonic() > give_up:
            sys.exit(f"nano never showed {text!r}: {seen[-500:]!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
    seen = b""
until(b"Exit")
os.write(terminal, line.encode() + b"\r")
until(line[-4:].encode())
os.write(terminal, b"\x13")
until(b"Wrote")
os.write(terminal, b"\x18")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"#;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
