//! A routing table made ready for use: rules parsed, routes in the order in which they are asked, counters and
//! backends those of the table before where they are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudyknight_core::middleware::{Middleware, MiddlewareError};
use cloudyknight_core::route::{Route, RouteTable};
use cloudyknight_core::rule::{Request, Rule, RuleError, Syntax, as_sent};
use cloudyknight_core::workspace::WorkspaceName;

use crate::lease::{BackendState, Backends};
use crate::middleware::Chain;
use crate::stats::RouteCounts;

/// Why a table cannot come into force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("a table of version {0}, but this edge understands none after {current}", current = RouteTable::VERSION)]
    Version(u32),
    #[error("two routes are named `{0}`")]
    Duplicate(String),
    #[error("route `{route}` of workspace `{workspace}`: the rule `{rule}` cannot be used")]
    Rule { workspace: WorkspaceName, route: String, rule: String, source: Box<RuleError> },
    #[error(
        "route `{route}` of workspace `{workspace}`: the prefix to strip `{prefix}` does not start with `/`"
    )]
    Prefix { workspace: WorkspaceName, route: String, prefix: String },
    #[error("route `{route}` of workspace `{workspace}`: its {kind} cannot be carried out")]
    Middleware { workspace: WorkspaceName, route: String, kind: &'static str, source: Box<MiddlewareError> },
}

/// Whether the edge would take this route, whatever else its table holds.
pub fn check_route(route: &Route) -> Result<Rule, TableError> {
    let (workspace, name) = (&route.workspace, &route.name);
    if let Some(prefix) = route.strip_prefixes.iter().find(|prefix| !prefix.starts_with('/')) {
        let (workspace, route, prefix) = (workspace.clone(), name.clone(), prefix.clone());
        return Err(TableError::Prefix { workspace, route, prefix });
    }
    if let Some((middleware, source)) =
        route.middlewares.iter().find_map(|one| one.check().err().map(|error| (one, Box::new(error))))
    {
        let (workspace, route, kind) = (workspace.clone(), name.clone(), middleware.kind());
        return Err(TableError::Middleware { workspace, route, kind, source });
    }
    Rule::parse(&route.rule, route.syntax).map_err(|source: RuleError| {
        let (workspace, route, rule) = (workspace.clone(), name.clone(), route.rule.clone());
        TableError::Rule { workspace, route, rule, source: Box::new(source) }
    })
}

pub(crate) struct Table {
    /// Grows with every switch.
    pub generation: u64,
    pub source: RouteTable,
    routes: Vec<Arc<ActiveRoute>>,
}

pub(crate) struct ActiveRoute {
    pub workspace: WorkspaceName,
    pub name: String,
    rule: Rule,
    syntax: Syntax,
    priority: i64,
    /// As a request would spell them.
    pub strip_prefixes: Vec<String>,
    pub page_root: Option<String>,
    pub hides_host: bool,
    middlewares: Vec<Middleware>,
    pub chain: Arc<Chain>,
    targets: Vec<Target>,
    turn: AtomicUsize,
    pub counts: Arc<RouteCounts>,
}

pub(crate) struct Target {
    pub backend: Arc<BackendState>,
    pub address: SocketAddr,
}

impl Table {
    pub(crate) fn empty() -> Self {
        Self { generation: 0, source: RouteTable::default(), routes: Vec::new() }
    }

    /// The table that follows `self`. Nothing changes when it is refused.
    pub(crate) fn succeed(&self, source: RouteTable, backends: &mut Backends) -> Result<Self, TableError> {
        let rules = check(&source)?;
        let before: BTreeMap<&str, &Arc<ActiveRoute>> =
            self.routes.iter().map(|route| (route.name.as_str(), route)).collect();
        let activate = |(route, rule): (&Route, Rule)| {
            let before = before.get(route.name.as_str());
            // What its middlewares have counted and learned stays with them.
            let kept = before.filter(|before| before.middlewares == route.middlewares);
            let chain = match kept {
                Some(before) => before.chain.clone(),
                None => Arc::new(chain(route)?),
            };
            let targets = route
                .backends
                .iter()
                .map(|backend| Target { backend: backends.state(&backend.id), address: backend.address });
            Ok(Arc::new(ActiveRoute {
                workspace: route.workspace.clone(),
                name: route.name.clone(),
                priority: route.priority.filter(|&set| set != 0).unwrap_or_else(|| rule.priority()),
                rule,
                strip_prefixes: route.strip_prefixes.iter().map(|prefix| as_sent(prefix)).collect(),
                page_root: route.page_root.clone(),
                syntax: route.syntax,
                hides_host: route.hides_host,
                middlewares: route.middlewares.clone(),
                chain,
                targets: targets.collect(),
                turn: AtomicUsize::new(0),
                counts: before.map(|before| before.counts.clone()).unwrap_or_default(),
            }))
        };
        let routes = source.routes.iter().zip(rules).map(activate);
        let mut routes = routes.collect::<Result<Vec<_>, TableError>>()?;
        routes.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        Ok(Self { generation: self.generation + 1, source, routes })
    }

    /// The route of a request: of those that match, the one with the highest priority, then the first by name.
    pub(crate) fn find(&self, request: &Request<'_>) -> Option<&Arc<ActiveRoute>> {
        self.routes.iter().find(|route| route.rule.matches(request))
    }

    pub(crate) fn routes(&self) -> &[Arc<ActiveRoute>] {
        &self.routes
    }

    pub(crate) fn holds(&self, backend: &str) -> bool {
        self.source.routes.iter().flat_map(|route| &route.backends).any(|held| held.id == backend)
    }
}

impl ActiveRoute {
    /// Whether it is about the path as it was sent, and not in normal form.
    pub(crate) fn is_as_sent(&self) -> bool {
        self.syntax.is_own()
    }

    /// The next backend in turn, one that was not tried yet where there is one. `None`: the route has none.
    pub(crate) fn next_target(&self, tried: &[Arc<BackendState>]) -> Option<&Target> {
        let count = self.targets.len();
        if count == 0 {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let in_turn = || (0..count).map(|step| &self.targets[(turn + step) % count]);
        let untried = |target: &&Target| !tried.iter().any(|tried| Arc::ptr_eq(tried, &target.backend));
        in_turn().find(untried).or_else(|| in_turn().next())
    }

    pub(crate) fn has_untried(&self, tried: &[Arc<BackendState>]) -> bool {
        self.targets.iter().any(|target| !tried.iter().any(|tried| Arc::ptr_eq(tried, &target.backend)))
    }
}

fn chain(route: &Route) -> Result<Chain, TableError> {
    Chain::new(&route.middlewares).map_err(|source| TableError::Middleware {
        workspace: route.workspace.clone(),
        route: route.name.clone(),
        kind: "chain of middlewares",
        source: Box::new(source),
    })
}

fn check(table: &RouteTable) -> Result<Vec<Rule>, TableError> {
    if !(1..=RouteTable::VERSION).contains(&table.version) {
        return Err(TableError::Version(table.version));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = table.routes.iter().find(|route| !names.insert(&route.name)) {
        return Err(TableError::Duplicate(twice.name.clone()));
    }
    table.routes.iter().map(check_route).collect()
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::route::Backend;

    use super::*;

    fn route(name: &str, rule: &str) -> Route {
        let backend = |id: &str| Backend { id: id.into(), address: "127.0.0.1:1".parse().unwrap() };
        Route {
            workspace: "app".parse().unwrap(),
            name: name.into(),
            rule: rule.into(),
            priority: None,
            strip_prefixes: Vec::new(),
            page_root: None,
            syntax: Default::default(),
            middlewares: Vec::new(),
            hides_host: false,
            backends: vec![backend("one"), backend("two")],
        }
    }

    fn table(routes: Vec<Route>) -> Result<Table, TableError> {
        Table::empty().succeed(RouteTable::new(routes), &mut Backends::default())
    }

    fn get<'r>(host: &'r str, path: &'r str) -> Request<'r> {
        let client = "::1".parse().unwrap();
        Request { method: "GET", host, path, plain_path: path, query: None, headers: &(), client }
    }

    fn found(table: &Table, host: &str, path: &str) -> String {
        table.find(&get(host, path)).map(|route| route.name.clone()).unwrap_or_default()
    }

    #[test]
    fn the_longer_rule_wins_then_the_name() {
        let all = route("all", "PathPrefix(`/`)");
        let table =
            table(vec![all, route("b", "PathPrefix(`/app/`)"), route("a", "PathPrefix(`/app/`)")]).unwrap();
        assert_eq!(found(&table, "h", "/app/x"), "a");
        assert_eq!(found(&table, "h", "/other"), "all");
        assert_eq!(found(&table, "h", "*"), "");
    }

    #[test]
    fn a_priority_outdoes_length_and_zero_is_none() {
        let with = |name: &str, rule: &str, priority| Route { priority: Some(priority), ..route(name, rule) };
        let long = "PathPrefix(`/app/very/long`)";
        let table = table(vec![with("first", "PathPrefix(`/app`)", 1000), with("zero", long, 0)]).unwrap();
        assert_eq!(found(&table, "h", "/app/very/long"), "first");
    }

    #[test]
    fn a_table_with_one_bad_route_is_refused_whole() {
        let refusal = |routes| table(routes).err().map(|error| error.to_string()).unwrap_or_default();
        let bad = refusal(vec![route("good", "Path(`/`)"), route("bad", "Pth(`/`)")]);
        assert_eq!(bad, "route `bad` of workspace `app`: the rule `Pth(`/`)` cannot be used");
        assert_eq!(
            refusal(vec![route("x", "Path(`/`)"), route("x", "Path(`/`)")]),
            "two routes are named `x`"
        );
        let prefix = Route { strip_prefixes: vec!["app".into()], ..route("x", "Path(`/`)") };
        let expected = "route `x` of workspace `app`: the prefix to strip `app` does not start with `/`";
        assert_eq!(refusal(vec![prefix]), expected);
        let old = RouteTable { version: 7, routes: Vec::new() };
        let refused = Table::empty().succeed(old, &mut Backends::default()).err();
        assert_eq!(refused, Some(TableError::Version(7)));
    }

    #[test]
    fn backends_take_turns_and_one_that_was_tried_comes_last() {
        let table = table(vec![route("x", "Path(`/`)")]).unwrap();
        let route = table.find(&get("h", "/")).unwrap();
        let next = |tried: &[Arc<BackendState>]| route.next_target(tried).unwrap().backend.clone();
        let (first, second, third) = (next(&[]), next(&[]), next(&[]));
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
        for _ in 0..4 {
            assert!(Arc::ptr_eq(&next(std::slice::from_ref(&first)), &second));
        }
        next(&[first.clone(), second.clone()]);
        assert!(!route.has_untried(&[first, second]));
    }
}
