use super::*;
use crate::compose::model::{Healthcheck, ImageSource, Restart};

fn service(labels: &[(&str, &str)], expose: &[u16]) -> Service {
    Service {
        image: ImageSource::Image("i".into()),
        container_name: None,
        command: None,
        entrypoint: None,
        environment: BTreeMap::new(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ports: Vec::new(),
        expose: expose.to_vec(),
        mounts: Vec::new(),
        networks: BTreeMap::new(),
        external_networks: Vec::new(),
        depends_on: BTreeMap::new(),
        healthcheck: Healthcheck::Inherit,
        restart: Restart::Unset,
        working_dir: None,
        user: None,
        init: None,
        stop_grace_period: None,
        stop_signal: None,
        isolation: Default::default(),
    }
}

fn routes_of(
    workspace: &str,
    services: &[(&str, Service)],
    images: &[(&str, u16)],
) -> Result<Assigned, RouteError> {
    let services = services.iter().map(|(name, service)| ((*name).to_owned(), service.clone())).collect();
    let images = images.iter().map(|(name, port)| ((*name).to_owned(), vec![*port])).collect();
    assign(&workspace.parse().unwrap(), "localhost", &services, &images)
}

/// Each route as `service: rule -> port`, with what is stripped.
fn check(workspace: &str, services: &[(&str, Service)], images: &[(&str, u16)], expected: &[&str]) {
    let assigned = routes_of(workspace, services, images).unwrap();
    let shown: Vec<String> = assigned
        .routes
        .iter()
        .flat_map(|(service, routes)| routes.iter().map(move |route| (service, route)))
        .map(|(service, route)| {
            let strip: String = route.strip_prefixes.iter().map(|prefix| format!(" -{prefix}")).collect();
            format!("{service}: {} -> {}{strip}", route.rule, route.port)
        })
        .collect();
    assert_eq!(shown, expected);
}

const RULE: &str = "traefik.http.routers.r.rule";
const PORT: &str = "traefik.http.services.r.loadbalancer.server.port";

#[test]
fn without_labels_a_workspace_answers_at_its_name_as_path_and_as_host() {
    let expected =
        ["one: PathPrefix(`/app/`) || Path(`/app`) -> 3000 -/app", "one: Host(`app.localhost`) -> 3000"];
    check("app", &[("one", service(&[], &[]))], &[("one", 3000)], &expected);
}

#[test]
fn www_also_answers_at_the_root() {
    let expected = [
        "one: PathPrefix(`/www/`) || Path(`/www`) -> 80 -/www",
        "one: PathPrefix(`/`) -> 80",
        "one: Host(`www.localhost`) -> 80",
    ];
    check("www", &[("one", service(&[], &[80]))], &[], &expected);
}

#[test]
fn a_rule_about_paths_replaces_the_default_path_and_leaves_the_host() {
    let labels = [
        ("traefik.enable", "true"),
        (RULE, "PathPrefix(`/myapp`)"),
        (PORT, "3000"),
        ("traefik.http.middlewares.s.stripprefix.prefixes", "/myapp"),
        ("traefik.http.routers.r.middlewares", "s"),
    ];
    let expected = ["one: PathPrefix(`/myapp`) -> 3000 -/myapp", "one: Host(`myapp.localhost`) -> 3000"];
    check("myapp", &[("one", service(&labels, &[]))], &[("one", 9)], &expected);
}

#[test]
fn a_rule_about_hosts_replaces_both_defaults() {
    let labels = [(RULE, "Host(`shop.example`)"), (PORT, "80")];
    check("shop", &[("one", service(&labels, &[]))], &[], &["one: Host(`shop.example`) -> 80"]);
}

#[test]
fn a_disabled_service_is_not_reached() {
    let labels = [("traefik.enable", "false"), (RULE, "Path(`/x`)")];
    check("app", &[("one", service(&labels, &[80]))], &[], &[]);
}

#[test]
fn of_several_services_the_one_with_the_workspaces_name_is_reached() {
    let expected = ["app: PathPrefix(`/app/`) || Path(`/app`) -> 1 -/app", "app: Host(`app.localhost`) -> 1"];
    check("app", &[("app", service(&[], &[1])), ("db", service(&[], &[2]))], &[], &expected);
}

#[test]
fn of_several_services_the_only_one_that_says_a_port_is_reached() {
    let expected = ["web: PathPrefix(`/app/`) || Path(`/app`) -> 8 -/app", "web: Host(`app.localhost`) -> 8"];
    check("app", &[("db", service(&[], &[])), ("web", service(&[], &[8]))], &[("db", 5432)], &expected);
}

#[test]
fn when_it_is_not_clear_which_service_is_meant_a_warning_says_so() {
    let assigned = routes_of("app", &[("a", service(&[], &[1])), ("b", service(&[], &[2]))], &[]).unwrap();
    assert!(assigned.routes.is_empty());
    assert!(assigned.warnings[0].contains("`a`, `b`"), "{:?}", assigned.warnings);
}

#[test]
fn labels_that_have_no_effect_are_named() {
    let labels =
        [(RULE, "Path(`/x`)"), (PORT, "1"), ("traefik.http.routers.r.tls", "true"), ("other.label", "x")];
    let assigned = routes_of("app", &[("one", service(&labels, &[]))], &[]).unwrap();
    assert_eq!(assigned.warnings.len(), 1);
    assert!(assigned.warnings[0].contains("traefik.http.routers.r.tls"));
}

#[test]
fn wrong_labels_are_errors_that_name_the_label() {
    let error =
        |labels: &[(&str, &str)]| routes_of("app", &[("one", service(labels, &[]))], &[]).unwrap_err();
    assert!(matches!(error(&[(RULE, "PathPrefix(/x)")]), RouteError::Rule { label, .. } if label == RULE));
    assert!(
        matches!(error(&[(RULE, "Path(`/x`)"), (PORT, "0")]), RouteError::Value { label, .. } if label == PORT)
    );
    assert!(matches!(
        error(&[(RULE, "Path(`/x`)"), ("traefik.http.routers.r.priority", "high")]),
        RouteError::Value { expected: "whole number", .. }
    ));
    let unknown = [(RULE, "Path(`/x`)"), (PORT, "1"), ("traefik.http.routers.r.middlewares", "nowhere")];
    assert!(matches!(error(&unknown), RouteError::Middleware { middleware, .. } if middleware == "nowhere"));
    assert_eq!(error(&[(RULE, "Path(`/x`)")]), RouteError::NoPort { service: "one".into() });
}
