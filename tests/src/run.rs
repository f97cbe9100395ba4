//! Runs programs for the stage, and tells everything when one of them fails.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs to the end, with nothing to read.
pub fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("could not run {command:?}: {error}"))
}

/// Runs to the end, with this to read.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("could not run {command:?}: {error}"));
    // A program that ends without having read everything says why in its output.
    let _ = child.stdin.take().expect("it was asked for").write_all(input);
    child.wait_with_output().expect("its output is read")
}

/// What it printed; a failure is one of the test, with all that it said.
pub fn succeeded(what: &str, output: &Output) -> String {
    assert!(output.status.success(), "{what}: {}\n{}{}", output.status, stdout(output), stderr(output));
    stdout(output)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
