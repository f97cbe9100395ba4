//! Reads the Traefik labels of one service: sorts them by what they define, and makes of each value what its field
//! holds. Nothing of it names anything outside of the workspace; what would is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::known::{self, Kind, Step};

/// What the labels of a service define, by the names that the labels use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// `traefik.enable=false`
    pub disabled: bool,
    pub routers: BTreeMap<String, Map<String, Value>>,
    pub services: BTreeMap<String, Map<String, Value>>,
    pub middlewares: BTreeMap<String, Map<String, Value>>,
    /// Labels that have no effect, and why.
    pub warnings: Vec<String>,
}

/// A label that cannot be obeyed; each says which service it is of.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("service `{service}`: label `{label}` has the value `{value}`, which is no {expected}")]
    Value { service: String, label: String, value: String, expected: &'static str },
    #[error("service `{service}`: label `{label}` contains a name that Traefik cannot be told: `{name}`")]
    Name { service: String, label: String, name: String },
    #[error("service `{service}`: label `{label}` is refused: {why}")]
    Refused { service: String, label: String, why: &'static str },
    #[error(
        "service `{service}`: `{owner}` names `{reference}`, which is not the workspace's own and not shared with workspaces"
    )]
    Foreign { service: String, owner: String, reference: String },
    #[error(
        "service `{service}`: `{owner}` names {what} `{reference}`, which no label of the workspace defines"
    )]
    Unknown { service: String, owner: String, what: &'static str, reference: String },
    #[error("service `{service}`: {what} `{name}` is defined otherwise by service `{other}`")]
    Conflict { service: String, other: String, what: &'static str, name: String },
    #[error("service `{service}`: router `{router}` names no service, and the labels define several")]
    WhichService { service: String, router: String },
    #[error("service `{service}` has a router but no port")]
    NoPort { service: String },
}

impl LabelError {
    pub fn service(&self) -> &str {
        match self {
            Self::Value { service, .. }
            | Self::Name { service, .. }
            | Self::Refused { service, .. }
            | Self::Foreign { service, .. }
            | Self::Unknown { service, .. }
            | Self::Conflict { service, .. }
            | Self::WhichService { service, .. }
            | Self::NoPort { service } => service,
        }
    }

    /// The label that it is about, or how the names of the labels begin.
    pub fn label(&self) -> Option<String> {
        match self {
            Self::Value { label, .. } | Self::Name { label, .. } | Self::Refused { label, .. } => {
                Some(label.clone())
            }
            Self::Foreign { owner, .. } | Self::Unknown { owner, .. } => Some(owner.clone()),
            Self::Conflict { what, name, .. } => Some(format!("traefik.http.{what}s.{name}")),
            Self::WhichService { router, .. } => Some(format!("traefik.http.routers.{router}")),
            Self::NoPort { .. } => None,
        }
    }

    /// What stands in the value of that label, where several begin alike.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Foreign { reference, .. } | Self::Unknown { reference, .. } => Some(reference),
            _ => None,
        }
    }

    /// What an entry of the policy allows with `traefik`, where one can.
    pub fn permission(&self) -> Option<&str> {
        match self {
            Self::Foreign { reference, .. } if reference.contains('@') => Some(reference),
            Self::Refused { label, .. } => match kind_of_middleware(label).as_deref() {
                Some("plugin") => Some("plugin"),
                Some("forwardauth") if label.ends_with(".address") => Some("forwardauth"),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Value { label, expected, .. } => format!("give `{label}` a {expected}"),
            Self::Name { .. } => "names are made of letters, digits, `-` and `_`".into(),
            Self::Refused { label, .. } => match kind_of_middleware(label).as_deref() {
                Some("plugin") => "leave it out".into(),
                Some("forwardauth") if label.ends_with(".address") => {
                    "name a service of the workspace, as in `http://auth:4181/verify`".into()
                }
                _ => "write what it holds into labels of the workspace itself".into(),
            },
            Self::Foreign { .. } => "define what it names with labels of the workspace itself".into(),
            Self::Unknown { what, reference, .. } => {
                format!("define the {what} `{reference}` with labels, on any service of the workspace")
            }
            Self::Conflict { .. } => "names are the workspace's, not the service's: choose another".into(),
            Self::WhichService { router, .. } => {
                format!("say which with `traefik.http.routers.{router}.service=…`")
            }
            Self::NoPort { service } => format!(
                "add `traefik.http.services.{service}.loadbalancer.server.port=…` or `expose:` to the service"
            ),
        }
    }
}

fn kind_of_middleware(label: &str) -> Option<String> {
    label.split('.').nth(4).map(str::to_ascii_lowercase)
}

/// Reads the labels of a service. `allowed` is what the operator's policy lets the workspace use beyond its own.
pub fn read(
    service: &str,
    labels: &BTreeMap<String, String>,
    allowed: &BTreeSet<String>,
) -> Result<Declared, LabelError> {
    let mut declared = Declared::default();
    for (label, value) in labels.iter().filter(|(label, _)| is_traefiks(label)) {
        let parts: Vec<&str> = label.split('.').skip(1).collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let found =
            if lower.first().is_some_and(|first| first == "http") { known::find(&parts[1..]) } else { None };
        if let Some((kind, steps)) = found {
            declared.take(service, label, value, kind, &steps, allowed)?;
            continue;
        }
        match lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["enable"] => declared.disabled = !flag(value).unwrap_or(true),
            // Whatever provider reads them: the networks are ours.
            ["docker" | "swarm", ..] => {}
            ["tcp" | "udp", ..] => declared.warnings.push(format!(
                "service `{service}`: the label `{label}` has no effect: only HTTP is routed for workspaces"
            )),
            _ => declared.warnings.push(format!(
                "service `{service}`: the label `{label}` is none that Traefik 3 is known to have, and has no effect"
            )),
        }
    }
    declared.routers.retain(|name, router| {
        let has_rule = router.contains_key("rule");
        if !has_rule {
            declared
                .warnings
                .push(format!("service `{service}`: the router `{name}` has no rule, and has no effect"));
        }
        has_rule
    });
    Ok(declared)
}

pub fn is_traefiks(label: &str) -> bool {
    label.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("traefik."))
}

impl Declared {
    /// Takes in one label that is known.
    fn take(
        &mut self,
        service: &str,
        label: &str,
        value: &str,
        kind: Kind,
        steps: &[Step],
        allowed: &BTreeSet<String>,
    ) -> Result<(), LabelError> {
        let (service, label) = (service.to_owned(), label.to_owned());
        if let Kind::Refused(why) = kind {
            return Err(LabelError::Refused { service, label, why });
        }
        let [Step::Member(section), Step::Member(name), inner @ ..] = steps else { return Ok(()) };
        let plugin = matches!(inner.first(), Some(Step::Member(kind)) if kind == "plugin");
        if section == "middlewares" && plugin && !allowed.contains("plugin") {
            let why = "it runs code in Traefik, which the operator has not allowed";
            return Err(LabelError::Refused { service, label, why });
        }
        let odd = steps.iter().find_map(|step| match step {
            Step::Member(name) | Step::Element(name, _) => (!plain(name)).then(|| name.clone()),
        });
        if let Some(name) = odd {
            return Err(LabelError::Name { service, label, name });
        }
        let meant = match meant(kind, value) {
            Ok(meant) => meant,
            Err(expected) => {
                return Err(LabelError::Value { service, label, value: value.to_owned(), expected });
            }
        };
        let path_of_check = matches!(inner, [.., Step::Member(group), Step::Member(field)] if group == "healthcheck" && field == "path");
        if path_of_check && (!value.starts_with('/') || value.starts_with("//")) {
            let why = "the path of a health check begins with one slash";
            return Err(LabelError::Refused { service, label, why });
        }
        let named = match section.as_str() {
            "routers" => &mut self.routers,
            "services" => &mut self.services,
            _ => &mut self.middlewares,
        };
        if let Some(meant) = meant {
            insert(named.entry(name.clone()).or_default(), inner, kind, meant);
        }
        Ok(())
    }
}

/// A name that can be part of a name of Traefik's: no `@`, which would lead to another provider.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Puts a value at its place.
fn insert(into: &mut Map<String, Value>, steps: &[Step], kind: Kind, value: Value) {
    let [first, rest @ ..] = steps else { return };
    let (Step::Member(key) | Step::Element(key, _)) = first;
    if rest.is_empty() {
        // A group that has members needs not be said to be there.
        if kind != Kind::Group || !into.contains_key(key) {
            into.insert(key.clone(), value);
        }
        return;
    }
    let group = into.entry(key.clone()).or_insert_with(|| json!({}));
    if !group.is_object() {
        *group = json!({});
    }
    let members = group.as_object_mut().expect("it was just made one");
    match first {
        Step::Member(_) => insert(members, rest, kind, value),
        // Elements lie under their index until the whole is put together.
        Step::Element(_, index) => {
            let element = members.entry(format!("{index:05}")).or_insert_with(|| json!({}));
            insert(element.as_object_mut().expect("nothing else is put here"), rest, kind, value);
        }
    }
}

/// The value as Traefik's field holds it; `None` for one that is as good as absent.
fn meant(kind: Kind, value: &str) -> Result<Option<Value>, &'static str> {
    let trimmed = value.trim();
    Ok(Some(match kind {
        Kind::Text | Kind::Operators | Kind::Service => {
            json!(if kind == Kind::Text { value } else { trimmed })
        }
        Kind::Flag => json!(flag(value).ok_or("true or false")?),
        Kind::Group => match flag(value).ok_or("true or false")? {
            true => json!("true"),
            false => return Ok(None),
        },
        Kind::Number => json!(trimmed.parse::<i64>().map_err(|_| "whole number")?),
        Kind::Port => json!(trimmed.parse::<u16>().ok().filter(|port| *port > 0).ok_or("port")?),
        Kind::Duration => match is_duration(trimmed) {
            true => json!(trimmed),
            false => return Err("duration such as `10s` or `1m30s`"),
        },
        Kind::List | Kind::Middlewares | Kind::Routers => {
            let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            if items.is_empty() {
                return Ok(None);
            }
            json!(items)
        }
        Kind::Refused(_) => return Ok(None),
    }))
}

/// As Go reads them.
fn flag(value: &str) -> Option<bool> {
    match value.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Whole seconds, or numbers with units. Nine digits are enough, and never too many for Traefik.
fn is_duration(text: &str) -> bool {
    let short =
        |digits: &str| !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
    if short(text) {
        return true;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = ["ms", "us", "ns", "s", "m", "h"].iter().find_map(|unit| after.strip_prefix(unit));
        let limit = if after.starts_with('h') { 6 } else { 9 };
        match unit {
            Some(after) if short(number) && number.len() <= limit => rest = after,
            _ => return false,
        }
    }
    !text.is_empty() && text.len() <= 40
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
