//! `ports` and `expose`: which of a service's ports are published on the host, and on which it listens.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::keys;
use super::model::{Protocol, PublishedPort};
use super::node::{Node, Value};
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;

/// Of one service, written twice or not.
const MAX_PORTS: usize = 1024;
const FORMS: &str = "write `80`, `8080:80`, `127.0.0.1:8080:80` or `8080:80/udp`";

/// A published port, and where the file asks for it.
pub(super) type Placed = (PublishedPort, Position);

pub(super) fn published(node: &Node, scope: &mut Scope<'_>) -> Result<Vec<Placed>, Problem> {
    let mut ports: Vec<Placed> = Vec::new();
    let mut written = 0;
    for item in node.list("`ports`")? {
        let found = match &item.value {
            Value::Text(text) => short(text).map_err(|why| wrong(item.at, text, &why))?,
            Value::Map(_) => long(item, scope)?,
            _ => return Err(item.not("a port", "text or a mapping")),
        };
        written += found.len();
        if written > MAX_PORTS {
            return Err(Problem::at(item.at, format!("more than {MAX_PORTS} published ports")));
        }
        for port in found {
            if let Some(own) = port.published.filter(|port| scope.input.policy.platform.ports.contains(port))
            {
                let message = format!("publishing port {own} is refused: the platform itself listens there");
                return Err(Problem::at(item.at, message).hint("choose another port").by_policy());
            }
            if let Some(low @ 1..=1023) = port.published {
                let what = format!("publishing port {low}, which is below 1024,");
                scope.require(
                    Permission::LowPorts,
                    item.at,
                    &what,
                    "the router serves HTTP without any published port",
                )?;
            }
            if !ports.iter().any(|(other, _)| *other == port) {
                ports.push((port, item.at));
            }
        }
    }
    Ok(ports)
}

/// In the order of the file. TCP ports only: what the router and other services can reach.
pub(super) fn exposed(node: &Node, scope: &mut Scope<'_>) -> Result<Vec<u16>, Problem> {
    let mut ports = Vec::new();
    let mut written = 0;
    for item in node.list("`expose`")? {
        let text = item.text("an exposed port")?;
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let wrong = || {
            Problem::at(item.at, format!("{} is no port to expose", quoted(text)))
                .hint("write `3000` or `3000-3005`")
        };
        let (first, last) = parse_range(range).ok_or_else(wrong)?;
        written += usize::from(last - first) + 1;
        if written > MAX_PORTS {
            return Err(Problem::at(item.at, format!("more than {MAX_PORTS} exposed ports")));
        }
        match protocol.to_ascii_lowercase().as_str() {
            "tcp" => ports.extend(first..=last),
            "udp" => scope.warn(item.at, "`expose`: UDP ports need no exposing, and the router serves none"),
            _ => return Err(wrong()),
        }
    }
    let mut seen = BTreeSet::new();
    ports.retain(|port| seen.insert(*port));
    Ok(ports)
}

fn wrong(at: Position, text: &str, why: &str) -> Problem {
    Problem::at(at, format!("{} is no port to publish: {why}", quoted(text))).hint(FORMS)
}

/// `[[ip:]published:]target[/protocol]`, where a port may be a range.
fn short(text: &str) -> Result<Vec<PublishedPort>, String> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = parse_protocol(protocol)?;
    let (rest, target) = match rest.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, rest),
    };
    let (ip, published) = match rest.map(|rest| rest.rsplit_once(':').ok_or(rest)) {
        None => (None, None),
        Some(Err(published)) => (None, Some(published)),
        Some(Ok((ip, published))) => (Some(ip), Some(published)),
    };
    expand(parse_ip(ip.unwrap_or_default())?, published.unwrap_or_default(), target, protocol)
}

fn long(node: &Node, scope: &mut Scope<'_>) -> Result<Vec<PublishedPort>, Problem> {
    let map = node.map("a port")?;
    keys::check(map, keys::PORT, "a port", scope)?;
    let field = |key: &str| map.given(key).map(|node| node.text(&quoted(key))).transpose();
    let target = field("target")?.ok_or_else(|| Problem::at(node.at, "a port without its `target`"))?;
    if let Some(mode) = map.given("mode")
        && !matches!(mode.text("`mode`")?, "host" | "ingress")
    {
        return Err(Problem::at(mode.at, "`mode` is `host` or `ingress`"));
    }
    let why = |why: String| Problem::at(node.at, why);
    let ip = parse_ip(field("host_ip")?.unwrap_or_default()).map_err(why)?;
    let protocol = parse_protocol(field("protocol")?.unwrap_or("tcp")).map_err(why)?;
    expand(ip, field("published")?.unwrap_or_default(), target, protocol).map_err(why)
}

fn expand(
    host_ip: Option<IpAddr>,
    published: &str,
    target: &str,
    protocol: Protocol,
) -> Result<Vec<PublishedPort>, String> {
    let (first, last) = parse_range(target).ok_or_else(|| format!("{} is no port number", quoted(target)))?;
    let port = |target, published| PublishedPort { host_ip, published, target, protocol };
    if usize::from(last - first) >= MAX_PORTS {
        return Err(format!("more than {MAX_PORTS} ports"));
    }
    // Nothing and 0 both mean: Docker chooses.
    if published.is_empty() || published == "0" {
        return Ok((first..=last).map(|target| port(target, None)).collect());
    }
    let (low, high) =
        parse_range(published).ok_or_else(|| format!("{} is no port number", quoted(published)))?;
    if high - low != last - first {
        return Err("the two ranges are not of the same length".to_owned());
    }
    Ok((first..=last).zip(low..=high).map(|(target, published)| port(target, Some(published))).collect())
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(format!("the protocol {} is not supported: it is `tcp` or `udp`", quoted(text))),
    }
}

fn parse_ip(text: &str) -> Result<Option<IpAddr>, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.is_empty() {
        return Ok(None);
    }
    bare.parse().map(Some).map_err(|_| format!("{} is no IP address", quoted(text)))
}

/// `80` or `80-90`, never 0.
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first > 0 && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, published: u16, target: u16, protocol: Protocol) -> PublishedPort {
        let host_ip = (!ip.is_empty()).then(|| ip.parse().unwrap());
        PublishedPort { host_ip, published: (published > 0).then_some(published), target, protocol }
    }

    #[test]
    fn short_forms_are_expanded() {
        use Protocol::{Tcp, Udp};
        let check =
            |text: &str, expected: &[PublishedPort]| assert_eq!(short(text).unwrap(), expected, "{text}");
        check("80", &[port("", 0, 80, Tcp)]);
        check(":80", &[port("", 0, 80, Tcp)]);
        check("0:80", &[port("", 0, 80, Tcp)]);
        check("8080:80", &[port("", 8080, 80, Tcp)]);
        check("8080:80/UDP", &[port("", 8080, 80, Udp)]);
        check("127.0.0.1:8080:80", &[port("127.0.0.1", 8080, 80, Tcp)]);
        check("127.0.0.1::80", &[port("127.0.0.1", 0, 80, Tcp)]);
        check("[::1]:8080:80/udp", &[port("::1", 8080, 80, Udp)]);
        check("3000-3001", &[port("", 0, 3000, Tcp), port("", 0, 3001, Tcp)]);
        check("4000-4001:3000-3001", &[port("", 4000, 3000, Tcp), port("", 4001, 3001, Tcp)]);
    }

    #[test]
    fn anything_else_says_why_it_is_no_port() {
        let check = |text: &str, why: &str| assert_eq!(short(text).unwrap_err(), why, "{text}");
        check("", "`` is no port number");
        check("http", "`http` is no port number");
        check("80:", "`` is no port number");
        check("0", "`0` is no port number");
        check("65536", "`65536` is no port number");
        check("+80", "`+80` is no port number");
        check("90-80", "`90-80` is no port number");
        check("80-81:80-82", "the two ranges are not of the same length");
        check("8000-9000:80", "the two ranges are not of the same length");
        check("localhost:80:80", "`localhost` is no IP address");
        check("80/sctp", "the protocol `sctp` is not supported: it is `tcp` or `udp`");
        check("1-65535", "more than 1024 ports");
    }
}
