//! Puts together what Traefik is told about a workspace: routers, services and middlewares as the labels of all its
//! services say, under names that no other workspace can have, and the platform's own routes where labels say none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use cloudyknight_core::workspace::WorkspaceName;
use serde_json::{Map, Value, json};

use super::labels::{self, Declared, LabelError};
use crate::routes::ServiceRoute;

/// A service of a workspace, with all that decides how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Its Traefik labels, as the compose file has them.
    pub labels: BTreeMap<String, String>,
    pub routes: Vec<ServiceRoute>,
    /// By the names of containers.
    pub backends: BTreeMap<String, Ipv4Addr>,
}

/// For whom it is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Live,
    /// Only to see whether Traefik can read it: under names of its own, for a host that nobody asks for.
    Trial,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    pub routers: Map<String, Value>,
    pub services: Map<String, Value>,
    pub middlewares: Map<String, Value>,
    pub warnings: Vec<String>,
}

/// `.invalid` is reserved for names that do not exist.
const TRIAL_HOST: &str = "trial.cloudyknight.invalid";

/// The platform's own routes bear a name with an `@` in it, which no label can give.
pub fn is_own(route: &ServiceRoute) -> bool {
    route.name.contains('@')
}

pub fn configuration(
    workspace: &WorkspaceName,
    reached: &BTreeMap<String, Reached>,
    allowed: &BTreeSet<String>,
    purpose: Purpose,
) -> Result<Configuration, LabelError> {
    let prefix = match purpose {
        Purpose::Live => workspace.to_string(),
        Purpose::Trial => format!("{workspace}.trial"),
    };
    let made = Configuration::default();
    let mut all = Composer { prefix, reached, allowed, purpose, made, owners: BTreeMap::new() };
    let mut declared = BTreeMap::new();
    for (service, one) in reached {
        let own = labels::read(service, &one.labels, allowed)?;
        all.made.warnings.extend(own.warnings.iter().cloned());
        if !own.disabled {
            declared.insert(service, own);
        }
    }
    for (service, own) in &declared {
        all.middlewares(service, own)?;
        all.services(service, own, &reached[*service])?;
    }
    for (service, own) in &declared {
        all.routers(service, own, &reached[*service])?;
        all.own_routes(service, &reached[*service]);
    }
    all.check_references()?;
    Ok(all.made)
}

struct Composer<'a> {
    prefix: String,
    reached: &'a BTreeMap<String, Reached>,
    allowed: &'a BTreeSet<String>,
    purpose: Purpose,
    made: Configuration,
    /// Which service defined what: by kind and name.
    owners: BTreeMap<(&'static str, String), String>,
}

impl Composer<'_> {
    fn own(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// Takes note of a definition. Twice the same is one; `Some` is what is there already.
    fn define(
        &mut self,
        service: &str,
        what: &'static str,
        name: &str,
        same: bool,
    ) -> Result<(), LabelError> {
        match self.owners.get(&(what, name.to_owned())) {
            Some(other) if !same => Err(LabelError::Conflict {
                service: service.to_owned(),
                other: other.clone(),
                what,
                name: name.to_owned(),
            }),
            Some(_) => Ok(()),
            None => {
                self.owners.insert((what, name.to_owned()), service.to_owned());
                Ok(())
            }
        }
    }

    fn middlewares(&mut self, service: &str, declared: &Declared) -> Result<(), LabelError> {
        for (name, definition) in &declared.middlewares {
            let mut definition = definition.clone();
            let owner = format!("traefik.http.middlewares.{name}");
            if let Some(chain) = definition.get_mut("chain").and_then(Value::as_object_mut) {
                self.rename(service, &owner, chain, "middlewares")?;
            }
            if let Some(errors) = definition.get_mut("errors").and_then(Value::as_object_mut) {
                self.rename(service, &owner, errors, "service")?;
            }
            if let Some(auth) = definition.get_mut("forwardauth").and_then(Value::as_object_mut) {
                self.ask_own(service, &owner, auth)?;
            }
            let (key, definition) = (self.own(name), Value::Object(definition));
            let same = self.made.middlewares.get(&key).is_none_or(|other| *other == definition);
            self.define(service, "middleware", name, same)?;
            self.made.middlewares.insert(key, definition);
        }
        Ok(())
    }

    /// Whom `forwardAuth` asks: a service of the workspace by its name, which Traefik is told the address of; anybody
    /// else only where the operator allows it.
    fn ask_own(&self, service: &str, owner: &str, auth: &mut Map<String, Value>) -> Result<(), LabelError> {
        let address = auth.get("address").and_then(Value::as_str).unwrap_or_default();
        match Asked::read(address).filter(|asked| self.reached.contains_key(asked.host)) {
            Some(asked) => {
                let container = self.reached[asked.host].backends.values().next();
                // While none runs, whatever else bears that name is not asked.
                let host = container.map_or_else(|| format!("{}.invalid", asked.host), Ipv4Addr::to_string);
                let told = format!("{}://{host}{}{}", asked.scheme, asked.port, asked.path);
                auth.insert("address".into(), json!(told));
                Ok(())
            }
            None if self.allowed.contains("forwardauth") => Ok(()),
            None => Err(LabelError::Refused {
                service: service.to_owned(),
                label: format!("{owner}.forwardauth.address"),
                why: "it lets Traefik ask somebody who is no service of the workspace, which the operator has not allowed",
            }),
        }
    }

    fn services(&mut self, service: &str, declared: &Declared, reached: &Reached) -> Result<(), LabelError> {
        for (name, definition) in &declared.services {
            let mut balancer =
                definition.get("loadbalancer").and_then(Value::as_object).cloned().unwrap_or_default();
            let server = balancer.remove("server").unwrap_or_default();
            let owner = format!("traefik.http.services.{name}");
            self.operators(service, &owner, balancer.get("serverstransport"))?;
            let told = server.get("port").and_then(Value::as_u64);
            let port = told.or_else(|| reached.routes.first().map(|route| u64::from(route.port)));
            let port = port.ok_or_else(|| LabelError::NoPort { service: service.to_owned() })?;
            let scheme = server.get("scheme").and_then(Value::as_str).unwrap_or("http");
            if !["http", "https", "h2c"].contains(&scheme) {
                return Err(LabelError::Value {
                    service: service.to_owned(),
                    label: format!("{owner}.loadbalancer.server.scheme"),
                    value: scheme.to_owned(),
                    expected: "scheme that Traefik knows: http, https or h2c",
                });
            }
            let mut extra = Map::new();
            for field in ["weight", "preservepath"] {
                extra.extend(server.get(field).map(|value| (field.to_owned(), value.clone())));
            }
            self.serve(service, name, &self.own(name), balancer, servers(scheme, port, reached, &extra))?;
        }
        Ok(())
    }

    /// Adds servers under a name: the same service of several containers is one that is balanced.
    fn serve(
        &mut self,
        service: &str,
        name: &str,
        key: &str,
        mut balancer: Map<String, Value>,
        mut servers: Vec<Value>,
    ) -> Result<(), LabelError> {
        // With TLS to the container it is the operator's transport that knows what to trust.
        let plain = servers.iter().all(|one| !one["url"].as_str().unwrap_or_default().starts_with("https:"));
        if plain && !balancer.contains_key("serverstransport") {
            balancer.insert("serverstransport".into(), json!(self.transport()));
        }
        if let Some(before) = self.made.services.get(key).and_then(|one| one.get("loadbalancer")) {
            let mut options = before.as_object().cloned().unwrap_or_default();
            let earlier = options.remove("servers").unwrap_or_default();
            self.define(service, "service", name, options == balancer)?;
            servers.splice(0..0, earlier.as_array().cloned().unwrap_or_default());
            servers.dedup();
        }
        self.define(service, "service", name, true)?;
        balancer.insert("servers".into(), Value::Array(servers));
        self.made.services.insert(key.to_owned(), json!({ "loadbalancer": balancer }));
        Ok(())
    }

    fn routers(&mut self, service: &str, declared: &Declared, reached: &Reached) -> Result<(), LabelError> {
        for (name, definition) in &declared.routers {
            let mut router = definition.clone();
            let owner = format!("traefik.http.routers.{name}");
            self.rename(service, &owner, &mut router, "middlewares")?;
            self.rename(service, &owner, &mut router, "service")?;
            self.rename(service, &owner, &mut router, "parentrefs")?;
            if let Some(tls) = router.get_mut("tls").and_then(Value::as_object_mut) {
                self.operators(service, &owner, tls.get("options"))?;
                if let Some(domains) = tls.get_mut("domains") {
                    *domains = Value::Array(
                        domains.as_object().into_iter().flat_map(|all| all.values().cloned()).collect(),
                    );
                }
            }
            let rule = router.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !stands_alone(&rule) {
                return Err(LabelError::Value {
                    service: service.to_owned(),
                    label: format!("{owner}.rule"),
                    value: rule,
                    expected: "rule: quotes and parentheses must close, and there are no comments",
                });
            }
            if !router.contains_key("service") {
                let names: Vec<&String> = declared.services.keys().collect();
                let target = match names.as_slice() {
                    [only] => self.own(only),
                    [] => {
                        let port = reached.routes.first().map(|route| route.port);
                        let port = port.ok_or_else(|| LabelError::NoPort { service: service.to_owned() })?;
                        self.implied(service, port, reached)
                    }
                    _ => {
                        let (service, router) = (service.to_owned(), name.clone());
                        return Err(LabelError::WhichService { service, router });
                    }
                };
                router.insert("service".into(), json!(target));
            }
            router.insert("rule".into(), json!(self.rule(&rule)));
            let (key, router) = (self.own(name), Value::Object(router));
            let same = self.made.routers.get(&key).is_none_or(|other| *other == router);
            self.define(service, "router", name, same)?;
            self.made.routers.insert(key, router);
        }
        Ok(())
    }

    /// `/name`, `name.<domain>` and the like, as our own edge has them.
    fn own_routes(&mut self, service: &str, reached: &Reached) {
        for route in reached.routes.iter().filter(|route| is_own(route)) {
            let target = self.implied(service, route.port, reached);
            let kind = route.name.rsplit('@').next().unwrap_or_default();
            let name = |what: &str| format!("{}.{what}", self.prefix);
            let mut router = json!({ "rule": self.rule(&route.rule), "service": target });
            if let Some(priority) = route.priority {
                router["priority"] = json!(priority);
            }
            if let Some(root) = &route.page_root {
                // A browser that asks for the page without the slash is sent to the one with it.
                let mut page = router.clone();
                let rule = format!("Path(`{root}`) && Method(`GET`) && HeaderRegexp(`Accept`, `text/html`)");
                page["rule"] = json!(self.rule(&rule));
                page["priority"] = json!(route.priority.unwrap_or_default() + 1);
                page["middlewares"] = json!([name("page")]);
                let redirect = json!({ "regex": r"^([^?]*)(\?.*)?$", "replacement": "${1}/${2}" });
                self.made.middlewares.insert(name("page"), json!({ "redirectregex": redirect }));
                self.made.routers.insert(name("page"), page);
            }
            if !route.strip_prefixes.is_empty() {
                let strip = json!({ "prefixes": route.strip_prefixes });
                self.made.middlewares.insert(name("strip"), json!({ "stripprefix": strip }));
                router["middlewares"] = json!([name("strip")]);
            }
            self.made.routers.insert(name(kind), router);
        }
    }

    /// The service that a router means which names none; its name.
    fn implied(&mut self, service: &str, port: u16, reached: &Reached) -> String {
        let key = format!("{}.{service}-{port}", self.prefix);
        let mut balancer = Map::new();
        balancer.insert("serverstransport".into(), json!(self.transport()));
        let servers = servers("http", u64::from(port), reached, &Map::new());
        balancer.insert("servers".into(), Value::Array(servers));
        self.made.services.insert(key.clone(), json!({ "loadbalancer": balancer }));
        key
    }

    /// The same in a trial as live: it holds nothing that labels say.
    fn transport(&self) -> String {
        transport(self.prefix.trim_end_matches(".trial"))
    }

    fn rule(&self, rule: &str) -> String {
        match self.purpose {
            Purpose::Live => rule.to_owned(),
            Purpose::Trial => format!("Host(`{TRIAL_HOST}`) && ({rule})"),
        }
    }

    /// Gives the names in a field those that they have in Traefik.
    fn rename(
        &self,
        service: &str,
        owner: &str,
        fields: &mut Map<String, Value>,
        field: &str,
    ) -> Result<(), LabelError> {
        let name = |name: &mut Value| -> Result<(), LabelError> {
            let reference = name.as_str().unwrap_or_default().trim();
            let reference = reference.strip_suffix("@docker").unwrap_or(reference);
            // It answers nothing but 418, and routers that only redirect use it.
            let harmless = field == "service" && reference == "noop@internal";
            *name = if !reference.contains('@') {
                json!(self.own(reference))
            } else if harmless || self.allowed.contains(reference) {
                json!(reference)
            } else {
                let (service, owner) = (service.to_owned(), owner.to_owned());
                return Err(LabelError::Foreign { service, owner, reference: reference.to_owned() });
            };
            Ok(())
        };
        match fields.get_mut(field) {
            Some(Value::Array(names)) => names.iter_mut().try_for_each(name),
            Some(one) => name(one),
            None => Ok(()),
        }
    }

    /// What only the operator's own configuration can hold must be shared by name.
    fn operators(&self, service: &str, owner: &str, value: Option<&Value>) -> Result<(), LabelError> {
        match value.and_then(Value::as_str) {
            Some(name) if !(name.contains('@') && self.allowed.contains(name)) => Err(LabelError::Foreign {
                service: service.to_owned(),
                owner: owner.to_owned(),
                reference: name.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Traefik would leave out a router that names what there is not, and tell nobody who pushed.
    fn check_references(&self) -> Result<(), LabelError> {
        let made = &self.made;
        let check = |owner: &str, what: &'static str, value: Option<&Value>, there: &Map<String, Value>| {
            let names = value.into_iter().flat_map(|value| match value {
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect::<Vec<_>>(),
            });
            let missing = names.into_iter().find(|name| !name.contains('@') && !there.contains_key(*name));
            let Some(missing) = missing else { return Ok(()) };
            let plain =
                |name: &str| name.strip_prefix(&format!("{}_", self.prefix)).unwrap_or(name).to_owned();
            let (kind, name) = owner.split_once(' ').unwrap_or_default();
            let kind_key = if kind == "router" { "router" } else { "middleware" };
            let service = self.owners.get(&(kind_key, plain(name))).cloned().unwrap_or_default();
            let owner = format!("traefik.http.{kind}s.{}", plain(name));
            Err(LabelError::Unknown { service, owner, what, reference: plain(missing) })
        };
        for (name, router) in &made.routers {
            let owner = format!("router {name}");
            check(&owner, "middleware", router.get("middlewares"), &made.middlewares)?;
            check(&owner, "service", router.get("service"), &made.services)?;
            check(&owner, "router", router.get("parentrefs"), &made.routers)?;
        }
        for (name, middleware) in &made.middlewares {
            let owner = format!("middleware {name}");
            check(&owner, "middleware", middleware.pointer("/chain/middlewares"), &made.middlewares)?;
            check(&owner, "service", middleware.pointer("/errors/service"), &made.services)?;
        }
        Ok(())
    }
}

/// The parts of an address that Traefik is to ask.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    scheme: &'a str,
    host: &'a str,
    /// With its colon; empty where there is none.
    port: &'a str,
    path: &'a str,
}

impl<'a> Asked<'a> {
    /// `None` for whatever has more to it than these parts.
    fn read(address: &'a str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let plain = port.is_empty() || port[1..].parse::<u16>().is_ok_and(|port| port > 0);
        (["http", "https"].contains(&scheme) && plain).then_some(Self { scheme, host, port, path })
    }
}

/// What Traefik's connections to the containers of a workspace go by.
pub fn transport(workspace: &str) -> String {
    format!("{workspace}.transport")
}

fn servers(scheme: &str, port: u64, reached: &Reached, extra: &Map<String, Value>) -> Vec<Value> {
    let server = |address: &Ipv4Addr| {
        let mut server = extra.clone();
        server.insert("url".into(), json!(format!("{scheme}://{address}:{port}")));
        Value::Object(server)
    };
    reached.backends.values().map(server).collect()
}

/// Whether a rule can stand in parentheses and mean the same: what it opens it closes, and nothing in it hides the end.
/// Traefik reads rules as Go reads expressions.
fn stands_alone(rule: &str) -> bool {
    let mut depth = 0_i32;
    let mut rest = rule.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '`' if !rest.by_ref().any(|c| c == '`') => return false,
            '`' => {}
            '"' => loop {
                match rest.next() {
                    Some('\\') => drop(rest.next()),
                    Some('"') => break,
                    Some(_) => {}
                    None => return false,
                }
            },
            '\'' => return false,
            '/' if matches!(rest.peek(), Some('/' | '*')) => return false,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0 && !rule.trim().is_empty()
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
