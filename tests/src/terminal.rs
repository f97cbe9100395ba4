//! A command on a terminal, as a person sees it: with colours, bars that move, and questions.

use std::process::{Command, Output};

use crate::client::python;
use crate::run::run;

const PROGRAM: &str = include_str!("terminal.py");

/// Runs it to the end. `answers`: what is typed when something appears. All that the terminal was sent is in its stdout.
pub fn on_terminal(command: &Command, answers: &[(&str, &str)]) -> Output {
    let mut terminal = python();
    terminal.args(["-c", PROGRAM, &serde_json::json!(answers).to_string()]);
    terminal.arg(command.get_program()).args(command.get_args());
    terminal.env("TERM", "xterm-256color");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    run(&mut terminal)
}
