//! What becomes of two compose files of which one overrides the other: the Compose specification's chapter "Merge"
//! (13-merge.md), with the details as Compose v2 has them.
//!
//! Mappings are merged key by key, lists are appended, a value replaces a value; [`rule`] has the exceptions.
//! `!reset` and `!override` bypass all of it. Trees keep their tags until [`settle`], since a service that extends
//! another one resets what it inherits, and then what its file overrides.

use std::collections::HashMap;

use super::forms::{hosts, hosts_of, named, pairs, texts};
use super::node::{Entry, Map, Node, Tag, Value};
use super::problem::{Problem, quoted};
use super::unique;

/// Both as they stand in their files. `base` must be settled.
pub(super) fn files(base: Map, over: Map) -> Result<Map, Problem> {
    maps(base, over, &mut Vec::new())
}

/// As [`files`], for one service that extends another one.
pub(super) fn services(name: &str, base: Map, over: Map) -> Result<Map, Problem> {
    maps(base, over, &mut vec!["services".to_owned(), name.to_owned()])
}

/// Takes away what is reset, and the tags with it.
pub(super) fn settle(map: &mut Map) {
    map.entries.retain(|entry| entry.tag != Some(Tag::Reset));
    for entry in &mut map.entries {
        entry.tag = None;
        settle_node(&mut entry.value);
    }
}

fn settle_node(node: &mut Node) {
    match &mut node.value {
        Value::Null | Value::Text(_) => {}
        Value::List(items) => items.iter_mut().for_each(settle_node),
        Value::Map(map) => settle(map),
    }
}

/// How two values at one place become one.
enum Rule {
    /// Mappings are merged, lists appended, texts replaced.
    Plain,
    /// The overriding value, even where it is nothing.
    Replace,
    /// A value of another kind replaces; the same kind is merged.
    Loose,
    /// A mapping or a list of `name=value`.
    Pairs,
    /// A list, of which an item takes the place of the one with the same key.
    Unique(fn(&Node) -> String),
    /// As [`Rule::Unique`], and one text stands for a list of it.
    Texts(fn(&Node) -> String),
    /// A mapping by names, or a list of names, each of which stands for these entries.
    Named(&'static [(&'static str, &'static str)]),
    /// A mapping, or one text that stands for this entry.
    Short(&'static str),
    /// Options are merged only if both name the same driver.
    Logging,
    /// `extra_hosts`: a host may have several addresses.
    Hosts,
    /// A list of mappings, of which those with the same subnet are merged.
    Subnets,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["services", _, "command" | "entrypoint"] | ["services", _, "healthcheck", "test"] => Rule::Replace,
        ["services", _, "annotations" | "environment" | "labels" | "sysctls"]
        | ["services", _, "build", "additional_contexts" | "args" | "labels"]
        | ["services", _, "deploy", "labels"]
        | ["networks" | "volumes" | "secrets" | "configs", _, "labels"] => Rule::Pairs,
        ["services", _, "build"] => Rule::Short("context"),
        ["services", _, "extends"] => Rule::Short("service"),
        ["services", _, "depends_on"] => {
            Rule::Named(&[("condition", "service_started"), ("required", "true")])
        }
        ["services", _, "networks" | "models"] => Rule::Named(&[]),
        ["services", _, "ports"] => Rule::Unique(unique::port),
        ["services", _, "volumes"] => Rule::Unique(unique::mount),
        ["services", _, "secrets"] => Rule::Unique(unique::secret),
        ["services", _, "configs"] => Rule::Unique(unique::config),
        ["services", _, "devices"] => Rule::Unique(unique::device),
        ["services", _, "env_file"] => Rule::Texts(unique::path),
        ["services", _, "tmpfs"] => Rule::Texts(unique::tmpfs),
        ["services", _, "dns" | "dns_opt" | "dns_search" | "label_file"] => Rule::Texts(unique::content),
        ["services", _, "extra_hosts"] | ["services", _, "build", "extra_hosts"] => Rule::Hosts,
        ["services", _, "logging"] => Rule::Logging,
        ["services", _, "ulimits", _] | ["services", _, "build", "ulimits", _] => Rule::Loose,
        ["networks", _, "ipam", "config"] => Rule::Subnets,
        ["networks" | "volumes" | "secrets" | "configs", _, "external"] => Rule::Loose,
        path if path.iter().any(|key| key.starts_with("x-")) => Rule::Loose,
        _ => Rule::Plain,
    }
}

fn maps(base: Map, over: Map, path: &mut Vec<String>) -> Result<Map, Problem> {
    let mut entries = base.entries;
    let index: HashMap<String, usize> =
        entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
    for entry in over.entries {
        match index.get(&entry.key) {
            None => entries.push(entry),
            Some(index) if entry.tag.is_some() => entries[*index] = entry,
            Some(index) => {
                path.push(entry.key.clone());
                let base = std::mem::replace(&mut entries[*index].value, Node::null_at(entry.key_at));
                // Of a value that stays, the place stays; of a new one, its own is the one to point at.
                if matches!(base.value, Value::Null | Value::Text(_)) && !entry.value.is_null() {
                    entries[*index].key_at = entry.key_at;
                }
                entries[*index].value = values(base, entry.value, path)?;
                path.pop();
            }
        }
    }
    Ok(Map { entries })
}

fn values(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Problem> {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let rule = rule(&keys);
    if matches!(rule, Rule::Replace) {
        return Ok(over);
    }
    if over.is_null() {
        return Ok(base);
    }
    if base.is_null() {
        return Ok(over);
    }
    let at = base.at;
    let what = path.last().map(|key| quoted(key)).unwrap_or_default();
    let value = match rule {
        Rule::Replace => over.value,
        Rule::Plain => return plain(base, over, path, false),
        Rule::Loose => return plain(base, over, path, true),
        Rule::Pairs => Value::Map(replaced(pairs(base, &what)?, pairs(over, &what)?)),
        Rule::Unique(key) => match (base.value, over.value) {
            (Value::List(base), Value::List(over)) => Value::List(appended(base, over, key)),
            (base, over_value) => {
                return plain(Node { at, value: base }, Node { at: over.at, value: over_value }, path, false);
            }
        },
        Rule::Texts(key) => Value::List(appended(texts(base), texts(over), key)),
        Rule::Named(entries) => {
            Value::Map(maps(named(base, entries, &what)?, named(over, entries, &what)?, path)?)
        }
        Rule::Short(key) => {
            return plain(long(base, key), long(over, key), path, false);
        }
        Rule::Logging => {
            let driver = |node: &Node| match &node.value {
                Value::Map(map) => map.given("driver").cloned(),
                _ => None,
            };
            match (driver(&base), driver(&over)) {
                (Some(one), Some(two)) if !one.same(&two) => return Ok(over),
                _ => return plain(base, over, path, false),
            }
        }
        Rule::Hosts => {
            let taken = hosts_of(&over);
            let mut base = hosts(base, &what)?;
            base.retain(|item| !taken.contains(&unique::host(item)));
            Value::List(appended(base, hosts(over, &what)?, unique::address))
        }
        Rule::Subnets => return subnets(base, over, path),
    };
    Ok(Node { at, value })
}

fn plain(base: Node, over: Node, path: &mut Vec<String>, loose: bool) -> Result<Node, Problem> {
    match (base.value, over.value) {
        (Value::Map(one), Value::Map(two)) => {
            Ok(Node { at: base.at, value: Value::Map(maps(one, two, path)?) })
        }
        (Value::List(one), Value::List(two)) => {
            Ok(Node { at: base.at, value: Value::List(appended(one, two, unique::content)) })
        }
        (Value::Text(_) | Value::Null, value) => Ok(Node { at: over.at, value }),
        (_, value) if loose => Ok(Node { at: over.at, value }),
        (one, value) => {
            let (wanted, over) = (kind(&one), Node { at: over.at, value });
            let what = format!("{}, which this overrides,", quoted(&path.join(".")));
            Err(over
                .not(&what, wanted)
                .hint("write `!override` before the value to put it in the place of the other"))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

/// The items of both, an overriding one in the place of the one with the same key.
fn appended(base: Vec<Node>, over: Vec<Node>, key: fn(&Node) -> String) -> Vec<Node> {
    let mut index: HashMap<String, usize> =
        base.iter().enumerate().map(|(index, item)| (key(item), index)).collect();
    let mut items = base;
    for item in over {
        let key = key(&item);
        match index.get(&key) {
            Some(index) => items[*index] = item,
            None => {
                index.insert(key, items.len());
                items.push(item);
            }
        }
    }
    items
}

/// The entries of both, an overriding one whole in the place of the one with the same key.
fn replaced(base: Map, over: Map) -> Map {
    let mut entries = base.entries;
    let index: HashMap<String, usize> =
        entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
    for entry in over.entries {
        match index.get(&entry.key) {
            Some(index) => entries[*index] = entry,
            None => entries.push(entry),
        }
    }
    Map { entries }
}

fn long(node: Node, key: &str) -> Node {
    let at = node.at;
    match node.value {
        Value::Text(_) => {
            let entry = Entry { key: key.to_owned(), key_at: at, value: node, tag: None };
            Node { at, value: Value::Map(Map { entries: vec![entry] }) }
        }
        _ => node,
    }
}

fn subnets(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Problem> {
    let (Value::List(ones), Value::List(twos)) = (&base.value, &over.value) else {
        return plain(base, over, path, false);
    };
    let mut items = ones.clone();
    let mut index: HashMap<String, usize> =
        items.iter().enumerate().map(|(index, item)| (unique::subnet(item), index)).collect();
    for two in twos {
        match index.get(&unique::subnet(two)) {
            Some(index) => {
                let one = std::mem::replace(&mut items[*index], Node::null_at(two.at));
                items[*index] = plain(one, two.clone(), path, false)?;
            }
            None => {
                index.insert(unique::subnet(two), items.len());
                items.push(two.clone());
            }
        }
    }
    Ok(Node { at: base.at, value: Value::List(items) })
}
