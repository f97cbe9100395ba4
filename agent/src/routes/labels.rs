//! The labels of one service that speak of routing, sorted out. What has no effect is kept, with the reason.

use std::collections::BTreeMap;

use cloudyknight_core::rule::{Rule, Syntax};

use super::RouteError;
use super::middlewares::{self, Defined, Written, plain};
use super::options::boolean;
use crate::compose::model::Service;

#[derive(Default)]
pub struct Labels {
    pub disabled: bool,
    /// All with a rule.
    pub routers: BTreeMap<String, Router>,
    pub middlewares: BTreeMap<String, Defined>,
    pub targets: BTreeMap<String, Target>,
    pub ignored: Vec<Ignored>,
}

#[derive(Default)]
pub struct Router {
    pub rule: String,
    pub syntax: Syntax,
    pub priority: Option<i64>,
    pub middlewares: Vec<String>,
    pub target: Option<String>,
    pub entrypoints: Vec<String>,
    pub tls: bool,
}

/// What Traefik calls a service: where a router leads.
#[derive(Clone, Default)]
pub struct Target {
    pub port: Option<u16>,
    pub hides_host: bool,
}

/// A label without effect.
pub struct Ignored {
    pub label: String,
    pub why: &'static str,
}

/// What is under way while labels are read.
#[derive(Default)]
struct Draft {
    rules: BTreeMap<String, (String, String)>,
    routers: BTreeMap<String, Router>,
    /// Labels by router, for those that turn out to have no rule.
    of_router: BTreeMap<String, Vec<String>>,
    middlewares: BTreeMap<String, Written>,
}

const UNKNOWN: &str = "it is not known to the edge";
const NO_TLS: &str = "the edge speaks plain HTTP, and leaves TLS to what stands before it";
const NO_RULE: &str = "its router has no rule";

impl Labels {
    pub fn read(service: &str, definition: &Service) -> Result<Self, RouteError> {
        let mut labels = Self::default();
        let mut draft = Draft::default();
        for (label, value) in &definition.labels {
            if label.len() > 8 && label[..8.min(label.len())].eq_ignore_ascii_case("traefik.") {
                labels.read_one(&mut draft, service, label, value)?;
            }
        }
        for (name, router) in draft.routers {
            let Some((label, rule)) = draft.rules.remove(&name) else {
                let without = draft.of_router.remove(&name).unwrap_or_default();
                labels.ignored.extend(without.into_iter().map(|label| Ignored { label, why: NO_RULE }));
                continue;
            };
            Rule::parse(&rule, router.syntax).map_err(|error| RouteError::Rule {
                service: service.to_owned(),
                label,
                message: error.to_string(),
            })?;
            labels.routers.insert(name, Router { rule, ..router });
        }
        for (name, written) in draft.middlewares {
            let (defined, left) = middlewares::build(service, &name, written)?;
            let why = match defined {
                Defined::Skipped => "the edge has no such middleware, and goes without it",
                Defined::Refused { .. } => "the edge has no such middleware, and no router uses it",
                Defined::Known(_) | Defined::Chain(_) => UNKNOWN,
            };
            labels.ignored.extend(left.into_iter().map(|label| Ignored { label, why }));
            labels.middlewares.insert(name, defined);
        }
        Ok(labels)
    }

    fn read_one(
        &mut self,
        draft: &mut Draft,
        service: &str,
        label: &str,
        value: &str,
    ) -> Result<(), RouteError> {
        let wrong = |expected| RouteError::Value {
            service: service.to_owned(),
            label: label.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let flag = || boolean(value.trim()).ok_or_else(|| wrong("boolean: true or false"));
        // Names keep their case; Traefik reads everything else without regard to it.
        let written: Vec<&str> = label.split('.').collect();
        let lower = label.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('.').collect();
        match parts[1..] {
            ["enable"] => self.disabled = !flag()?,
            ["http", "routers", _, ref option @ ..] if !option.is_empty() => {
                let name = written[3].to_owned();
                draft.of_router.entry(name.clone()).or_default().push(label.to_owned());
                let router = draft.routers.entry(name.clone()).or_default();
                if router.syntax.is_own() {
                    router.syntax = Syntax::V3;
                }
                match *option {
                    ["rule"] => {
                        draft.rules.insert(name, (label.to_owned(), value.to_owned()));
                    }
                    ["rulesyntax"] => {
                        router.syntax = match value.trim() {
                            "v3" => Syntax::V3,
                            "v2" => Syntax::V2,
                            _ => return Err(wrong("version: v2 or v3")),
                        }
                    }
                    ["priority"] => {
                        router.priority = Some(value.trim().parse().map_err(|_| wrong("whole number"))?)
                    }
                    ["middlewares"] => router.middlewares = list(value),
                    ["service"] => router.target = Some(plain(value)),
                    ["entrypoints"] => {
                        router.entrypoints = list(value);
                        if !router.entrypoints.iter().all(|name| matches!(name.as_str(), "web" | "http")) {
                            self.ignore(
                                label,
                                "the edge has one entrypoint, for plain HTTP, and every router is there",
                            );
                        }
                    }
                    ["tls"] if !flag()? => {}
                    ["tls", ..] => {
                        router.tls = true;
                        self.ignore(label, NO_TLS);
                    }
                    _ => self.ignore(label, UNKNOWN),
                }
            }
            ["http", "middlewares", _, kind, ref option @ ..] => {
                let of = draft.middlewares.entry(written[3].to_owned()).or_default();
                let depth = parts.len() - option.len();
                of.entry(kind.to_owned()).or_default().add(label, &written[depth..].join("."), value);
            }
            ["http", "services", _, "loadbalancer", ref option @ ..] => {
                let target = self.targets.entry(written[3].to_owned()).or_default();
                match *option {
                    ["server", "port"] => {
                        let port = value.trim().parse().ok().filter(|port| *port != 0);
                        target.port = Some(port.ok_or_else(|| wrong("port"))?);
                    }
                    ["server", "scheme"] if value.trim().eq_ignore_ascii_case("http") => {}
                    ["server", "scheme"] => {
                        self.ignore(label, "the edge speaks plain HTTP/1.1 to containers")
                    }
                    ["passhostheader"] => target.hides_host = !flag()?,
                    ["responseforwarding", "flushinterval"] => {
                        self.ignore(label, "the edge passes everything on at once");
                    }
                    ["healthcheck", ..] => {
                        self.ignore(
                            label,
                            "what is healthy is the affair of the compose file's `healthcheck`",
                        );
                    }
                    _ => self.ignore(label, UNKNOWN),
                }
            }
            // The edge finds containers by itself.
            ["docker", "network" | "lbswarm"] => {}
            _ => self.ignore(label, UNKNOWN),
        }
        Ok(())
    }

    fn ignore(&mut self, label: &str, why: &'static str) {
        self.ignored.push(Ignored { label: label.to_owned(), why });
    }
}

/// A comma-separated list; names may carry Traefik's `@docker`.
fn list(value: &str) -> Vec<String> {
    value.split(',').map(plain).filter(|item| !item.is_empty()).collect()
}
