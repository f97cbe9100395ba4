//! The `cloudyknight` binary: the commands that people type, and the roles that the platform's processes play.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod backends;
mod client;
mod commands;
mod config;
mod environment;
mod errors;
mod home;
mod mount;
mod processes;
mod roles;
mod s3;
mod show;
mod traefik;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let json = args.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args)),
        Err(error) => Err(anyhow::Error::new(error).context("the async runtime did not start")),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            errors::report(&error, json);
            ExitCode::FAILURE
        }
    }
}
