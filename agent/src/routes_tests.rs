use super::*;
use crate::compose::model::ImageSource;

fn service(labels: &[(&str, &str)], expose: &[u16]) -> Service {
    Service {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        expose: expose.to_vec(),
        ..Service::plain(ImageSource::Image("i".into()))
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
            let middlewares: String = route.middlewares.iter().map(shown).collect();
            format!("{service}: {} -> {}{strip}{middlewares}", route.rule, route.port)
        })
        .collect();
    assert_eq!(shown, expected);
}

fn shown(middleware: &Middleware) -> String {
    match middleware {
        Middleware::StripPrefix(strip) => strip.prefixes.iter().map(|prefix| format!(" -{prefix}")).collect(),
        other => format!(" {}", other.kind()),
    }
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
    assert!(matches!(
        error(&[(RULE, "Path(`/x`)"), ("traefik.enable", "yes")]),
        RouteError::Value { label, .. } if label == "traefik.enable"
    ));
    let unknown = [(RULE, "Path(`/x`)"), (PORT, "1"), ("traefik.http.routers.r.middlewares", "nowhere")];
    assert!(matches!(error(&unknown), RouteError::Middleware { middleware, .. } if middleware == "nowhere"));
    assert_eq!(error(&[(RULE, "Path(`/x`)")]), RouteError::NoPort { service: "one".into() });
}

#[test]
fn middlewares_are_read_in_the_order_of_the_router_whatever_the_case_of_their_options() {
    let labels = [
        (RULE, "Path(`/x`)"),
        (PORT, "1"),
        ("traefik.http.routers.r.middlewares", "Wrap@docker, last"),
        ("traefik.http.middlewares.Wrap.chain.middlewares", "zip,Auth@docker"),
        ("traefik.http.middlewares.zip.compress", "true"),
        ("traefik.http.middlewares.Auth.basicAuth.users", "a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
        ("traefik.http.middlewares.last.headers.customRequestHeaders.X-Forwarded-Proto", "https"),
        ("traefik.http.middlewares.last.Headers.FrameDeny", "true"),
    ];
    let assigned = routes_of("app", &[("one", service(&labels, &[]))], &[]).unwrap();
    let kinds: Vec<&str> = assigned.routes["one"][0].middlewares.iter().map(Middleware::kind).collect();
    assert_eq!(kinds, ["compress", "basicAuth", "headers"]);
    let Middleware::Headers(headers) = &assigned.routes["one"][0].middlewares[2] else { panic!("headers") };
    assert_eq!(headers.custom_request_headers["X-Forwarded-Proto"], "https");
    assert!(headers.frame_deny);
}

#[test]
fn no_default_leads_around_what_keeps_visitors_out() {
    let labels = [
        (RULE, "PathPrefix(`/app`)"),
        (PORT, "1"),
        ("traefik.http.routers.r.middlewares", "auth"),
        ("traefik.http.middlewares.auth.basicauth.users", "a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
    ];
    check("app", &[("one", service(&labels, &[]))], &[], &["one: PathPrefix(`/app`) -> 1 basicAuth"]);
    let assigned = routes_of("app", &[("one", service(&labels, &[]))], &[]).unwrap();
    assert!(assigned.warnings[0].contains("`app.localhost`"), "{:?}", assigned.warnings);
}

#[test]
fn what_may_keep_visitors_out_is_refused_where_the_edge_cannot_do_it_and_the_rest_is_left_out() {
    let with = |option: &'static str, value: &'static str| {
        let labels =
            [(RULE, "Host(`x`)"), (PORT, "1"), ("traefik.http.routers.r.middlewares", "m"), (option, value)];
        routes_of("app", &[("one", service(&labels, &[]))], &[])
    };
    for (option, value) in [
        ("traefik.http.middlewares.m.forwardauth.address", "http://auth"),
        ("traefik.http.middlewares.m.digestauth.users", "a:b:c"),
        ("traefik.http.middlewares.m.basicauth.usersfile", "/etc/users"),
        ("traefik.http.middlewares.m.plugin.guard.x", "1"),
    ] {
        let error = with(option, value).unwrap_err();
        assert!(matches!(&error, RouteError::Unsupported { middleware, .. } if middleware == "m"), "{error}");
    }
    let assigned = with("traefik.http.middlewares.m.retry.attempts", "4").unwrap();
    assert!(assigned.routes["one"][0].middlewares.is_empty());
    let expected = "service `one`: the label `traefik.http.middlewares.m.retry.attempts` has no effect: the edge has no \
                    such middleware, and goes without it";
    assert_eq!(assigned.warnings, [expected]);
}

#[test]
fn each_label_without_effect_is_named_with_the_reason() {
    for (label, value, why) in [
        ("traefik.http.routers.r.tls.certresolver", "le", "plain HTTP"),
        ("traefik.http.routers.r.entrypoints", "websecure", "one entrypoint"),
        ("traefik.http.routers.r.observability.metrics", "true", "not known"),
        ("traefik.http.routers.other.priority", "1", "no rule"),
        ("traefik.http.services.r.loadbalancer.sticky.cookie.name", "c", "not known"),
        ("traefik.http.services.r.loadbalancer.healthcheck.path", "/", "healthcheck"),
        ("traefik.http.services.r.loadbalancer.server.scheme", "https", "plain HTTP/1.1"),
        ("traefik.http.services.r.weighted.services", "x", "not known"),
        ("traefik.http.middlewares.m.ratelimit.sourcecriterion.requesthost", "true", "not known"),
        ("traefik.tcp.routers.t.rule", "HostSNI(`*`)", "not known"),
        ("traefik.port", "80", "not known"),
    ] {
        let labels = [(RULE, "Host(`x`)"), (PORT, "1"), (label, value)];
        let assigned = routes_of("app", &[("one", service(&labels, &[]))], &[]).unwrap();
        let [warning] = assigned.warnings.as_slice() else { panic!("{label}: {:?}", assigned.warnings) };
        let named = warning.contains("`one`") && warning.contains(label) && warning.contains(why);
        assert!(named, "{label}: {warning}");
    }
}

#[test]
fn a_middleware_that_cannot_be_carried_out_says_why_and_shows_no_secret() {
    let error = |option: &'static str, value: &'static str| {
        let labels = [(RULE, "Host(`x`)"), (PORT, "1"), (option, value)];
        let error = routes_of("app", &[("one", service(&labels, &[]))], &[]).unwrap_err();
        format!("{error}; {}", error.hint())
    };
    let wrong = error("traefik.http.middlewares.m.redirectregex.regex", "(");
    assert!(wrong.contains("`m` (redirectRegex)") && wrong.contains("unclosed group"), "{wrong}");
    let wrong = error("traefik.http.middlewares.m.basicauth.users", "me:in-the-clear");
    assert!(wrong.contains("`me`") && !wrong.contains("in-the-clear"), "{wrong}");
    let wrong = error("traefik.http.middlewares.m.headers.framedeny", "maybe");
    assert!(wrong.contains("`maybe`, which is no boolean"), "{wrong}");
    let circle = error("traefik.http.middlewares.m.stripprefix.forceslash", "true");
    assert!(circle.contains("prefixes is missing"), "{circle}");
}

#[test]
fn routers_may_lead_to_what_other_services_of_the_workspace_define() {
    let front = [
        (RULE, "Host(`x`)"),
        ("traefik.http.routers.r.service", "api@docker"),
        ("traefik.http.routers.r.middlewares", "shared"),
    ];
    let back = [
        ("traefik.http.services.api.loadbalancer.server.port", "9"),
        ("traefik.http.services.api.loadbalancer.passhostheader", "false"),
        ("traefik.http.middlewares.shared.addprefix.prefix", "/v1"),
    ];
    let services = [("front", service(&front, &[80])), ("back", service(&back, &[]))];
    check("app", &services, &[], &["back: Host(`x`) -> 9 addPrefix"]);
    assert!(routes_of("app", &services, &[]).unwrap().routes["back"][0].hides_host);
    let alone = routes_of("app", &services[..1], &[]).unwrap_err();
    assert!(matches!(alone, RouteError::Target { target, .. } if target == "api"));
}

#[test]
fn of_a_rule_on_two_entrypoints_the_secure_one_answers() {
    let labels = [
        ("traefik.http.routers.plain.rule", "Host(`x`)"),
        ("traefik.http.routers.plain.entrypoints", "web"),
        ("traefik.http.routers.plain.middlewares", "https"),
        ("traefik.http.middlewares.https.redirectscheme.scheme", "https"),
        ("traefik.http.routers.safe.rule", "Host(`x`)"),
        ("traefik.http.routers.safe.entrypoints", "websecure"),
        ("traefik.http.routers.safe.tls", "true"),
    ];
    check("app", &[("one", service(&labels, &[80]))], &[], &["one: Host(`x`) -> 80"]);
    let warnings = routes_of("app", &[("one", service(&labels, &[80]))], &[]).unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("the router `plain` has no effect")),
        "{warnings:?}"
    );
}

#[test]
fn routes_of_a_container_made_by_an_older_agent_are_still_read() {
    let old = r#"{"name":"n","rule":"Path(`/`)","priority":null,"strip_prefixes":["/a"],"page_root":null,"port":1}"#;
    let route: ServiceRoute = serde_json::from_str(old).unwrap();
    assert!(route.middlewares.is_empty() && route.syntax.is_own());
    assert_eq!(serde_json::to_string(&route).unwrap(), old, "and its digest stays what it was");
}
