use cloudyknight_core::rule::Syntax;

use super::*;

fn reached(labels: &[(&str, &str)], port: u16, addresses: &[[u8; 4]]) -> Reached {
    let labels = labels.iter().map(|(label, value)| (format!("traefik.http.{label}"), (*value).to_owned()));
    let route = ServiceRoute {
        name: "app/r".into(),
        rule: "r".into(),
        priority: None,
        strip_prefixes: Vec::new(),
        page_root: None,
        syntax: Syntax::default(),
        middlewares: Vec::new(),
        hides_host: false,
        port,
    };
    let backends = addresses.iter().enumerate().map(|(n, ip)| (n.to_string(), Ipv4Addr::from(*ip)));
    Reached { labels: labels.collect(), routes: vec![route], backends: backends.collect() }
}

fn of(services: &[(&str, Reached)]) -> Result<Value, LabelError> {
    let allowed = BTreeSet::from(["shared@file".to_owned()]);
    let services = services.iter().map(|(name, one)| ((*name).to_owned(), one.clone())).collect();
    let made = configuration(&"app".parse().unwrap(), &services, &allowed, Purpose::Live)?;
    Ok(json!({ "routers": made.routers, "services": made.services, "middlewares": made.middlewares }))
}

fn one(labels: &[(&str, &str)]) -> Result<Value, LabelError> {
    of(&[("web", reached(labels, 3000, &[[10, 0, 0, 2]]))])
}

#[test]
fn labels_become_what_traefik_is_told_under_the_workspace_s_names() {
    let told = one(&[
        ("routers.r.rule", "Path(`/a`)"),
        ("routers.r.middlewares", "m@docker, shared@file"),
        ("routers.r.tls.domains[1].main", "b"),
        ("routers.r.tls.domains[0].main", "a"),
        ("middlewares.m.compress", "true"),
        ("services.s.loadbalancer.server.port", "80"),
        ("services.s.loadbalancer.server.weight", "3"),
        ("services.s.loadbalancer.passhostheader", "false"),
    ]);
    let expected = json!({
        "routers": {"app_r": {
            "rule": "Path(`/a`)",
            "middlewares": ["app_m", "shared@file"],
            "tls": {"domains": [{"main": "a"}, {"main": "b"}]},
            "service": "app_s",
        }},
        "services": {"app_s": {"loadbalancer": {
            "passhostheader": false,
            "servers": [{"url": "http://10.0.0.2:80", "weight": 3}],
            "serverstransport": "app.transport",
        }}},
        "middlewares": {"app_m": {"compress": "true"}},
    });
    assert_eq!(told.unwrap(), expected);
}

#[test]
fn a_router_without_a_service_means_the_container_at_its_port() {
    let told = one(&[("routers.r.rule", "Path(`/a`)")]).unwrap();
    assert_eq!(told["routers"]["app_r"]["service"], "app.web-3000");
    assert_eq!(told["services"]["app.web-3000"]["loadbalancer"]["servers"][0]["url"], "http://10.0.0.2:3000");
}

#[test]
fn one_service_of_several_containers_is_balanced() {
    let labels = [("routers.r.rule", "Path(`/a`)"), ("services.s.loadbalancer.server.port", "80")];
    let (first, second) = ([10, 0, 0, 2], [10, 0, 0, 3]);
    let urls = |told: Value| -> Vec<Value> {
        let servers = told["services"]["app_s"]["loadbalancer"]["servers"].as_array().cloned();
        servers.unwrap_or_default().iter().map(|server| server["url"].clone()).collect()
    };
    let replicas = of(&[("web", reached(&labels, 80, &[first, second]))]);
    assert_eq!(urls(replicas.unwrap()), ["http://10.0.0.2:80", "http://10.0.0.3:80"]);
    let two = of(&[("a", reached(&labels, 80, &[first])), ("b", reached(&labels[1..], 80, &[second]))]);
    assert_eq!(urls(two.unwrap()), ["http://10.0.0.2:80", "http://10.0.0.3:80"]);
}

#[test]
fn what_leads_out_of_the_workspace_is_refused() {
    let rule = ("routers.r.rule", "Path(`/a`)");
    for label in [
        ("routers.r.middlewares", "auth@file"),
        ("routers.r.middlewares", "other_m@file"),
        ("routers.r.service", "api@internal"),
        ("routers.r.service", "dashboard@internal"),
        ("routers.r.parentrefs", "x@file"),
        ("routers.r.tls.options", "strict@file"),
        ("routers.r.tls.options", "strict"),
        ("services.s.loadbalancer.serverstransport", "x@file"),
        ("services.s.loadbalancer.serverstransport", "other.transport"),
        ("middlewares.m.chain.middlewares", "auth@file"),
        ("middlewares.m.errors.service", "api@internal"),
    ] {
        assert!(matches!(one(&[rule, label]), Err(LabelError::Foreign { .. })), "{label:?}");
    }
    assert!(one(&[rule, ("routers.r.service", "noop@internal")]).is_ok());
    assert!(one(&[rule, ("routers.r.middlewares", "shared@file")]).is_ok());
}

#[test]
fn forward_auth_asks_a_service_of_the_workspace_at_its_address_and_nobody_else() {
    let asking = |address: &str| reached(&[("middlewares.m.forwardauth.address", address)], 80, &[]);
    let auth = |addresses: &[[u8; 4]]| reached(&[], 4181, addresses);
    let told = |address: &str, addresses: &[[u8; 4]]| {
        let told = of(&[("web", asking(address)), ("auth", auth(addresses))])?;
        Ok::<_, LabelError>(told["middlewares"]["app_m"]["forwardauth"]["address"].clone())
    };
    let runs = [[10, 0, 0, 9], [10, 0, 0, 10]];
    assert_eq!(told("http://auth:4181/verify?a=b", &runs).unwrap(), "http://10.0.0.9:4181/verify?a=b");
    assert_eq!(told("https://auth", &runs).unwrap(), "https://10.0.0.9");
    assert_eq!(told("http://auth:4181/verify", &[]).unwrap(), "http://auth.invalid:4181/verify");
    for address in [
        "http://127.0.0.1:9100/v1",
        "http://auth.elsewhere/",
        "http://auth@169.254.169.254/",
        "http://auth:80@169.254.169.254/",
        "http://auth:4181:1/",
        "http://auth:0/",
        "http://auth#@x/",
        "http://auth\\@x/",
        "ftp://auth/",
        "//auth/",
        "auth",
        "",
    ] {
        assert!(matches!(told(address, &runs), Err(LabelError::Refused { .. })), "{address}");
    }
    // Without an address there is nobody to ask, and so nobody who could let anybody through.
    let labels = [("middlewares.m.forwardauth.trustforwardheader", "true")];
    assert!(matches!(one(&labels), Err(LabelError::Refused { .. })));
    // The operator may let it ask anybody.
    let services = BTreeMap::from([("web".to_owned(), asking("http://sso.example/"))]);
    let allowed = BTreeSet::from(["forwardauth".to_owned()]);
    assert!(configuration(&"app".parse().unwrap(), &services, &allowed, Purpose::Live).is_ok());
}

#[test]
fn a_name_that_nothing_defines_is_told_with_the_label_that_uses_it() {
    let told = one(&[("routers.r.rule", "Path(`/a`)"), ("routers.r.middlewares", "nope")]).unwrap_err();
    let expected = "service `web`: `traefik.http.routers.r` names middleware `nope`, which no label of the workspace defines";
    assert_eq!(told.to_string(), expected);
    assert!(matches!(one(&[("middlewares.m.chain.middlewares", "nope")]), Err(LabelError::Unknown { .. })));
}

#[test]
fn two_services_cannot_mean_different_things_by_one_name() {
    let with = |prefix: &str| reached(&[("middlewares.m.addprefix.prefix", prefix)], 80, &[]);
    assert!(of(&[("a", with("/x")), ("b", with("/x"))]).is_ok());
    assert!(matches!(of(&[("a", with("/x")), ("b", with("/y"))]), Err(LabelError::Conflict { .. })));
}

#[test]
fn a_service_that_is_disabled_defines_nothing() {
    let mut off = reached(&[("routers.r.rule", "Path(`/a`)")], 80, &[]);
    off.labels.insert("traefik.enable".into(), "false".into());
    assert_eq!(of(&[("web", off)]).unwrap()["routers"], json!({}));
}

#[test]
fn a_rule_on_trial_matches_only_the_host_of_the_trial() {
    let services = BTreeMap::from([(
        "web".to_owned(),
        reached(&[("routers.r.rule", "Path(`/a`) || Path(`/b`)")], 80, &[]),
    )]);
    let made = configuration(&"app".parse().unwrap(), &services, &BTreeSet::new(), Purpose::Trial).unwrap();
    let router = &made.routers["app.trial_r"];
    assert_eq!(router["rule"], "Host(`trial.cloudyknight.invalid`) && (Path(`/a`) || Path(`/b`))");
    assert!(made.services.contains_key(router["service"].as_str().unwrap()));
}

#[test]
fn a_rule_that_would_break_out_of_the_trial_is_refused() {
    let good = ["Path(`/a`)", "Path(`/(`) && (Host(\"a\\\")\"))", "!Host(`a`) || (PathRegexp(`^/[a-z]+)`))"];
    let bad = [
        "Path(`/a`)) || (Path(`/b`)",
        ") || (",
        "Path(`/a`",
        "Path(`/a)",
        "Path(\"/a)",
        "Path(`/a`) // x",
        "Path(`/a`) /* ( */ ) || (Path(`/`)",
        "Path('a')",
        "",
        " ",
    ];
    for rule in good {
        assert!(stands_alone(rule), "{rule}");
    }
    for rule in bad {
        assert!(!stands_alone(rule), "{rule}");
    }
}

#[test]
fn the_platform_s_own_routes_strip_their_path_and_lead_browsers_to_the_slash() {
    let workspace: WorkspaceName = "app".parse().unwrap();
    let routes = crate::routes::defaults(&workspace, "localhost", 3000, true, true);
    let web = Reached {
        routes,
        backends: BTreeMap::from([("c".into(), [10, 0, 0, 2].into())]),
        ..Reached::default()
    };
    let told = of(&[("web", web)]).unwrap();
    assert_eq!(told["routers"]["app.path"]["middlewares"], json!(["app.strip"]));
    assert_eq!(told["routers"]["app.host"]["rule"], "Host(`app.localhost`)");
    assert_eq!(told["routers"]["app.page"]["middlewares"], json!(["app.page"]));
    assert_eq!(told["middlewares"]["app.strip"]["stripprefix"]["prefixes"], json!(["/app"]));
    let services: Vec<&String> = told["services"].as_object().unwrap().keys().collect();
    assert_eq!(services, ["app.web-3000"]);
}

#[test]
fn workspaces_cannot_have_each_other_s_names() {
    // `_` and `.` are in no workspace's name, and neither is in a label's name at the place where they would matter.
    let name = |workspace: &str, router: &str| {
        let label = format!("routers.{router}.rule");
        let services = BTreeMap::from([("web".to_owned(), reached(&[(&label, "Path(`/a`)")], 80, &[]))]);
        let workspace = workspace.parse().unwrap();
        let made = configuration(&workspace, &services, &BTreeSet::new(), Purpose::Live).unwrap();
        made.routers.keys().next().cloned().unwrap()
    };
    assert_ne!(name("a", "b-c"), name("a-b", "c"));
    assert_ne!(name("a", "b_c"), name("a-b", "c"));
}
