//! The environment of a service: its `env_file`s in their order, and `environment` over them; and its labels, which
//! come from `label_file` and `labels` in the same way.

use std::collections::BTreeMap;

use super::env_file::Format;
use super::keys;
use super::node::{Map, Node, Value};
use super::pairs;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;
use super::workspace_path::inside;

pub(super) fn environment(service: &Map, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut environment = BTreeMap::new();
    for item in service.given("env_file").map(items).unwrap_or_default() {
        environment.extend(env_file(item, scope)?);
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

pub(super) fn labels(service: &Map, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut labels = BTreeMap::new();
    for item in service.given("label_file").map(items).unwrap_or_default() {
        let path = item.non_empty_text("`label_file`")?;
        labels.extend(file(path, item.at, true, Format::Usual, "`label_file`", scope)?);
    }
    if let Some(node) = service.given("labels") {
        labels.extend(pairs::read(node, "`labels`")?);
    }
    Ok(labels)
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    }
}

fn env_file(node: &Node, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let Value::Map(map) = &node.value else {
        let path = node.non_empty_text("`env_file`")?;
        return file(path, node.at, true, Format::Usual, "`env_file`", scope);
    };
    keys::check(map, keys::ENV_FILE, "`env_file`", scope)?;
    let path = map.given("path").ok_or_else(|| Problem::at(node.at, "an `env_file` without its `path`"))?;
    let required = map.given("required").map(|node| node.boolean("`required`")).transpose()?.unwrap_or(true);
    let format = match map.given("format") {
        None => Format::Usual,
        Some(node) => match node.text("`format`")? {
            "" => Format::Usual,
            "raw" => Format::Raw,
            other => {
                return Err(Problem::at(node.at, format!("{} is no format of an `env_file`", quoted(other)))
                    .hint("it is `raw`, or left out"));
            }
        },
    };
    file(path.non_empty_text("`path`")?, path.at, required, format, "`env_file`", scope)
}

/// The variables of a file that the service names. One that need not be there is empty when it is not.
fn file(
    path: &str,
    at: Position,
    required: bool,
    format: Format,
    what: &str,
    scope: &mut Scope<'_>,
) -> Result<BTreeMap<String, String>, Problem> {
    let path = inside(path, at, what, scope)?;
    match (scope.input.files)(&path) {
        Some(text) => {
            let variables = scope.variables().clone();
            scope.read_env_file(&path, &text, format, &variables)
        }
        None if (scope.input.paths)(&path) => {
            Err(Problem::at(at, format!("{what}: {} cannot be read as a small text file", quoted(&path))))
        }
        None if required => {
            let hint = match what {
                "`env_file`" => "upload it, or write `{path: …, required: false}`",
                _ => "upload it",
            };
            Err(Problem::at(at, format!("{what}: {} does not exist in the workspace", quoted(&path)))
                .hint(hint))
        }
        None => Ok(BTreeMap::new()),
    }
}
