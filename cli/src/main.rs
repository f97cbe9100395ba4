//! The `cloudyknight` binary: the commands that people type, and the roles that the platform's processes play.

use std::process::ExitCode;

use clap::FromArgMatches;

use args::mistake;

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
mod pages;
mod processes;
mod roles;
mod s3;
mod show;
mod suggest;
mod traefik;

fn main() -> ExitCode {
    clock::learn();
    let typed = args::help::command().try_get_matches();
    let args = match typed.and_then(|typed| args::Args::from_arg_matches(&typed)) {
        Ok(args) => args,
        Err(error) => match mistake::of(&error) {
            Some(mistake) => return errors::refuse(mistake, mistake::wants_json()),
            None => error.exit(),
        },
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
