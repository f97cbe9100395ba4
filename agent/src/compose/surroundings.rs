//! What a service finds around it: names, name servers, a terminal, and where its output goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::keys;
use super::model::{Logging, Surroundings};
use super::node::{Map, Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::quantity::{bytes_or_unlimited, whole};
use super::scope::Scope;
use crate::policy::Size;

pub(super) fn surroundings(
    service: &Map,
    place: &str,
    scope: &mut Scope<'_>,
) -> Result<Surroundings, Problem> {
    let texts = |key: &str| -> Result<Vec<String>, Problem> {
        let read = service.given(key).map(|node| node.texts(&quoted(key))).transpose()?.unwrap_or_default();
        Ok(read.into_iter().map(|(text, _)| text.to_owned()).collect())
    };
    let boolean = |key: &str| -> Result<bool, Problem> {
        Ok(service.given(key).map(|node| node.boolean(&quoted(key))).transpose()?.unwrap_or(false))
    };
    if let Some(node) = service.given("attach")
        && !node.boolean("`attach`")?
    {
        scope.warn(
            node.at,
            format!("{place}: `attach: false` has no effect: `cloudyknight logs` shows it all"),
        );
    }
    if let Some(node) = service.given("isolation")
        && node.text("`isolation`")? != "default"
    {
        scope.warn(node.at, format!("{place}: `isolation` has no effect: it is Windows' own"));
    }
    let sysctls = match service.given("sysctls") {
        Some(node) => {
            let read = pairs::read(node, "`sysctls`")?;
            if let Some(name) = read.keys().next() {
                let what = format!("setting the sysctl {}", quoted(name));
                scope.require(Permission::Sysctls, node.at, &what, "remove `sysctls`")?;
            }
            read
        }
        None => Default::default(),
    };
    let runtime = match service.given("runtime") {
        Some(node) => {
            let name = node.text("`runtime`")?;
            let what = format!("the container runtime {}", quoted(name));
            scope.require(Permission::Privileged, node.at, &what, "remove `runtime`")?;
            Some(name.to_owned()).filter(|name| !name.is_empty())
        }
        None => None,
    };
    Ok(Surroundings {
        hostname: service.given("hostname").map(|node| host_name(node, "`hostname`")).transpose()?,
        domainname: service.given("domainname").map(|node| host_name(node, "`domainname`")).transpose()?,
        dns: service.given("dns").map(name_servers).transpose()?.unwrap_or_default(),
        dns_options: texts("dns_opt")?,
        dns_search: texts("dns_search")?,
        extra_hosts: service.given("extra_hosts").map(extra_hosts).transpose()?.unwrap_or_default(),
        groups: texts("group_add")?,
        tty: boolean("tty")?,
        stdin_open: boolean("stdin_open")?,
        sysctls,
        runtime,
        ipc_shareable: matches!(service.given("ipc"), Some(Node { value: Value::Text(ipc), .. }) if ipc == "shareable"),
        logging: service
            .given("logging")
            .filter(|node| !node.is_trivial())
            .map(|node| logging(node, place, scope))
            .transpose()?,
        files: Vec::new(),
    })
}

fn host_name(node: &Node, what: &str) -> Result<String, Problem> {
    let text = node.non_empty_text(what)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.len() <= 253 && text.chars().all(fits) && !text.starts_with(['-', '.']) {
        Ok(text.to_owned())
    } else {
        Err(Problem::at(node.at, format!("{what}: {} is no name for a host", quoted(text))))
    }
}

fn name_servers(node: &Node) -> Result<Vec<String>, Problem> {
    let read = node.texts("`dns`")?;
    read.into_iter()
        .map(|(text, at)| match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(Problem::at(at, format!("`dns`: {} is no address", quoted(text)))),
        })
        .collect()
}

/// `host=address` or `host:address`, or a mapping of host to one address or several. Shared with `build`.
pub(super) fn extra_hosts(node: &Node) -> Result<Vec<String>, Problem> {
    const WHAT: &str = "`extra_hosts`";
    let mut hosts = Vec::new();
    let mut add = |host: &str, address: &str, node: &Node| {
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let fits = bare.parse::<IpAddr>().is_ok() || bare == "host-gateway";
        if host.is_empty() || !fits || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Problem::at(node.at, format!("{WHAT}: {} is no host", quoted(host)))
                .hint("write `name: 192.0.2.1`, or `name: host-gateway`"));
        }
        hosts.push(format!("{host}:{bare}"));
        Ok(())
    };
    match &node.value {
        Value::Map(map) => {
            for entry in &map.entries {
                for (address, _) in entry.value.texts(WHAT)? {
                    add(&entry.key, address, &entry.value)?;
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let text = item.text(WHAT)?;
                let (host, address) =
                    text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
                add(host, address, item)?;
            }
        }
        _ => return Err(node.not(WHAT, "a list or a mapping")),
    }
    Ok(hosts)
}

/// Drivers that keep a log on this host, in bounds or not at all. Any other sends it elsewhere, from the host's own
/// network, where a container has no business.
const LOCAL_DRIVERS: [&str; 3] = ["json-file", "local", "none"];

fn logging(node: &Node, place: &str, scope: &mut Scope<'_>) -> Result<Logging, Problem> {
    let map = node.map("`logging`")?;
    keys::check(map, keys::LOGGING, "`logging`", scope)?;
    let driver = match map.given("driver") {
        Some(node) => node.non_empty_text("`driver`")?,
        None => "json-file",
    };
    if !LOCAL_DRIVERS.contains(&driver) {
        let what = format!("the log driver {}, which writes from the host's own network,", quoted(driver));
        scope.require(Permission::HostNamespaces, node.at, &what, "use `local` or `json-file`")?;
    }
    let options = map.given("options").map(|node| pairs::read(node, "`options`")).transpose()?;
    let mut options = options.unwrap_or_default();
    if matches!(driver, "json-file" | "local") {
        let at = map.given("options").map_or(node.at, |options| options.at);
        bound(&mut options, driver, (map, at), place, scope)?;
    }
    if driver == "none" || options.get("cache-disabled").is_some_and(|value| value == "true") {
        scope.warn(
            node.at,
            format!(
                "{place}: neither `cloudyknight logs` nor a failure can show its output: `logging` keeps none"
            ),
        );
    }
    Ok(Logging { driver: driver.to_owned(), options })
}

/// What the engine keeps of an output where the file says nothing: the size of one file, and how many. For `json-file` they
/// are the platform's, because the engine's own is without end.
pub const JSON_FILE: (u64, u64) = (10 << 20, 3);
const LOCAL: (u64, u64) = (20 << 20, 5);

/// Nobody's log fills the disk: what a file asks for is cut to what the policy says.
fn bound(
    options: &mut BTreeMap<String, String>,
    driver: &str,
    (map, at): (&Map, Position),
    place: &str,
    scope: &mut Scope<'_>,
) -> Result<(), Problem> {
    let (mut size, mut files) = if driver == "local" { LOCAL } else { JSON_FILE };
    let given = |name: &str| map.given("options").and_then(|node| node.map("`options`").ok()?.given(name));
    if let Some(node) = given("max-size") {
        // -1 is for no limit.
        let asked = bytes_or_unlimited(node, "`max-size`")?;
        size = u64::try_from(asked).ok().filter(|size| *size > 0).unwrap_or(u64::MAX);
    }
    if let Some(node) = given("max-file") {
        files = whole(node, "`max-file`", 1, i64::MAX)?.unsigned_abs();
    }
    let most = scope.input.policy.limits.max_logs.0;
    if size.saturating_mul(files) <= most {
        return Ok(());
    }
    let size = size.min(most);
    let files = (most / size).max(1).min(files);
    options.insert("max-size".to_owned(), size.to_string());
    options.insert("max-file".to_owned(), files.to_string());
    let message = format!(
        "{place}: `logging` keeps at most {}, as the operator's policy says: {files} files of {size} bytes",
        Size(most)
    );
    scope.warn(at, message);
    Ok(())
}
