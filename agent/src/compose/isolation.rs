//! What a service asks for beyond a plain container, or below one. Opening the box needs the operator's policy.

use super::keys;
use super::model::{Device, Isolation, Namespace};
use super::node::{Map, Node, Value};
use super::policy::Permission;
use super::problem::{Position, Problem, quoted, shown};
use super::scope::Scope;
use crate::hardening;

/// Where a service may name a namespace: key, namespace, and what else it may say there.
const NAMESPACES: [(&str, Namespace, &[&str]); 6] = [
    ("network_mode", Namespace::Network, &[]),
    ("pid", Namespace::Pid, &[]),
    ("ipc", Namespace::Ipc, &["private", "shareable"]),
    ("uts", Namespace::Uts, &[]),
    ("userns_mode", Namespace::User, &[]),
    ("cgroup", Namespace::Cgroup, &["private"]),
];

/// Those that services of one workspace may share with each other.
const SHARED: [Namespace; 3] = [Namespace::Network, Namespace::Pid, Namespace::Ipc];

pub(super) fn isolation(service: &Map, scope: &mut Scope<'_>) -> Result<Isolation, Problem> {
    let mut isolation = Isolation::default();
    if let Some(node) = service.given("privileged") {
        isolation.privileged = node.boolean("`privileged`")?;
        if isolation.privileged {
            scope.require(Permission::Privileged, node.at, "`privileged: true`", "remove it")?;
        }
    }
    for (key, namespace, usual) in NAMESPACES {
        let Some(node) = service.given(key) else { continue };
        match node.text(&quoted(key))? {
            "none" if namespace == Namespace::Network => isolation.no_network = true,
            text => match text.strip_prefix("service:") {
                Some(other) if SHARED.contains(&namespace) => {
                    isolation.shared.insert(namespace, other.to_owned());
                }
                _ if host_namespace(node, key, usual, scope)? => {
                    isolation.host_namespaces.insert(namespace);
                }
                _ if text == "private" => {
                    isolation.private_namespaces.insert(namespace);
                }
                _ => {}
            },
        }
    }
    isolation.cap_add = capabilities(service.given("cap_add"), "`cap_add`")?;
    isolation.cap_drop = capabilities(service.given("cap_drop"), "`cap_drop`")?;
    if let Some(node) = service.given("cap_add") {
        let places = node.list("`cap_add`")?;
        for (name, item) in isolation.cap_add.iter().zip(places) {
            if !hardening::KEPT.contains(&name.as_str()) {
                let what = format!("adding the capability {}", quoted(name));
                scope.require_named(Permission::Capabilities, name, item.at, &what, "remove it")?;
            }
        }
    }
    if let Some(node) = service.given("devices") {
        for item in node.list("`devices`")? {
            let device = device(item, scope)?;
            let what = format!("the host's device {}", quoted(&device.host));
            scope.require_named(Permission::Devices, &device.host, item.at, &what, "remove `devices`")?;
            isolation.devices.push(device);
        }
    }
    if let Some(node) = service.given("security_opt") {
        for item in node.list("`security_opt`")? {
            isolation.security_opt.push(security_option(item.text("a security option")?, item.at, scope)?);
        }
    }
    isolation.read_only =
        service.given("read_only").map(|node| node.boolean("`read_only`")).transpose()?.unwrap_or(false);
    Ok(isolation)
}

/// Whether the host's own namespace is asked for, and allowed.
fn host_namespace(node: &Node, key: &str, usual: &[&str], scope: &mut Scope<'_>) -> Result<bool, Problem> {
    let text = node.text(&quoted(key))?;
    let what = format!("`{key}: {}`", shown(text));
    match text {
        text if text.is_empty() || usual.contains(&text) => Ok(false),
        "host" => {
            scope.require(Permission::HostNamespaces, node.at, &what, "remove it")?;
            Ok(true)
        }
        "bridge" | "default" if key == "network_mode" => {
            scope.warn(node.at, format!("{what} has no effect: services share the workspace's own network"));
            Ok(false)
        }
        _ => {
            if text.starts_with("container:") {
                scope.require(Permission::HostNamespaces, node.at, &what, "remove it")?;
            }
            Err(Problem::at(node.at, format!("{what} is not supported")).hint("remove it"))
        }
    }
}

fn capabilities(node: Option<&Node>, what: &str) -> Result<Vec<String>, Problem> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let name = |item: &Node| {
        let text = item.text(&format!("an entry of {what}"))?;
        let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        let wrong = || Problem::at(item.at, format!("{what}: {} is no capability", quoted(text)));
        let plain = || text.to_ascii_uppercase().trim_start_matches("CAP_").to_owned();
        fits.then(plain).ok_or_else(wrong)
    };
    node.list(what)?.iter().map(name).collect()
}

/// `host[:container[:permissions]]`, or a mapping of the same three.
fn device(node: &Node, scope: &mut Scope<'_>) -> Result<Device, Problem> {
    let (host, container, permissions) = match &node.value {
        Value::Map(map) => {
            keys::check(map, keys::DEVICE, "a device", scope)?;
            let field = |key: &str| map.given(key).map(|node| node.text(&quoted(key))).transpose();
            let host =
                field("source")?.ok_or_else(|| Problem::at(node.at, "a device without its `source`"))?;
            (host, field("target")?, field("permissions")?)
        }
        _ => {
            let mut parts = node.text("a device")?.splitn(3, ':');
            (parts.next().unwrap_or_default(), parts.next(), parts.next())
        }
    };
    let device = Device {
        host: host.to_owned(),
        container: container.unwrap_or(host).to_owned(),
        permissions: permissions.unwrap_or("rwm").to_owned(),
    };
    let absolute = device.host.starts_with('/') && device.container.starts_with('/');
    if absolute && device.permissions.bytes().all(|b| b"rwm".contains(&b)) {
        Ok(device)
    } else {
        Err(Problem::at(node.at, format!("{} is no device", quoted(host)))
            .hint("write `/dev/on-host:/dev/in-container:rwm`"))
    }
}

/// Options that shut the container in further are free; those that open it are `privileged` by another name.
fn security_option(option: &str, at: Position, scope: &Scope<'_>) -> Result<String, Problem> {
    let (name, value) = option.split_once(['=', ':']).unwrap_or((option, "true"));
    match (name, value) {
        ("no-new-privileges", "true") => Ok("no-new-privileges:true".to_owned()),
        ("no-new-privileges", "false") => {
            let what = format!("`security_opt`: {}", quoted(option));
            scope.require(Permission::NewPrivileges, at, &what, "remove it")?;
            Ok("no-new-privileges:false".to_owned())
        }
        (_, "unconfined") | ("label", _) => {
            let what = format!("`security_opt`: {}", quoted(option));
            scope.require(Permission::Privileged, at, &what, "remove it")?;
            Ok(format!("{name}={value}"))
        }
        _ => Err(Problem::at(at, format!("`security_opt`: {} is not supported", quoted(option)))
            .hint("`no-new-privileges:true` is")),
    }
}
