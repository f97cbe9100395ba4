//! From the compose file of a release to the model that the planner reads.
//!
//! Everything here is pure: text and answers about the workspace go in, a [`Project`] with warnings or one
//! precise error comes out. The way through: the text becomes a tree ([`yaml`]), its variables are filled in
//! ([`interpolate`]), and readers, one a concept, turn the tree into the model ([`project`] for the whole,
//! [`service`] for each service). [`detect`](detect()) finds the file to begin with, or writes a default one.
//!
//! The syntax is the Compose specification's, as Compose v2 reads it; where an app could tell the difference
//! between asked and given, there is a warning or an error.

use std::collections::BTreeMap;

use cloudyknight_core::workspace::WorkspaceName;

pub mod model;
pub mod policy;

mod detect;

mod yaml;

mod node;
mod problem;

mod interpolate;

mod env_file;
mod scope;

mod keys;
mod project;
mod service;

mod build;
mod depends_on;
mod duration;
mod environment;
mod healthcheck;
mod isolation;
mod mounts;
mod networks;
mod pairs;
mod ports;
mod volumes;
mod words;
mod workspace_path;

pub use detect::{Detected, detect};
use model::{ComposeError, Project, Warning};
use policy::Policy;
use scope::Scope;

/// A compose file and what it may ask about its surroundings. The host's environment is not among them.
pub struct Input<'a> {
    pub workspace: &'a WorkspaceName,
    /// The name of the file, for errors.
    pub file: &'a str,
    pub text: &'a str,
    /// The content of a small text file of the workspace; `None` if there is none or it is no such file.
    pub files: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a file or folder exists in the workspace.
    pub paths: &'a dyn Fn(&str) -> bool,
    /// The operator's, for interpolation. The workspace's own `.env` comes first.
    pub variables: &'a BTreeMap<String, String>,
    pub policy: &'a Policy,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub project: Project,
    /// What the file asks for that has no effect here, in the order of the file.
    pub warnings: Vec<Warning>,
}

/// Time and memory are bounded whatever the text is.
///
/// # Errors
/// The first mistake, or the first thing that policy forbids, with its position.
pub fn parse(input: &Input<'_>) -> Result<Parsed, ComposeError> {
    read(input).map_err(|problem| problem.into_error(input.file))
}

fn read(input: &Input<'_>) -> Result<Parsed, problem::Problem> {
    let mut tree = yaml::read(input.text)?;
    let mut scope = Scope::new(input)?;
    scope.interpolate(&mut tree)?;
    let project = project::project(&tree, &mut scope)?;
    Ok(Parsed { project, warnings: scope.into_warnings() })
}

#[cfg(test)]
mod tests;
