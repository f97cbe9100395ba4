//! A server as a process: started in a group of its own, waited for until it answers, ended with all that it started.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::addresses::Ports;
use crate::http;
use crate::wait::eventually;

/// Longer than the slowest of them takes on a machine that runs everything at once.
const PATIENCE: Duration = Duration::from_secs(120);
const LINES_OF_LOG: usize = 60;

/// What a server is given before it starts.
pub struct Stage {
    pub name: &'static str,
    pub folder: TempDir,
    pub ports: Ports,
}

pub struct Process {
    stage: Stage,
    child: Child,
    endpoint: String,
}

impl Stage {
    pub fn of(name: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("ck-{name}-")).tempdir();
        Self { name, folder: folder.expect("a temporary folder"), ports: Ports::claim() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One of the server's programs, with an environment that holds nothing of the machine's. Should the test be ended
    /// without a word, the server ends with it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(installed(self.name).join("bin").join(program));
        command.env_clear().env("HOME", self.path()).env("LANG", "C.UTF-8").current_dir(self.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Starts it. `port` is the one of its own that clients are to use.
    pub fn start(self, mut command: Command, port: u16) -> Process {
        let child = self.spawn(&mut command);
        let endpoint = format!("http://{}", self.ports.address(port));
        Process { stage: self, child, endpoint }
    }
}

impl Stage {
    /// Its log goes on where it was.
    fn spawn(&self, command: &mut Command) -> Child {
        let log = File::options().create(true).append(true).open(self.path().join("log"));
        let log = log.expect("a file for the log");
        let errors = log.try_clone().expect("the same file");
        let spawned = command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0).spawn();
        spawned.unwrap_or_else(|error| panic!("{} could not be started: {error}", self.name))
    }
}

impl Process {
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn path(&self) -> &Path {
        self.stage.path()
    }

    /// Waits until it answers a request for this path, and the answer is what is looked for.
    pub fn until(mut self, path: &str, looked_for: impl Fn(&http::Answer) -> bool) -> Self {
        self.wait_until(path, looked_for);
        self
    }

    /// The same, for one that was started again.
    pub fn wait_until(&mut self, path: &str, looked_for: impl Fn(&http::Answer) -> bool) {
        let what = format!("{} answers {path}", self.stage.name);
        eventually(&what, PATIENCE, || {
            if let Some(end) = self.child.try_wait().expect("its state") {
                panic!("{} ended: {end}", self.stage.name);
            }
            let address = self.endpoint.strip_prefix("http://").expect("it speaks HTTP");
            let answer = http::get(address, address, path).ok()?;
            looked_for(&answer).then_some(())
        });
    }

    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Ends it and all that it started, without a word.
    pub fn kill(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// Ends it, and starts it again at its place.
    pub fn restart(&mut self, mut command: Command) {
        self.kill();
        self.child = self.stage.spawn(&mut command);
    }

    pub fn log(&self) -> String {
        let log = std::fs::read(self.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(LINES_OF_LOG)..];
            eprintln!("--- the end of the log of {}\n{}\n---", self.stage.name, end.join("\n"));
        }
    }
}

/// Where test.sh has installed a server.
fn installed(name: &str) -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-servers");
    let folder = std::env::var_os("CLOUDYKNIGHT_TEST_SERVERS").map_or(usual, PathBuf::from).join(name);
    assert!(
        folder.join("bin").is_dir(),
        "there is no {}\nhint: `./test.sh --backend {name}` installs it and runs its tests",
        folder.display()
    );
    folder
}
