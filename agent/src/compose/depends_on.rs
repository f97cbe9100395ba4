//! `depends_on` and `links`: which services start before which.

use std::collections::{BTreeMap, BTreeSet};

use super::keys;
use super::model::{Condition, DependsOn};
use super::node::{Map, Node, Value};
use super::problem::{Position, Problem, listed, quoted};
use super::scope::Scope;
use super::volumes::is_name;

/// By the name of the service that is waited for, with where the file says so.
pub(super) type Dependencies = BTreeMap<String, (DependsOn, Position)>;

pub(super) const STARTED: DependsOn =
    DependsOn { condition: Condition::Started, required: true, restart: false };

pub(super) fn depends_on(service: &Map, scope: &mut Scope<'_>) -> Result<Dependencies, Problem> {
    let mut dependencies = Dependencies::new();
    match service.given("depends_on").map(|node| (&node.value, node)) {
        None => {}
        Some((Value::Map(map), _)) => {
            for entry in &map.entries {
                let depends = if entry.value.is_null() { STARTED } else { long(&entry.value, scope)? };
                dependencies.insert(entry.key.clone(), (depends, entry.key_at));
            }
        }
        Some((Value::List(items), _)) => {
            for item in items {
                dependencies.insert(item.text("an entry of `depends_on`")?.to_owned(), (STARTED, item.at));
            }
        }
        Some((_, node)) => return Err(node.not("`depends_on`", "a list or a mapping")),
    }
    if let Some(node) = service.given("links") {
        for item in node.list("`links`")? {
            let text = item.text("a link")?;
            // Services of a workspace reach each other by name: of a link, the order is left, and its alias.
            let name = text.split_once(':').map_or(text, |(name, _)| name);
            dependencies.entry(name.to_owned()).or_insert((STARTED, item.at));
        }
    }
    Ok(dependencies)
}

fn long(node: &Node, scope: &mut Scope<'_>) -> Result<DependsOn, Problem> {
    let map = node.map("an entry of `depends_on`")?;
    keys::check(map, keys::DEPENDS_ON, "`depends_on`", scope)?;
    let condition = match map.given("condition") {
        None => Condition::Started,
        Some(node) => match node.text("`condition`")? {
            "service_started" => Condition::Started,
            "service_healthy" => Condition::Healthy,
            "service_completed_successfully" => Condition::CompletedSuccessfully,
            other => {
                return Err(Problem::at(node.at, format!("{} is no condition", quoted(other)))
                    .hint("it is `service_started`, `service_healthy` or `service_completed_successfully`"));
            }
        },
    };
    let required = map.given("required").map(|node| node.boolean("`required`")).transpose()?.unwrap_or(true);
    let restart = map.given("restart").map(|node| node.boolean("`restart`")).transpose()?.unwrap_or(false);
    Ok(DependsOn { condition, required, restart })
}

/// The names under which a service knows others, where they are not their own: name of the service, and alias.
pub(super) fn link_aliases(service: &Map) -> Result<Vec<(String, String, Position)>, Problem> {
    let Some(node) = service.given("links") else { return Ok(Vec::new()) };
    let mut aliases = Vec::new();
    for item in node.list("`links`")? {
        if let Some((name, alias)) = item.text("a link")?.split_once(':')
            && name != alias
        {
            if !is_name(alias) {
                return Err(Problem::at(item.at, format!("{} is no name for a container", quoted(alias))));
            }
            aliases.push((name.to_owned(), alias.to_owned(), item.at));
        }
    }
    Ok(aliases)
}

/// Takes out what is not there and need not be; what must be there, and is not, is an error.
pub(super) fn resolve(
    dependencies: &mut Dependencies,
    services: &BTreeSet<String>,
    left_out: &BTreeSet<String>,
    scope: &mut Scope<'_>,
) -> Result<(), Problem> {
    let missing: Vec<String> =
        dependencies.keys().filter(|name| !services.contains(*name)).cloned().collect();
    for name in missing {
        let Some((depends, at)) = dependencies.remove(&name) else { continue };
        let shown = quoted(&name);
        if !depends.required {
            scope.warn(at, format!("`depends_on`: there is no service {shown}, and it is not required"));
        } else if left_out.contains(&name) {
            return Err(Problem::at(
                at,
                format!("`depends_on`: the service {shown} is left out, because no profile of it is active"),
            )
            .hint(format!(
                "name one in `.env` (`COMPOSE_PROFILES=…`), remove `profiles` from {shown}, or write `required: false`"
            )));
        } else {
            let names = services.iter().map(String::as_str);
            let hint = match keys::nearest(&name, names.clone()) {
                Some(near) => format!("did you mean {}? services: {}", quoted(near), listed(names)),
                None => format!("services: {}", listed(names)),
            };
            return Err(Problem::at(at, format!("`depends_on`: there is no service {shown}")).hint(hint));
        }
    }
    Ok(())
}

/// An error if services wait for each other in a circle. Every name in `graph` must be one of its keys.
pub(super) fn refuse_circles(graph: &BTreeMap<&str, &Dependencies>) -> Result<(), Problem> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        graph.iter().map(|(name, on)| (*name, on.keys().map(String::as_str).collect())).collect();
    // Whoever waits for nobody can start; once nobody can, who is left waits in a circle, or for one.
    loop {
        let ready: Vec<&str> = left.iter().filter(|(_, on)| on.is_empty()).map(|(name, _)| *name).collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            left.remove(name);
            for on in left.values_mut() {
                on.remove(name);
            }
        }
    }
    let Some(first) = left.keys().next().copied() else { return Ok(()) };
    let mut path = vec![first];
    while let Some(next) = path.last().and_then(|last| left.get(last)).and_then(|on| on.first().copied()) {
        if let Some(start) = path.iter().position(|name| *name == next) {
            let last = path[path.len() - 1];
            let circle: Vec<String> = path[start..].iter().chain([&next]).map(|name| quoted(name)).collect();
            let at = graph[last][next].1;
            return Err(Problem::at(at, format!("`depends_on` goes in a circle: {}", circle.join(" → ")))
                .hint("remove one of these dependencies")
                .of_service(last));
        }
        path.push(next);
    }
    Ok(())
}
