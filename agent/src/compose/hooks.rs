//! `post_start` and `pre_stop`: commands that run inside a container that runs.

use super::keys;
use super::model::Hook;
use super::node::{Map, Node};
use super::pairs;
use super::policy::Permission;
use super::problem::{Problem, quoted};
use super::scope::Scope;
use super::service::command;

/// Of one kind, of one service.
const MAX_HOOKS: usize = 20;

pub(super) fn hooks(service: &Map, key: &str, scope: &mut Scope<'_>) -> Result<Vec<Hook>, Problem> {
    let Some(node) = service.given(key) else { return Ok(Vec::new()) };
    let items = node.list(&quoted(key))?;
    if items.len() > MAX_HOOKS {
        return Err(Problem::at(node.at, format!("`{key}`: more than {MAX_HOOKS} commands")));
    }
    items.iter().map(|item| hook(item, key, scope)).collect()
}

pub(super) fn hook(node: &Node, key: &str, scope: &mut Scope<'_>) -> Result<Hook, Problem> {
    let what = format!("an entry of {}", quoted(key));
    let map = node.map(&what)?;
    keys::check(map, keys::HOOK, &what, scope)?;
    let words = match map.given("command") {
        Some(node) => command(node, "command", scope)?,
        None => Vec::new(),
    };
    if words.is_empty() {
        return Err(Problem::at(node.at, format!("{what} without its `command`")));
    }
    let privileged = match map.given("privileged") {
        Some(node) => node.boolean("`privileged`")?,
        None => false,
    };
    if privileged {
        let at = map.given("privileged").map_or(node.at, |node| node.at);
        scope.require(Permission::Privileged, at, &format!("{what} with `privileged: true`"), "remove it")?;
    }
    let text = |key: &str| map.given(key).map(|node| node.text(&quoted(key)).map(str::to_owned)).transpose();
    let environment = match map.given("environment") {
        Some(node) => pairs::read_optional(node, "`environment`")?,
        None => Default::default(),
    };
    let variable = |name: &str| scope.variable(name).map(str::to_owned);
    Ok(Hook {
        command: words,
        user: text("user")?.filter(|user| !user.is_empty()),
        privileged,
        working_dir: text("working_dir")?.filter(|folder| !folder.is_empty()),
        environment: environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.clone(), value.or_else(|| variable(&name))?)))
            .collect(),
    })
}
