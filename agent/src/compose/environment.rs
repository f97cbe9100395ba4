//! The environment of a service: its `env_file`s in their order, and `environment` over them.

use std::collections::BTreeMap;

use super::keys;
use super::node::{Map, Node, Value};
use super::pairs;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;
use super::workspace_path::inside;

pub(super) fn environment(service: &Map, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut environment = BTreeMap::new();
    if let Some(node) = service.given("env_file") {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            environment.extend(env_file(item, scope)?);
        }
    }
    if let Some(node) = service.given("environment") {
        for (name, value) in pairs::read_optional(node, "`environment`")? {
            // A name alone asks for the variable of the same name, and is absent where there is none.
            if let Some(value) = value.or_else(|| scope.variable(&name).map(str::to_owned)) {
                environment.insert(name, value);
            }
        }
    }
    Ok(environment)
}

fn env_file(node: &Node, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let (path, at, required) = match &node.value {
        Value::Map(map) => long(map, node.at, scope)?,
        _ => (node.non_empty_text("`env_file`")?, node.at, true),
    };
    let path = inside(path, at, "`env_file`", scope)?;
    match (scope.input.files)(&path) {
        Some(text) => scope.read_env_file(&path, &text),
        None if (scope.input.paths)(&path) => {
            Err(Problem::at(at, format!("`env_file`: {} cannot be read as a small text file", quoted(&path))))
        }
        None if required => {
            Err(Problem::at(at, format!("`env_file`: {} does not exist in the workspace", quoted(&path)))
                .hint("upload it, or write `{path: …, required: false}`"))
        }
        None => Ok(BTreeMap::new()),
    }
}

fn long<'n>(map: &'n Map, at: Position, scope: &mut Scope<'_>) -> Result<(&'n str, Position, bool), Problem> {
    keys::check(map, keys::ENV_FILE, "`env_file`", scope)?;
    let path = map.given("path").ok_or_else(|| Problem::at(at, "an `env_file` without its `path`"))?;
    let required = map.given("required").map(|node| node.boolean("`required`")).transpose()?.unwrap_or(true);
    Ok((path.non_empty_text("`path`")?, path.at, required))
}
