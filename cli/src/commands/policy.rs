//! `cloudyknight policy`: what the operator's policy lets workspaces do, and which entry of its file says so.

use std::process::ExitCode;

use cloudyknight_agent::policy::{self, DEFAULT, Entry, Limits, Size};
use cloudyknight_core::workspace::WorkspaceName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::Listen;
use crate::config::Config;
use crate::errors::hinted;
use crate::home::Home;
use crate::output::Output;

/// What `policy --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Policy {
    version: u32,
    file: String,
    /// Whether the file is there; otherwise this is what it will say at the first start.
    exists: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<WorkspaceName>,
    grants: Vec<Grant>,
    limits: Told,
}

#[derive(Serialize, ToSchema)]
struct Grant {
    permission: &'static str,
    /// `true`, or what exactly.
    value: String,
    workspaces: Vec<String>,
    line: usize,
}

/// Of one container; what entries raise is among the grants.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyLimits)]
struct Told {
    memory: String,
    max_memory: String,
    pids: u32,
    max_pids: u32,
    max_logs: String,
}

pub fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let config = Config::load(home, &Listen::default())?;
    let path = config.policy_path(home);
    let workspace: Option<WorkspaceName> = name.map(str::parse).transpose()?;
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
    let document = policy::document(&path, &text).map_err(|error| hinted(error.to_string(), hint))?;
    let meant = |entry: &&toml::Spanned<Entry>| {
        workspace
            .as_ref()
            .is_none_or(|name| entry.get_ref().workspaces.iter().any(|pattern| pattern.matches(name)))
    };
    let grants = document.allow.iter().filter(meant).flat_map(|entry| {
        let line = policy::line(&text, entry.span().start);
        let workspaces: Vec<String> = entry.get_ref().workspaces.iter().map(ToString::to_string).collect();
        let grant = move |said: policy::Said| Grant {
            permission: said.permission,
            value: said.value,
            workspaces: workspaces.clone(),
            line,
        };
        entry.get_ref().says().into_iter().map(grant)
    });
    let Limits { memory, max_memory, pids, max_pids, max_logs } = document.limits;
    let told = |size: Size| size.to_string();
    let limits =
        Told { memory: told(memory), max_memory: told(max_memory), pids, max_pids, max_logs: told(max_logs) };
    let answer = Policy {
        version: 1,
        file: path.display().to_string(),
        exists,
        grants: grants.collect(),
        workspace,
        limits,
    };
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&answer)?);
    } else {
        print(&answer);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(answer: &Policy) {
    let Policy { file, exists, workspace, grants, limits, .. } = answer;
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
    let Told { memory, max_memory, pids, max_pids, max_logs } = limits;
    anstream::println!(
        "A container gets {memory} of memory and {pids} processes; a compose file may ask for {max_memory} and {max_pids}. \
         At most {max_logs} of its output are kept."
    );
}
