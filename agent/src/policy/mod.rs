//! The operator's policy: one file, in TOML, that says what which workspaces may do. Read anew whenever it changes; one
//! that has become unreadable changes nothing and is told.
//!
//! [`document`] is the file as it is written, [`Policy`] what it means to the readers of compose files, and [`Told`] what
//! people are told of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cloudyknight_core::workspace::WorkspaceName;

use crate::compose::policy::{Ceiling, Platform, Policy, Workspaces};

mod document;
mod pattern;
mod size;
mod told;

pub use document::{ApiScope, Entry, Limits};
use document::{Document, Granted, Said};
pub use pattern::Pattern;
pub use size::Size;
pub use told::{Grant, Told, ToldLimits};

/// What holds where the operator has written nothing.
pub const DEFAULT: &str = include_str!("default.toml");

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("{}, line {line}: {message}", path.display())]
    Wrong { path: PathBuf, line: usize, message: String },
    #[error("the policy {} could not be read: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
}

/// The file, and what it said last.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    platform: Platform,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    text: Result<String, PolicyError>,
    /// What it said when it last was right: this holds.
    held: String,
    policy: Arc<Policy>,
    trouble: Option<PolicyError>,
}

impl PolicyFile {
    /// # Errors
    /// There is no such file, or it is wrong: nobody should start with another policy than the operator's.
    pub fn open(path: &Path, platform: Platform) -> Result<Self, PolicyError> {
        let text = read(path)?;
        let policy = Arc::new(meaning(path, &text, &platform)?);
        let state = State { text: Ok(text.clone()), held: text, policy, trouble: None };
        Ok(Self { path: path.to_owned(), platform, state: Mutex::new(state) })
    }

    /// What it says now, or what it said when it last was right.
    pub fn current(&self) -> Arc<Policy> {
        let text = read(&self.path);
        let mut state = self.state.lock().expect("no thread panics while it holds the state");
        if state.text == text {
            return state.policy.clone();
        }
        let read = text
            .clone()
            .and_then(|text| meaning(&self.path, &text, &self.platform).map(|policy| (text, policy)));
        state.text = text;
        match read {
            Ok((text, policy)) => {
                state.held = text;
                tracing::info!(file = %self.path.display(), "the policy was changed and holds from now on");
                state.policy = Arc::new(policy);
                state.trouble = None;
            }
            Err(error) => {
                tracing::warn!(%error, "the policy cannot be read; the one before holds on");
                state.trouble = Some(error);
            }
        }
        state.policy.clone()
    }

    /// What holds, as people are told it: of all workspaces, or of one.
    pub fn told(&self, workspace: Option<WorkspaceName>) -> Result<Told, PolicyError> {
        self.current();
        let state = self.state.lock().expect("no thread panics while it holds the state");
        let trouble = state.trouble.as_ref().map(ToString::to_string);
        Ok(Told { trouble, ..Told::of(&self.path, &state.held, true, workspace)? })
    }

    /// Why what holds is not what the file says.
    pub fn trouble(&self) -> Option<PolicyError> {
        self.current();
        self.state.lock().expect("no thread panics while it holds the state").trouble.clone()
    }
}

fn read(path: &Path) -> Result<String, PolicyError> {
    let unreadable =
        |error: std::io::Error| PolicyError::Unreadable { path: path.to_owned(), message: error.to_string() };
    std::fs::read_to_string(path).map_err(unreadable)
}

/// The file as it is written.
pub(crate) fn document(path: &Path, text: &str) -> Result<Document, PolicyError> {
    let wrong = |at: Option<usize>, message: &str| PolicyError::Wrong {
        path: path.to_owned(),
        line: at.map_or(1, |at| line(text, at)),
        message: message.trim_end().to_owned(),
    };
    let document: Document =
        toml::from_str(text).map_err(|error| wrong(error.span().map(|span| span.start), error.message()))?;
    for entry in &document.allow {
        check(entry.get_ref()).map_err(|message| wrong(Some(entry.span().start), &message))?;
    }
    let limits = document.limits;
    if limits.memory > limits.max_memory || limits.pids > limits.max_pids || limits.pids == 0 {
        let at = text.find("[limits]");
        return Err(wrong(at, "`limits`: what containers get by default is more than the most, or nothing"));
    }
    Ok(document)
}

/// The line of an entry.
fn line(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

/// Names that could never be what somebody asks for are mistakes.
fn check(entry: &Entry) -> Result<(), String> {
    let plain_path = |path: &str| {
        path.starts_with('/')
            && !path.split('/').any(|part| matches!(part, "." | ".."))
            && !path.contains("//")
    };
    let capability =
        |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && !name.starts_with("CAP_");
    for (permission, granted, fits, hint) in [
        ("host_paths", &entry.host_paths, &plain_path as &dyn Fn(&str) -> bool, "write an absolute path"),
        ("devices", &entry.devices, &plain_path, "write a path such as /dev/kvm"),
        ("capabilities", &entry.capabilities, &capability, "write a name such as NET_ADMIN"),
    ] {
        if let Granted::Named(names) = granted
            && let Some(wrong) = names.iter().find(|name| !fits(name))
        {
            return Err(format!("`{permission}`: {wrong:?} can be none: {hint}"));
        }
    }
    let of_traefik = |name: &String| matches!(name.as_str(), "plugin" | "forwardauth") || name.contains('@');
    if let Some(wrong) = entry.traefik.iter().find(|name| !of_traefik(name)) {
        let hint = "write `plugin`, `forwardauth`, or a name with its provider, such as auth@file";
        return Err(format!("`traefik`: {wrong:?} can be none: {hint}"));
    }
    if entry.says().is_empty() {
        return Err("this entry allows nothing".to_owned());
    }
    Ok(())
}

pub(crate) fn meaning(path: &Path, text: &str, platform: &Platform) -> Result<Policy, PolicyError> {
    let document = document(path, text)?;
    let mut policy = Policy { limits: document.limits, platform: platform.clone(), ..Policy::default() };
    if let Some(names) = document.edge_networks {
        policy.edge_networks = names;
    }
    for entry in document.allow.into_iter().map(toml::Spanned::into_inner) {
        add(&mut policy, entry);
    }
    Ok(policy)
}

fn add(policy: &mut Policy, entry: Entry) {
    let who = &entry.workspaces;
    let give = |workspaces: &mut Workspaces| workspaces.0.extend(who.iter().cloned());
    for (workspaces, given) in [
        (&mut policy.privileged, entry.privileged),
        (&mut policy.host_namespaces, entry.host_namespaces),
        (&mut policy.new_privileges, entry.new_privileges),
        (&mut policy.docker_socket, entry.docker_socket),
        (&mut policy.low_ports, entry.low_ports),
        (&mut policy.sysctls, entry.sysctls),
        (&mut policy.s3, entry.s3),
        (&mut policy.ingest, entry.ingest),
        (&mut policy.metadata, entry.metadata),
    ] {
        if given {
            give(workspaces);
        }
    }
    if let Some(scope) = entry.api {
        give(policy.api.entry(scope).or_default());
    }
    for (all, named, granted) in [
        (&mut policy.devices, &mut policy.named_devices, entry.devices),
        (&mut policy.capabilities, &mut policy.named_capabilities, entry.capabilities),
        (&mut policy.host_paths, &mut policy.named_host_paths, entry.host_paths),
    ] {
        match granted {
            Granted::Nothing => {}
            Granted::Everything => give(all),
            Granted::Named(names) => names.into_iter().for_each(|name| give(named.entry(name).or_default())),
        }
    }
    for name in entry.external_networks {
        give(policy.external_networks.entry(name).or_default());
    }
    for name in entry.external_volumes {
        give(policy.external_volumes.entry(name).or_default());
    }
    for name in entry.traefik {
        give(policy.traefik.entry(name).or_default());
    }
    if entry.memory.is_some() || entry.pids.is_some() {
        let mut workspaces = Workspaces::default();
        give(&mut workspaces);
        policy.ceilings.push(Ceiling {
            workspaces,
            memory: entry.memory.map(|size| size.0),
            pids: entry.pids,
        });
    }
}

#[cfg(test)]
mod tests;
