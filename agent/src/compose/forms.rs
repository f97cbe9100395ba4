//! Short forms made long, so that the two sides of a merge have one form. What is wrong in them is left for the
//! readers to tell wherever it can be carried on.

use std::collections::{HashMap, HashSet};

use super::node::{Entry, Map, Node, Tag, Value};
use super::problem::{Problem, quoted};

/// A list of `name=value` as a mapping; of a name that it gives twice, the last value counts.
pub(super) fn pairs(node: Node, what: &str) -> Result<Map, Problem> {
    let items = match node.value {
        Value::Map(map) => return Ok(map),
        Value::List(items) => items,
        _ => return Err(node.not(what, "a mapping or a list of `name=value`")),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for item in items {
        let text = item.text(&format!("an entry of {what}"))?;
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Node::text_at(item.at, value)),
            None => (text.to_owned(), Node::null_at(item.at)),
        };
        match index.get(&key) {
            Some(index) => entries[*index].value = value,
            None => {
                index.insert(key.clone(), entries.len());
                entries.push(Entry { key, key_at: item.at, value, tag: None });
            }
        }
    }
    Ok(Map { entries })
}

/// One text as a list of it.
pub(super) fn texts(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        _ => vec![node],
    }
}

/// A list of names as a mapping, in which each has these entries.
pub(super) fn named(node: Node, content: &[(&str, &str)], what: &str) -> Result<Map, Problem> {
    let items = match node.value {
        Value::Map(map) => return Ok(map),
        Value::List(items) => items,
        _ => return Err(node.not(what, "a list or a mapping")),
    };
    let mut map = Map::default();
    let mut known = HashMap::new();
    for item in items {
        let (at, key) = (item.at, item.text(&format!("an entry of {what}"))?.to_owned());
        if known.insert(key.clone(), ()).is_some() {
            continue;
        }
        let entry = |(key, value): &(&str, &str)| Entry {
            key: (*key).to_owned(),
            key_at: at,
            value: Node::text_at(at, *value),
            tag: None,
        };
        let value = match content {
            [] => Node::null_at(at),
            content => Node { at, value: Value::Map(Map { entries: content.iter().map(entry).collect() }) },
        };
        map.entries.push(Entry { key, key_at: at, value, tag: None });
    }
    Ok(map)
}

/// `extra_hosts` as a list of `host=address`.
pub(super) fn hosts(node: Node, what: &str) -> Result<Vec<Node>, Problem> {
    let map = match node.value {
        Value::List(items) => return Ok(items),
        Value::Map(map) => map,
        _ => return Err(node.not(what, "a mapping or a list of `host=address`")),
    };
    let mut items = Vec::new();
    for entry in map.entries.into_iter().filter(|entry| entry.tag != Some(Tag::Reset)) {
        let place = format!("{what}: {}", quoted(&entry.key));
        for address in texts(entry.value) {
            let text = format!("{}={}", entry.key, address.text(&place)?);
            items.push(Node::text_at(address.at, text));
        }
    }
    Ok(items)
}

/// The hosts whose addresses are not to be kept, because a tag says so.
pub(super) fn hosts_of(over: &Node) -> HashSet<String> {
    match &over.value {
        Value::Map(map) => {
            map.entries.iter().filter(|entry| entry.tag.is_some()).map(|entry| entry.key.clone()).collect()
        }
        _ => HashSet::new(),
    }
}
