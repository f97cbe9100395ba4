//! How busy containers are, of two looks at what they used; and what a workspace's routes carried. Pure.

use std::collections::{BTreeMap, HashMap};

use cloudyknight_core::stats::{ContainerStats, Traffic, WorkspaceStats};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_edge::stats::RouteStats;

use crate::engine::{Health, Usage};

/// One container at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub workspace: WorkspaceName,
    pub service: String,
    pub name: String,
    /// `None` while it does not run, and where nobody says.
    pub usage: Option<Usage>,
    pub health: Health,
}

/// Looks by the ids of the containers.
pub type Looks = HashMap<String, Look>;

/// Of one core, between two looks. One that was not there before, or started anew since, is taken to have begun with
/// nothing just then: it cannot be told better, and the next look does.
fn cpu_percent(before: Option<&Usage>, now: &Usage) -> f64 {
    let Some(before) = before.filter(|before| before.cpu_ns <= now.cpu_ns) else { return 0.0 };
    let passed = now.at_ns - before.at_ns;
    if passed <= 0 {
        return 0.0;
    }
    let percent = (now.cpu_ns - before.cpu_ns) as f64 * 100.0 / passed as f64;
    // What is beyond a tenth is noise.
    (percent * 10.0).round() / 10.0
}

/// By workspace, in the order of their names. `routes` is what the edge counted, where it was asked.
pub fn workspaces(before: &Looks, now: &Looks, routes: Option<&[RouteStats]>) -> Vec<WorkspaceStats> {
    let mut all: BTreeMap<&WorkspaceName, WorkspaceStats> = BTreeMap::new();
    for (id, look) in now {
        let own = all.entry(&look.workspace).or_insert_with(|| nothing(&look.workspace, routes.is_some()));
        let earlier = before.get(id).and_then(|look| look.usage.as_ref());
        let usage = look.usage.as_ref();
        // What has no process uses nothing, and that is known.
        let rests = look.health.pid.is_none();
        let one = ContainerStats {
            service: look.service.clone(),
            container: look.name.clone(),
            cpu_percent: usage.map(|now| cpu_percent(earlier, now)).or(rests.then_some(0.0)),
            memory_bytes: usage.map(|usage| usage.memory_bytes).or(rests.then_some(0)),
            memory_limit_bytes: usage.map(|usage| usage.memory_limit_bytes),
            started_at: look.health.started_at.clone(),
            state: look.health.state.clone(),
            health: look.health.health.clone(),
        };
        own.containers.push(one);
    }
    for route in routes.into_iter().flatten() {
        let own = all.entry(&route.workspace).or_insert_with(|| nothing(&route.workspace, true));
        let traffic = own.traffic.get_or_insert_default();
        traffic.requests += route.requests;
        for (sum, count) in traffic.answers.iter_mut().zip(route.answers) {
            *sum += count;
        }
        traffic.unreachable += route.unreachable;
        traffic.timed_out += route.timed_out;
    }
    let mut all: Vec<WorkspaceStats> = all.into_values().collect();
    for one in &mut all {
        let containers = || one.containers.iter();
        // A sum without one of its parts would be another figure.
        let percent: Option<f64> = containers().map(|one| one.cpu_percent).sum();
        one.cpu_percent = percent.map(|percent| (percent * 10.0).round() / 10.0);
        one.memory_bytes = containers().map(|one| one.memory_bytes).sum();
        let limits: Vec<u64> = containers().filter_map(|one| one.memory_limit_bytes).collect();
        one.memory_limit_bytes = (!limits.is_empty()).then(|| limits.iter().sum());
        one.containers.sort_by(|a, b| (&a.service, &a.container).cmp(&(&b.service, &b.container)));
    }
    all
}

fn nothing(workspace: &WorkspaceName, counted: bool) -> WorkspaceStats {
    WorkspaceStats {
        workspace: workspace.clone(),
        cpu_percent: None,
        memory_bytes: None,
        memory_limit_bytes: None,
        containers: Vec::new(),
        traffic: counted.then(Traffic::default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn usage(cpu_ms: u64, at_ms: i128) -> Usage {
        Usage {
            cpu_ns: cpu_ms * 1_000_000,
            at_ns: at_ms * 1_000_000,
            memory_bytes: 100,
            memory_limit_bytes: 500,
        }
    }

    fn look(workspace: &str, service: &str, usage: Option<Usage>) -> Look {
        let health = Health { state: "running".into(), pid: usage.as_ref().map(|_| 7), ..Health::default() };
        let (workspace, service) = (workspace.parse().unwrap(), service.to_owned());
        Look { workspace, name: format!("c-{service}"), service, usage, health }
    }

    #[test]
    fn how_busy_a_container_is_comes_of_two_looks_by_dockers_clock() {
        let check = |before: Option<Usage>, now: Usage, expected: f64| {
            assert_eq!(cpu_percent(before.as_ref(), &now), expected, "{before:?} {now:?}");
        };
        check(Some(usage(1000, 0)), usage(1500, 1000), 50.0);
        check(Some(usage(1000, 0)), usage(5000, 2000), 200.0);
        check(Some(usage(1000, 0)), usage(1000, 1000), 0.0);
        // It started anew, or the clock stood still.
        check(Some(usage(9000, 0)), usage(10, 1000), 0.0);
        check(Some(usage(1000, 5)), usage(1500, 5), 0.0);
        check(None, usage(1500, 1000), 0.0);
        let almost = Usage { at_ns: 3 * SECOND, ..usage(1000, 0) };
        check(Some(usage(0, 0)), almost, 33.3);
    }

    #[test]
    fn containers_and_routes_are_summed_by_workspace() {
        let before = HashMap::from([("1".to_owned(), look("shop", "web", Some(usage(0, 0))))]);
        let now = HashMap::from([
            ("1".to_owned(), look("shop", "web", Some(usage(100, 1000)))),
            ("2".to_owned(), look("shop", "db", Some(usage(900, 1000)))),
            ("3".to_owned(), look("blog", "blog", None)),
        ]);
        let route = |workspace: &str, requests: u64| RouteStats {
            workspace: workspace.parse().unwrap(),
            route: String::new(),
            requests,
            answers: [0, requests, 0, 0, 1],
            unreachable: 1,
            timed_out: 0,
            retried: 9,
        };
        let routes = [route("shop", 3), route("shop", 4), route("gone", 1)];
        let all = workspaces(&before, &now, Some(&routes));
        let names: Vec<&str> = all.iter().map(|one| one.workspace.as_str()).collect();
        assert_eq!(names, ["blog", "gone", "shop"]);
        let shop = &all[2];
        assert_eq!(
            (shop.cpu_percent, shop.memory_bytes, shop.memory_limit_bytes),
            (Some(10.0), Some(200), Some(1000))
        );
        assert_eq!(shop.containers.iter().map(|one| one.service.as_str()).collect::<Vec<_>>(), ["db", "web"]);
        let traffic = shop.traffic.as_ref().unwrap();
        assert_eq!((traffic.requests, traffic.answers, traffic.unreachable), (7, [0, 7, 0, 0, 2], 2));
        assert_eq!((all[0].memory_bytes, all[0].traffic.clone()), (Some(0), Some(Traffic::default())));
        assert_eq!((all[0].memory_limit_bytes, all[1].memory_bytes), (None, Some(0)));
        assert_eq!(workspaces(&before, &now, None)[1].traffic, None, "nobody was asked");
        let mut unknown = now.clone();
        unknown.get_mut("2").unwrap().usage = None;
        let shop = workspaces(&before, &unknown, None).pop().unwrap();
        assert_eq!((shop.cpu_percent, shop.memory_bytes), (None, None), "no sum without one of its parts");
        assert_eq!(
            (shop.containers[1].cpu_percent, shop.containers[1].memory_bytes),
            (Some(10.0), Some(100))
        );
    }
}
