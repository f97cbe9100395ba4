//! `build`: an image made from a Dockerfile of the workspace.

use std::collections::BTreeMap;

use super::keys;
use super::model::Build;
use super::node::{Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;
use super::workspace_path::{Place, inside, outside, place};

const DOCKERFILE: &str = "Dockerfile";

pub(super) fn build(node: &Node, scope: &mut Scope<'_>) -> Result<Build, Problem> {
    let Value::Map(map) = &node.value else {
        let context = context(node.text("`build`")?, node.at, scope)?;
        return finish(context, DOCKERFILE.to_owned(), node.at, BTreeMap::new(), None, scope);
    };
    keys::check(map, keys::BUILD, "`build`", scope)?;
    refuse_privileges(node, scope)?;
    let context = match map.given("context") {
        Some(node) => context(node.text("`context`")?, node.at, scope)?,
        None => String::new(),
    };
    let (dockerfile, at) = match map.given("dockerfile") {
        Some(node) => (dockerfile(node.non_empty_text("`dockerfile`")?, &context, node.at, scope)?, node.at),
        None => (DOCKERFILE.to_owned(), node.at),
    };
    let mut args = BTreeMap::new();
    if let Some(node) = map.given("args") {
        for (name, value) in pairs::read_optional(node, "`args`")? {
            if let Some(value) = value.or_else(|| scope.variable(&name).map(str::to_owned)) {
                args.insert(name, value);
            }
        }
    }
    let target = map.given("target").map(|node| node.text("`target`")).transpose()?;
    let target = target.filter(|name| !name.is_empty()).map(str::to_owned);
    finish(context, dockerfile, at, args, target, scope)
}

fn finish(
    context: String,
    dockerfile: String,
    dockerfile_at: Position,
    args: BTreeMap<String, String>,
    target: Option<String>,
    scope: &Scope<'_>,
) -> Result<Build, Problem> {
    let path = if context.is_empty() { dockerfile.clone() } else { format!("{context}/{dockerfile}") };
    if !(scope.input.paths)(&path) {
        return Err(Problem::at(
            dockerfile_at,
            format!("the Dockerfile {} does not exist in the workspace", quoted(&path)),
        )
        .hint("upload it, or say where it is with `context` and `dockerfile`"));
    }
    Ok(Build { context, dockerfile, args, target })
}

fn context(text: &str, at: Position, scope: &Scope<'_>) -> Result<String, Problem> {
    let remote = text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/");
    if remote {
        return Err(Problem::at(at, format!("building from {} is not supported yet", quoted(text)))
            .hint("upload the source, and build from a path of the workspace"));
    }
    let path = inside(text, at, "`build`", scope)?;
    if !path.is_empty() && !(scope.input.paths)(&path) {
        return Err(Problem::at(
            at,
            format!("the build context {} does not exist in the workspace", quoted(text)),
        ));
    }
    Ok(path)
}

/// The path inside the context: it is written relative to it, and never leads outside of it.
fn dockerfile(text: &str, context: &str, at: Position, scope: &Scope<'_>) -> Result<String, Problem> {
    let from_root =
        if text.starts_with(['/', '~']) { text.to_owned() } else { format!("./{context}/{text}") };
    let path = match place(&from_root, scope.input.workspace) {
        Place::Workspace(path) => path,
        other => return Err(outside(&other, text, at, "`dockerfile`", scope)),
    };
    let in_context = match context {
        "" => Some(path.as_str()),
        context => path.strip_prefix(context).and_then(|rest| rest.strip_prefix('/')),
    };
    in_context.filter(|path| !path.is_empty()).map(str::to_owned).ok_or_else(|| {
        Problem::at(at, format!("the Dockerfile {} lies outside of its build context", quoted(text)))
            .hint("move it into the context, or make the context larger")
    })
}

fn refuse_privileges(node: &Node, scope: &Scope<'_>) -> Result<(), Problem> {
    let map = node.map("`build`")?;
    let unsupported = |at, key: &str| {
        Err(Problem::at(at, format!("`build`: `{key}` is not supported yet")).hint("remove it"))
    };
    for key in ["privileged", "entitlements"] {
        if let Some(node) = map.get(key).filter(|node| !node.is_trivial()) {
            scope.require(Permission::Privileged, node.at, &format!("`build`: `{key}`"), "remove it")?;
            return unsupported(node.at, key);
        }
    }
    if let Some(node) = map.given("network") {
        match node.text("`network`")? {
            "" | "default" | "bridge" => {}
            "host" => {
                scope.require(
                    Permission::HostNamespaces,
                    node.at,
                    "`build`: `network: host`",
                    "remove it",
                )?;
                return unsupported(node.at, "network: host");
            }
            _ => return unsupported(node.at, "network"),
        }
    }
    Ok(())
}
