use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn seen(service: &str, deployment: &str, name: Name, condition: Condition) -> Seen {
    let identity = Identity {
        workspace: "app".parse().unwrap(),
        service: service.into(),
        deployment: DeploymentId(deployment.into()),
        release: "0".repeat(64).parse().unwrap(),
        spec: format!("{service}@{deployment}"),
        slot: Slot(deployment.parse::<u32>().unwrap() - 1),
        name: format!("workspace-app-{service}"),
        source: None,
        routes: Vec::new(),
        traefik: None,
        one_shot: false,
        may_end: service == "migrate",
        restart: crate::compose::model::Restart::Unset,
        stop_grace: None,
        pre_stop: Vec::new(),
    };
    let name = match name {
        Name::Final => identity.name.clone(),
        Name::Spare => identity.spare_name(),
        Name::Next => identity.next_name(),
        Name::Retired(by) => identity.retired_name(&DeploymentId(by.into())),
    };
    let networks = [format!("cloudyknight-x-app-default-{}", identity.slot)].into();
    Seen { id: format!("{service}-{deployment}"), name, identity, condition, networks }
}

enum Name {
    Final,
    Spare,
    Next,
    /// By this deployment.
    Retired(&'static str),
}

fn live(service: &str) -> Seen {
    seen(service, "1", Name::Final, Condition::Running)
}

fn ids<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> Vec<&'a str> {
    seen.into_iter().map(|one| one.id.as_str()).collect()
}

fn recovered(containers: Vec<Seen>, live: &[&str], leftovers: &[&str]) {
    let running = Running::recover(containers);
    assert_eq!(ids(running.live.values()), live);
    let rest: Vec<Seen> = running.retired.into_iter().chain(running.leftovers).collect();
    assert_eq!(ids(&rest), leftovers);
}

#[test]
fn after_a_finished_deployment_everything_is_live() {
    recovered(vec![live("db"), live("web")], &["db-1", "web-1"], &[]);
}

#[test]
fn a_container_whose_own_name_was_taken_is_live_by_its_spare_name() {
    recovered(vec![seen("web", "1", Name::Spare, Condition::Running)], &["web-1"], &[]);
    let next = seen("web", "2", Name::Next, Condition::Running);
    recovered(vec![seen("web", "1", Name::Spare, Condition::Running), next], &["web-1"], &["web-2"]);
}

#[test]
fn before_the_switch_the_new_containers_are_leftovers() {
    let next = seen("web", "2", Name::Next, Condition::Running);
    recovered(vec![live("web"), next], &["web-1"], &["web-2"]);
}

#[test]
fn between_the_two_renames_the_new_container_is_live() {
    let old = seen("web", "1", Name::Retired("2"), Condition::Running);
    let next = seen("web", "2", Name::Next, Condition::Running);
    recovered(vec![old, next], &["web-2"], &["web-1"]);
}

#[test]
fn in_the_middle_of_the_renames_of_several_services_the_new_ones_are_live() {
    let containers = vec![
        seen("api", "1", Name::Retired("2"), Condition::Running),
        seen("api", "2", Name::Final, Condition::Running),
        seen("web", "1", Name::Final, Condition::Running),
        seen("web", "2", Name::Next, Condition::Running),
    ];
    recovered(containers, &["api-2", "web-2"], &["api-1", "web-1"]);
}

#[test]
fn what_still_drains_makes_no_later_deployment_live() {
    let old = seen("web", "1", Name::Retired("2"), Condition::Running);
    let serves = seen("web", "2", Name::Final, Condition::Running);
    let next = seen("web", "3", Name::Next, Condition::Running);
    recovered(vec![old.clone(), serves.clone(), next.clone()], &["web-2"], &["web-1", "web-3"]);
    let running = Running::recover(vec![old, serves, next]);
    assert_eq!(ids(&running.retired), ["web-1"]);
    assert_eq!(ids(&running.leftovers), ["web-3"]);
}

#[test]
fn the_next_deployment_goes_where_nothing_is() {
    let draining = |n: &str| seen("web", n, Name::Retired("8"), Condition::Running);
    let serves = |n: &str| seen("web", n, Name::Final, Condition::Running);
    let free = |seen: Vec<Seen>| Running::recover(seen).free_slot();
    assert_eq!(free(vec![]), Some(Slot(0)));
    assert_eq!(free(vec![serves("1")]), Some(Slot(1)));
    assert_eq!(free(vec![draining("1"), serves("2")]), Some(Slot(2)));
    assert_eq!(free(vec![serves("2")]), Some(Slot(0)));
    let all = ["1", "2", "3", "4", "5", "6", "7"].map(draining).into_iter().chain([serves("8")]);
    assert_eq!(free(all.collect()), None);
    // It serves both until the older one is gone.
    let mut kept = serves("1");
    kept.networks.insert("cloudyknight-x-app-default-000001".into());
    assert_eq!(free(vec![kept]), Some(Slot(2)));
}

#[test]
fn a_kept_container_of_an_older_deployment_stays_live() {
    let web = seen("web", "2", Name::Final, Condition::Running);
    recovered(vec![live("db"), web], &["db-1", "web-2"], &[]);
}

#[test]
fn a_workspace_serves_when_all_run_and_jobs_have_ended_well() {
    let ended = |condition| seen("migrate", "1", Name::Final, condition);
    assert!(Running::recover(vec![live("web"), ended(Condition::Completed)]).serves());
    for code in [0, 1] {
        assert!(!Running::recover(vec![live("web"), ended(Condition::Exited { code })]).serves(), "{code}");
    }
    assert!(!Running::default().serves());
}

#[test]
fn a_workspace_of_which_one_container_still_runs_serves_something() {
    let dead = |service| seen(service, "1", Name::Final, Condition::Restarting);
    let limping = Running::recover(vec![live("web"), dead("worker")]);
    assert!(!limping.serves() && limping.serves_something());
    assert!(!Running::recover(vec![dead("web")]).serves_something());
    assert!(!Running::default().serves_something());
}

fn want(spec: &str, depends_on: &[&str], exclusive: bool) -> Wanted {
    let depends_on: BTreeSet<String> = depends_on.iter().map(|one| (*one).to_owned()).collect();
    let networks = BTreeSet::from(["default".to_owned()]);
    Wanted { spec: spec.into(), depends_on, follows: BTreeSet::new(), exclusive, networks }
}

fn wanted(services: &[(&str, Wanted)]) -> BTreeMap<String, Wanted> {
    services.iter().map(|(name, want)| ((*name).to_owned(), want.clone())).collect()
}

#[test]
fn a_first_deployment_starts_everything_in_order() {
    let services =
        [("a", want("1", &["c"], false)), ("b", want("1", &[], false)), ("c", want("1", &["b"], false))];
    let plan = plan(&wanted(&services), Running::default(), Slot(0));
    assert_eq!(plan.start, ["b", "c", "a"]);
    assert_eq!(plan.slot, Slot(0));
    assert!(plan.keep.is_empty() && plan.retire.is_empty() && plan.stop_first.is_empty());
}

#[test]
fn what_did_not_change_and_cannot_run_twice_is_kept_and_the_rest_is_started_beside_the_old() {
    let running = Running::recover(vec![live("db"), live("web")]);
    let services = [("db", want("db@1", &[], true)), ("web", want("new", &["db"], false))];
    let plan = plan(&wanted(&services), running, Slot(1));
    assert_eq!(ids(plan.keep.values()), ["db-1"]);
    assert_eq!(plan.start, ["web"]);
    assert_eq!(ids(&plan.retire), ["web-1"]);
    assert_eq!(plan.slot, Slot(1));
    assert!(plan.stop_first.is_empty());
}

/// One that does not change beside one that does.
fn kept_beside(web: &Seen, networks: &[&str], change: Wanted) -> bool {
    let networks = networks.iter().map(|name| (*name).to_owned()).collect();
    let unchanged = Wanted { networks, ..want(&web.identity.spec, &[], false) };
    let running = Running::recover(vec![live("api"), web.clone()]);
    let plan = plan(&wanted(&[("api", change), (&web.identity.service, unchanged)]), running, Slot(1));
    plan.keep.contains_key(&web.identity.service)
}

#[test]
fn what_may_call_a_new_container_is_replaced_with_it() {
    let rolling = || want("new", &[], false);
    assert!(!kept_beside(&live("web"), &["default"], rolling()));
    assert!(!kept_beside(&live("web"), &["back", "default"], rolling()));
    assert!(kept_beside(&live("web"), &["back"], rolling()), "they never meet");
    assert!(kept_beside(&live("web"), &[], rolling()), "it has no network");
    assert!(
        kept_beside(&live("web"), &["default"], want("new", &[], true)),
        "that one is exchanged in place"
    );
    let ended = seen("migrate", "1", Name::Final, Condition::Completed);
    assert!(kept_beside(&ended, &["default"], rolling()), "it calls nobody");
}

#[test]
fn what_calls_what_calls_a_new_container_is_replaced_as_well() {
    let running = Running::recover(vec![live("api"), live("db"), live("web")]);
    let of = |want: Wanted, networks: &[&str]| {
        let networks = networks.iter().map(|name| (*name).to_owned()).collect();
        Wanted { networks, ..want }
    };
    let services = [
        ("api", of(want("api@1", &[], false), &["front", "back"])),
        ("db", of(want("new", &[], false), &["back"])),
        ("web", of(want("web@1", &[], false), &["front"])),
    ];
    let plan = plan(&wanted(&services), running, Slot(1));
    assert_eq!(plan.start, ["api", "db", "web"]);
}

#[test]
fn what_is_kept_finds_the_old_containers_until_they_are_gone() {
    let names = |slots: [u32; 2]| slots.map(|slot| format!("n-{}", Slot(slot)));
    assert!(names([9, 10]).is_sorted() && names([99_999, 100_000]).is_sorted());
    let services = [("db", want("db@1", &[], true)), ("web", want("new", &[], false))];
    // Its network is free again, but sorts before the one in which it finds the live release.
    let db = Seen { networks: ["cloudyknight-x-app-default-000004".into()].into(), ..live("db") };
    let web = seen("web", "5", Name::Final, Condition::Running);
    let kept = Running::recover(vec![db, web.clone()]);
    let free = kept.free_slot().unwrap();
    assert_eq!((free, plan(&wanted(&services), kept, free).slot), (Slot(0), Slot(5)));
    // Nobody is in two sets of networks: the first will do, for it is there already.
    let alone = Running::recover(vec![web]);
    assert_eq!(plan(&wanted(&services[1..]), alone, free).slot, Slot(0));
}

#[test]
fn what_must_not_run_twice_is_stopped_first() {
    let running = Running::recover(vec![live("db")]);
    let plan = plan(&wanted(&[("db", want("new", &[], true))]), running, Slot(1));
    assert_eq!(ids(plan.stop_first.values()), ["db-1"]);
    assert_eq!(ids(&plan.retire), ["db-1"]);
}

#[test]
fn a_service_that_is_gone_is_retired() {
    let running = Running::recover(vec![live("old"), live("web")]);
    let plan = plan(&wanted(&[("web", want("web@1", &[], false))]), running, Slot(1));
    assert_eq!(ids(&plan.retire), ["old-1"]);
    assert_eq!(plan.start, [""; 0]);
    assert_eq!(plan.slot, Slot(0), "nothing starts, so nothing moves");
}

#[test]
fn an_unchanged_service_that_does_not_run_is_started_again() {
    let dead = seen("web", "1", Name::Final, Condition::Exited { code: 137 });
    let plan = plan(&wanted(&[("web", want("web@1", &[], false))]), Running::recover(vec![dead]), Slot(1));
    assert_eq!(plan.start, ["web"]);
    assert_eq!(ids(&plan.retire), ["web-1"]);
}

#[test]
fn a_cycle_that_got_this_far_still_starts_everything() {
    let services = [("a", want("1", &["b"], false)), ("b", want("1", &["a"], false))];
    assert_eq!(plan(&wanted(&services), Running::default(), Slot(0)).start, ["a", "b"]);
}
