//! `cloudyknight completions`: what makes a shell complete the commands.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::args::help;

pub fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "cloudyknight", &mut script);
    super::print(&script)
}
