//! `develop.watch`: which changes of the source go into a container while it runs, or restart it.

use super::hooks::hook;
use super::keys;
use super::model::{Then, WatchAction, WatchRule};
use super::node::{Map, Node};
use super::problem::{Problem, listed, quoted};
use super::scope::Scope;
use super::workspace_path::inside;
use crate::ignore::Patterns;

/// Of one service.
const MAX_RULES: usize = 100;
/// Of one rule.
const MAX_PATTERNS: usize = 100;
const ACTIONS: [&str; 5] = ["rebuild", "restart", "sync", "sync+restart", "sync+exec"];
/// What the kernel shows there is nobody's to write.
const KERNELS: [&str; 3] = ["/dev", "/proc", "/sys"];

pub(super) fn watch(service: &Map, scope: &mut Scope<'_>) -> Result<Vec<WatchRule>, Problem> {
    let Some(node) = service.given("develop") else { return Ok(Vec::new()) };
    let develop = node.map("`develop`")?;
    keys::check(develop, keys::DEVELOP, "`develop`", scope)?;
    let Some(node) = develop.given("watch") else { return Ok(Vec::new()) };
    let items = node.list("`watch`")?;
    if items.len() > MAX_RULES {
        return Err(Problem::at(node.at, format!("`watch`: more than {MAX_RULES} rules")));
    }
    items.iter().map(|item| rule(item, scope)).collect()
}

fn rule(node: &Node, scope: &mut Scope<'_>) -> Result<WatchRule, Problem> {
    const WHAT: &str = "an entry of `watch`";
    let map = node.map(WHAT)?;
    keys::check(map, keys::WATCH, WHAT, scope)?;
    let required = |key: &str| {
        map.given(key).ok_or_else(|| Problem::at(node.at, format!("{WHAT} without its {}", quoted(key))))
    };
    let path = required("path")?;
    let path = inside(path.non_empty_text("`path`")?, path.at, "`watch`", scope)?;
    let node = required("action")?;
    let action = match node.text("`action`")? {
        "rebuild" => WatchAction::Rebuild,
        "restart" => WatchAction::Restart,
        sync @ ("sync" | "sync+restart" | "sync+exec") => {
            let then = match sync {
                "sync+restart" => Then::Restart,
                "sync+exec" => Then::Exec(hook(required("exec")?, "watch", scope)?),
                _ => Then::Nothing,
            };
            let initial = map.given("initial_sync").map(|node| node.boolean("`initial_sync`")).transpose()?;
            WatchAction::Sync {
                target: target(required("target")?)?,
                then,
                initial: initial.unwrap_or(false),
            }
        }
        other => {
            let message = format!("{} is no action of `watch`", quoted(other));
            return Err(Problem::at(node.at, message).hint(format!("it is one of {}", listed(ACTIONS))));
        }
    };
    for (key, wants) in [("target", "sync"), ("initial_sync", "sync"), ("exec", "sync+exec")] {
        let has = match &action {
            WatchAction::Sync { then: Then::Exec(_), .. } => true,
            WatchAction::Sync { .. } => key != "exec",
            WatchAction::Rebuild | WatchAction::Restart => false,
        };
        if let (Some(node), false) = (map.given(key), has) {
            scope.warn(node.at, format!("{WHAT}: {} has no effect without `{wants}`", quoted(key)));
        }
    }
    Ok(WatchRule { path, ignore: patterns(map, "ignore")?, include: patterns(map, "include")?, action })
}

fn target(node: &Node) -> Result<String, Problem> {
    let text = node.non_empty_text("`target`")?;
    let wrong = |why: &str| {
        Err(Problem::at(node.at, format!("`watch`: the `target` {} {why}", quoted(text)))
            .hint("name a folder of the container by its absolute path, such as `/app/src`"))
    };
    if !text.starts_with('/') {
        return wrong("is no absolute path");
    }
    let mut parts = text.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
    if parts.peek().is_none() {
        return wrong("is the whole container");
    }
    let parts: Vec<&str> = parts.collect();
    if parts.contains(&"..") || text.contains(|c: char| c.is_control()) {
        return wrong("is no plain path");
    }
    let target = format!("/{}", parts.join("/"));
    if KERNELS.iter().any(|folder| target == *folder || target.starts_with(&format!("{folder}/"))) {
        return wrong("belongs to the kernel");
    }
    Ok(target)
}

fn patterns(map: &Map, key: &str) -> Result<Vec<String>, Problem> {
    let Some(node) = map.given(key) else { return Ok(Vec::new()) };
    let texts = node.texts(&quoted(key))?;
    if texts.len() > MAX_PATTERNS {
        return Err(Problem::at(
            node.at,
            format!("`watch`: {} has more than {MAX_PATTERNS} patterns", quoted(key)),
        ));
    }
    for (text, at) in &texts {
        Patterns::of([*text])
            .map_err(|error| Problem::at(*at, format!("`watch`: {}: {error}", quoted(key))))?;
    }
    Ok(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}
