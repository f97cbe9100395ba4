//! `cloudyknight policy`: what the operator's policy lets workspaces do, and which entry of its file says so.

use std::process::ExitCode;

use cloudyknight_agent::policy::{DEFAULT, Grant, Told, ToldLimits};
use cloudyknight_core::workspace::WorkspaceName;

use crate::args::Listen;
use crate::client::{Client, segment};
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;
use crate::output::{HINT, Output, WARNING};

pub async fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let workspace: Option<WorkspaceName> = name.map(str::parse).transpose()?;
    let told = match home.elsewhere() {
        Some(_) => of_platform(home, workspace).await?,
        None => of_file(home, workspace)?,
    };
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&told)?);
    } else {
        print(&told);
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_platform(home: &Home, workspace: Option<WorkspaceName>) -> anyhow::Result<Told> {
    let query = workspace.map(|name| format!("?workspace={}", segment(name.as_str()))).unwrap_or_default();
    Client::new(home)?.get(&format!("/api/v1/policy{query}")).await
}

/// The file that the platform of this home reads, also while it does not run.
fn of_file(home: &Home, workspace: Option<WorkspaceName>) -> anyhow::Result<Told> {
    let config = Config::load(home, &Listen::default())?;
    let path = config.policy_path(home);
    let exists = path.exists();
    let text = if exists || config.policy.is_some() {
        std::fs::read_to_string(&path).map_err(|error| {
            hinted(
                format!("could not read {}: {error}", path.display()),
                "`policy` in config.toml names the file",
            )
        })?
    } else {
        DEFAULT.to_owned()
    };
    let hint = "correct the file; docs/policy.md lists what it may say";
    Told::of(&path, &text, exists, workspace).map_err(|error| hinted(error.to_string(), hint))
}

fn print(told: &Told) {
    let Told { file, exists, trouble, workspace, grants, limits, .. } = told;
    if let Some(trouble) = trouble {
        anstream::eprintln!("{WARNING} {trouble}");
        anstream::eprintln!("{HINT} correct the file; until then holds what it said when it last was right");
    }
    let note = if *exists { "" } else { " (not there yet: this is the default)" };
    anstream::println!("{file}{note}");
    match workspace {
        Some(name) if grants.is_empty() => {
            anstream::println!("No entry allows `{name}` anything beyond plain containers.");
        }
        None if grants.is_empty() => anstream::println!("It allows nothing beyond plain containers."),
        _ => {}
    }
    for Grant { permission, value, workspaces, line } in grants {
        let who = workspaces.join(", ");
        anstream::println!("line {line:<4} {permission} = {value}   for {who}");
    }
    let ToldLimits { memory, max_memory, pids, max_pids, max_logs } = limits;
    anstream::println!(
        "A container gets {memory} of memory and {pids} processes; a compose file may ask for {max_memory} and {max_pids}. \
         At most {max_logs} of its output are kept."
    );
}
