use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

fn declared(pairs: &[(&str, &str)]) -> Declared {
    read("web", &labels(pairs), &BTreeSet::new()).unwrap()
}

fn error(pairs: &[(&str, &str)]) -> LabelError {
    read("web", &labels(pairs), &BTreeSet::new()).unwrap_err()
}

#[test]
fn labels_become_a_tree_of_typed_values() {
    let declared = declared(&[
        ("Traefik.HTTP.Routers.Web.Rule", "Host(`a`)"),
        ("traefik.http.routers.Web.priority", " 7 "),
        ("traefik.http.routers.Web.middlewares", "one@docker, two"),
        ("traefik.http.routers.Web.tls", "true"),
        ("traefik.http.routers.Web.tls.domains[1].main", "b"),
        ("traefik.http.routers.Web.tls.domains[0].sans", "x,y"),
        ("traefik.http.middlewares.one.headers.customRequestHeaders.X-Any", "a, b"),
        ("traefik.http.middlewares.two.compress", "true"),
        ("traefik.http.services.s.loadbalancer.server.port", "80"),
    ]);
    assert_eq!(
        json!({"routers": declared.routers, "middlewares": declared.middlewares, "services": declared.services}),
        json!({
            "routers": {"Web": {
                "rule": "Host(`a`)",
                "priority": 7,
                "middlewares": ["one@docker", "two"],
                "tls": {"domains": {"00000": {"sans": ["x", "y"]}, "00001": {"main": "b"}}},
            }},
            "middlewares": {
                "one": {"headers": {"customrequestheaders": {"X-Any": "a, b"}}},
                "two": {"compress": "true"},
            },
            "services": {"s": {"loadbalancer": {"server": {"port": 80}}}},
        })
    );
    assert_eq!(declared.warnings, Vec::<String>::new());
}

#[test]
fn a_value_that_traefik_could_not_read_is_refused_before_it_is_written() {
    let check = |label: &str, value: &str| {
        assert!(matches!(error(&[(label, value)]), LabelError::Value { .. }), "{label}={value}");
    };
    check("traefik.http.routers.r.priority", "high");
    check("traefik.http.routers.r.priority", "99999999999999999999");
    check("traefik.http.routers.r.tls", "maybe");
    check("traefik.http.services.s.loadbalancer.server.port", "0");
    check("traefik.http.services.s.loadbalancer.server.port", "http");
    check("traefik.http.middlewares.m.ratelimit.period", "1q");
    check("traefik.http.middlewares.m.ratelimit.period", "99999999999");
    check("traefik.http.middlewares.m.retry.attempts", "");
}

#[test]
fn durations_are_go_s() {
    for right in ["10", "10s", "1m30s", "500ms", "1h"] {
        assert!(is_duration(right), "{right}");
    }
    for wrong in ["", "s", "1", "1 s", "-1s", "1d", "1.5s", "9999999h"].into_iter().filter(|one| *one != "1")
    {
        assert!(!is_duration(wrong), "{wrong}");
    }
}

#[test]
fn what_reaches_beyond_the_workspace_is_refused() {
    for label in [
        "traefik.http.middlewares.m.basicauth.usersfile",
        "traefik.http.middlewares.m.DigestAuth.UsersFile",
        "traefik.http.middlewares.m.forwardauth.tls.key",
        "traefik.http.middlewares.m.plugin.mine.setting",
        "traefik.http.middlewares.m.ratelimit.redis.endpoints",
        "traefik.http.services.s.loadbalancer.server.url",
    ] {
        assert!(matches!(error(&[(label, "/x")]), LabelError::Refused { .. }), "{label}");
    }
    for path in ["http://169.254.169.254/", "//host/x", ""] {
        let label = "traefik.http.services.s.loadbalancer.healthcheck.path";
        assert!(matches!(error(&[(label, path)]), LabelError::Refused { .. }), "{path}");
    }
}

#[test]
fn the_operator_may_allow_what_is_refused_by_default() {
    let plugin = labels(&[("traefik.http.middlewares.m.plugin.mine.setting", "x")]);
    assert!(read("web", &plugin, &BTreeSet::from(["plugin".to_owned()])).is_ok());
    assert!(read("web", &plugin, &BTreeSet::from(["forwardauth".to_owned()])).is_err());
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    for name in ["x@file", "", "a b", "a/b", "ä", "{{x}}"] {
        let label = format!("traefik.http.routers.{name}.rule");
        assert!(matches!(error(&[(&label, "Path(`/`)")]), LabelError::Name { .. }), "{name}");
    }
}

#[test]
fn labels_without_effect_are_warnings() {
    let warned = |label: &str, value: &str| declared(&[(label, value)]).warnings.len();
    assert_eq!(warned("traefik.http.routers.r.rulez", "x"), 1);
    assert_eq!(warned("traefik.tcp.routers.r.rule", "HostSNI(`*`)"), 1);
    assert_eq!(warned("traefik.udp.routers.r.entrypoints", "dns"), 1);
    assert_eq!(warned("traefik.http.routers.r.entrypoints", "web"), 1, "a router without a rule");
    assert_eq!(warned("traefik.tls.certificates", "x"), 1);
    assert_eq!(warned("traefik.docker.network", "proxy"), 0);
    assert_eq!(warned("traefik.enable", "true"), 0);
    assert_eq!(warned("com.example.traefik.http", "x"), 0);
    assert!(declared(&[("traefik.enable", "false")]).disabled);
}
