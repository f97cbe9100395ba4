//! Names and values, as compose files give them for `labels`, `environment`, `args` and the like: a mapping, or a
//! list of `name=value`.

use std::collections::BTreeMap;

use super::node::{Node, Value};
use super::problem::{Problem, quoted};

/// As [`read_optional`]; a name without a value has an empty one.
pub(super) fn read(node: &Node, what: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = read_optional(node, what)?;
    Ok(pairs.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
}

/// `what` is how errors call it, such as `` `labels` ``; they never show a value, which may be a secret. Of a name
/// that a list gives twice, the last value counts.
pub(super) fn read_optional(node: &Node, what: &str) -> Result<BTreeMap<String, Option<String>>, Problem> {
    let mut pairs = BTreeMap::new();
    match &node.value {
        Value::Map(map) => {
            for entry in &map.entries {
                let value = match &entry.value.value {
                    Value::Null => None,
                    _ => Some(entry.value.text(&format!("{what}: {}", quoted(&entry.key)))?.to_owned()),
                };
                pairs.insert(name(&entry.key).ok_or_else(|| no_name(entry.key_at, what))?, value);
            }
        }
        Value::List(items) => {
            for item in items {
                let text = item.text(&format!("an entry of {what}"))?;
                let (key, value) =
                    text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
                pairs.insert(name(key).ok_or_else(|| no_name(item.at, what))?, value.map(str::to_owned));
            }
        }
        _ => return Err(node.not(what, "a mapping or a list of `name=value`")),
    }
    Ok(pairs)
}

fn name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '=');
    fits.then(|| text.to_owned())
}

fn no_name(at: super::problem::Position, what: &str) -> Problem {
    Problem::at(at, format!("an entry of {what} has no name, or a name with blanks or `=` in it"))
        .hint("write `name: value`, or `- name=value`")
}
