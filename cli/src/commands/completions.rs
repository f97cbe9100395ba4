//! `cloudyknight completions`: what makes a shell complete the commands.

use std::process::ExitCode;

use clap_complete::Shell;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::help;
use crate::output::Output;

/// What `completions SHELL --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Completions {
    version: u32,
    shell: String,
    /// For that shell to read.
    script: String,
}

pub fn run(shell: Shell, output: Output) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "cloudyknight", &mut script);
    if output.is_json() {
        let script = String::from_utf8_lossy(&script).into_owned();
        let completions = Completions { version: 1, shell: shell.to_string(), script };
        anstream::println!("{}", serde_json::to_string(&completions)?);
        return Ok(ExitCode::SUCCESS);
    }
    super::print(&script)
}
