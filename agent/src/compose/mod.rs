//! From the compose file of a release to the model that the planner reads.
//!
//! Everything here is pure: text and answers about the workspace go in, a [`Project`] with warnings or one
//! precise error comes out. [`detect`](detect()) finds the files to begin with, or writes a default one. [`load`]
//! makes one tree of them: each text becomes trees ([`yaml`]), their variables are filled in ([`interpolate`]),
//! services inherit ([`extends`]), other files are taken in ([`include`]), and all is merged ([`merge`]). Then
//! readers, one a concept, turn the tree into the model ([`project`] for the whole, [`service`] for each service).
//!
//! The syntax is the Compose specification's, as Compose v2 reads it; where an app could tell the difference
//! between asked and given, there is a warning or an error.

use std::collections::BTreeMap;

use cloudyknight_core::workspace::WorkspaceName;

pub mod model;
pub mod places;
pub mod policy;

mod detect;

mod load;

mod tags;
mod yaml;

mod node;
mod problem;

mod interpolate;

mod env_file;
mod scope;
mod variables;

mod extends;
mod forms;
mod include;
mod merge;
mod rebase;
mod unique;

mod keys;
mod profiles;
mod project;
mod service;

mod build;
mod depends_on;
mod develop;
mod duration;
mod environment;
mod healthcheck;
mod hooks;
mod isolation;
mod limits;
mod mounts;
mod networks;
mod pairs;
mod ports;
mod quantity;
mod resources;
mod scaling;
mod secrets;
mod strategy;
mod surroundings;
mod volumes;
mod words;
mod workspace_path;

pub use detect::{Detected, detect};
use model::{ComposeError, Project, Warning};
use places::{OfService, Places};
use policy::Policy;
use scope::Scope;

/// The compose files of a workspace, and what they may ask about their surroundings. The host's environment is not
/// among them.
pub struct Input<'a> {
    pub workspace: &'a WorkspaceName,
    /// The path of the main file. Relative paths start from its folder.
    pub file: &'a str,
    pub text: &'a str,
    /// The paths of the files that are merged over it, in this order.
    pub overrides: &'a [String],
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
    /// What the files ask for that has no effect here, in the order of the files.
    pub warnings: Vec<Warning>,
    pub places: Places,
}

/// Time and memory are bounded whatever the text is.
///
/// # Errors
/// The first mistake, or the first thing that policy forbids, with its position.
pub fn parse(input: &Input<'_>) -> Result<Parsed, ComposeError> {
    let mut scope = Scope::new(input);
    match read(&mut scope) {
        Ok((project, services)) => {
            let places = Places::new(scope.files(), services);
            Ok(Parsed { project, warnings: scope.into_warnings(), places })
        }
        Err(problem) => Err(problem.into_error(scope.files())),
    }
}

fn read(scope: &mut Scope<'_>) -> Result<(Project, BTreeMap<String, OfService>), problem::Problem> {
    let tree = load::load(scope)?;
    project::project(&tree, scope)
}

#[cfg(test)]
mod tests;
