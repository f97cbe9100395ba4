//! By what two items of a list are taken for the same one, so that the overriding one replaces the other: the
//! Compose specification's unique resources, and what Compose v2 treats likewise.
//!
//! An item that makes no sense is only the same as its like; its reader tells what is wrong with it.

use super::node::{Map, Node, Value};

/// Anything: what it says.
pub(super) fn content(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(content).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            let mut entries: Vec<String> = map
                .entries
                .iter()
                .map(|entry| format!("{:?}:{}", entry.key, content(&entry.value)))
                .collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
    }
}

/// Address, published port, port of the container and protocol.
pub(super) fn port(node: &Node) -> String {
    let (ip, published, target, protocol) = match &node.value {
        Value::Text(text) => {
            let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
            let (rest, target) = rest.rsplit_once(':').unwrap_or(("", rest));
            // The colons of an IPv6 address stand between brackets.
            let (ip, published) = match rest.rsplit_once(':') {
                Some((ip, published)) if !published.ends_with(']') => (ip, published),
                _ => ("", rest),
            };
            (ip, published, target, protocol)
        }
        Value::Map(map) => (
            text(map, "host_ip").unwrap_or_default(),
            text(map, "published").unwrap_or_default(),
            text(map, "target").unwrap_or_default(),
            text(map, "protocol").unwrap_or("tcp"),
        ),
        _ => return content(node),
    };
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    let ip = if ip.is_empty() { "0.0.0.0" } else { ip };
    format!("{ip}|{published}|{target}|{}", protocol.to_ascii_lowercase())
}

/// Where it is mounted.
pub(super) fn mount(node: &Node) -> String {
    let target = match &node.value {
        Value::Text(text) => {
            let drive = if super::workspace_path::is_windows(text) { 2 } else { 0 };
            let mut parts = text[drive..].split(':');
            let first = parts.next().unwrap_or_default();
            parts.next().unwrap_or(first)
        }
        Value::Map(map) => match text(map, "target") {
            Some(target) => target,
            None => return content(node),
        },
        _ => return content(node),
    };
    trimmed(target)
}

pub(super) fn secret(node: &Node) -> String {
    file(node, "/run/secrets")
}

pub(super) fn config(node: &Node) -> String {
    file(node, "")
}

/// Where a secret or config is mounted.
fn file(node: &Node, folder: &str) -> String {
    let target = match &node.value {
        Value::Text(name) => Some(name.as_str()),
        Value::Map(map) => text(map, "target").or_else(|| text(map, "source")),
        _ => None,
    };
    match target {
        Some(target) if target.starts_with('/') => trimmed(target),
        Some(target) => trimmed(&format!("{folder}/{target}")),
        None => content(node),
    }
}

/// Where a device is seen in the container.
pub(super) fn device(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => {
            let mut parts = text.split(':');
            let first = parts.next().unwrap_or_default();
            parts.next().unwrap_or(first).to_owned()
        }
        Value::Map(map) => text(map, "target").or_else(|| text(map, "source")).unwrap_or_default().to_owned(),
        _ => content(node),
    }
}

/// The path of an `env_file`, in whichever form.
pub(super) fn path(node: &Node) -> String {
    match &node.value {
        Value::Text(path) => trimmed(path),
        Value::Map(map) => text(map, "path").map(trimmed).unwrap_or_default(),
        _ => content(node),
    }
}

/// Where a `tmpfs` is mounted; its options stand behind a colon.
pub(super) fn tmpfs(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => trimmed(text.split(':').next().unwrap_or_default()),
        _ => content(node),
    }
}

/// The host of an entry of `extra_hosts`.
pub(super) fn host(node: &Node) -> String {
    host_and_address(node).map_or_else(|| content(node), |(host, _)| host.to_owned())
}

/// Host and address of an entry of `extra_hosts`: `host=address`, or `host:address`.
pub(super) fn address(node: &Node) -> String {
    host_and_address(node).map_or_else(|| content(node), |(host, address)| format!("{host}={address}"))
}

fn host_and_address(node: &Node) -> Option<(&str, &str)> {
    let Value::Text(text) = &node.value else { return None };
    text.split_once('=').or_else(|| text.split_once(':'))
}

/// The subnet of an entry of `ipam: {config: …}`.
pub(super) fn subnet(node: &Node) -> String {
    match &node.value {
        Value::Map(map) => text(map, "subnet").unwrap_or_default().to_owned(),
        _ => content(node),
    }
}

fn text<'m>(map: &'m Map, key: &str) -> Option<&'m str> {
    match &map.given(key)?.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn trimmed(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    match path.trim_end_matches('/') {
        "" => path.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::problem::{FileId, Position};
    use crate::compose::yaml::{self, Budget};

    /// Whether two items, written as YAML, are the same to `key`.
    fn same(key: fn(&Node) -> String, one: &str, two: &str) -> bool {
        let read = |text: &str| {
            let item = format!("a: {text}");
            let Value::Map(map) =
                yaml::read(&item, FileId::default(), &mut Budget::default()).unwrap().remove(0).value
            else {
                panic!("{text}")
            };
            key(map.get("a").unwrap())
        };
        read(one) == read(two)
    }

    #[test]
    fn ports_are_the_same_if_address_ports_and_protocol_are() {
        for (one, two, expected) in [
            ("80", "'80'", true),
            ("'8080:80'", "{target: 80, published: 8080}", true),
            ("'8080:80'", "'8080:80/TCP'", true),
            ("'8080:80'", "'0.0.0.0:8080:80'", true),
            ("'[::1]:8080:80'", "{host_ip: '::1', target: 80, published: '8080'}", true),
            ("'[::1]::80'", "{host_ip: '::1', target: 80}", true),
            ("'8080:80'", "'8081:80'", false),
            ("'8080:80'", "'8080:80/udp'", false),
            ("'8080:80'", "'127.0.0.1:8080:80'", false),
            ("80", "'80:80'", false),
        ] {
            assert_eq!(same(port, one, two), expected, "{one} {two}");
        }
    }

    #[test]
    fn what_is_mounted_is_the_same_if_its_place_is() {
        for (one, two, expected) in [
            ("./a:/x", "b:/x:ro", true),
            ("/x/", "{type: tmpfs, target: /x}", true),
            ("'C:\\a:/x'", "a:/x", true),
            ("a:/x", "a:/y", false),
            ("{type: tmpfs}", "{type: bind}", false),
        ] {
            assert_eq!(same(mount, one, two), expected, "{one} {two}");
        }
        assert!(same(secret, "a", "{source: b, target: /run/secrets/a}"));
        assert!(same(secret, "a", "{source: b, target: a}"));
        assert!(!same(secret, "a", "{source: a, target: /a}"));
        assert!(same(config, "a", "{source: b, target: /a}"));
        assert!(same(device, "/dev/a:/dev/b", "/dev/c:/dev/b:r"));
        assert!(same(tmpfs, "/run", "'/run:size=1m'"));
        assert!(same(path, "a.env", "{path: ./a.env, required: false}"));
        assert!(same(address, "'a:1.1.1.1'", "a=1.1.1.1"));
    }

    #[test]
    fn content_does_not_depend_on_the_order_of_a_mapping() {
        let node = Node::text_at(Position { file: FileId::default(), line: 1, column: 1 }, "x");
        assert_eq!(content(&node), "\"x\"");
        assert!(same(content, "{a: 1, b: [2, ~]}", "{b: [2, null], a: '1'}"));
        assert!(!same(content, "{a: 1}", "{a: '1,'}"));
    }
}
