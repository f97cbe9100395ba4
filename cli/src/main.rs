//! The `cloudyknight` binary: the commands that people type, and the roles that the platform's processes play.

use std::process::ExitCode;

use clap::FromArgMatches;

mod args;
mod backends;
mod client;
mod clock;
mod commands;
mod config;
mod environment;
mod errors;
mod files;
mod home;
mod mount;
mod output;
mod processes;
mod roles;
mod s3;
mod show;
mod suggest;
mod traefik;

fn main() -> ExitCode {
    clock::learn();
    let args = match args::Args::from_arg_matches(&args::help::command().get_matches()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let json = args.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args)),
        Err(error) => Err(anyhow::Error::new(error).context("the async runtime did not start")),
    };
    match result {
        Ok(code) => code,
        Err(error) => errors::report(&error, json),
    }
}
