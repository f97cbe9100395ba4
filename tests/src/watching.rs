//! A command that goes on, such as `push --watch`: what it prints is read line by line, and it ends as with Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than a deployment takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = spawned.expect("it starts");
        let out = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line came: {error}"))
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    }

    /// Ends it as Ctrl-C does. It must end well, and have nothing more to say.
    #[track_caller]
    pub fn interrupt(mut self) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::INT).expect("it runs");
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "after Ctrl-C: {ended}");
        assert_eq!(self.lines.iter().collect::<Vec<_>>(), [""; 0]);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
