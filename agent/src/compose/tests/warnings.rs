//! What has no effect here is said, with its line; and it changes nothing else.

use super::{Workspace, with_service};

/// The lines of a service, which start in line 4, give this project and these warnings.
fn check(lines: &str, expected: &[(usize, &str)]) {
    let workspace = Workspace::new().file("data/x", "").file("Dockerfile", "");
    whole(&workspace, &with_service(lines), expected);
}

fn whole(workspace: &Workspace, text: &str, expected: &[(usize, &str)]) {
    let parsed = workspace.parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found: Vec<(usize, &str)> = parsed
        .warnings
        .iter()
        .map(|warning| (warning.line.unwrap_or_default(), warning.message.as_str()))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn keys_without_effect() {
    check(
        "mac_address: 02:42:ac:11:00:02",
        &[(
            4,
            "service `a`: `mac_address` has no effect: the platform chooses addresses: during a switch two releases stand \
             beside each other",
        )],
    );
    check("cpu_count: 2", &[(4, "service `a`: `cpu_count` has no effect: it is Windows' own")]);
    check(
        "deploy: {placement: {constraints: [a]}}",
        &[(
            4,
            "service `a`: `deploy`: `placement` has no effect: it is for clusters, and there is one engine",
        )],
    );
    check(
        "logging: {driver: none}",
        &[(
            4,
            "service `a`: neither `cloudyknight logs` nor a failure can show its output: `logging` keeps none",
        )],
    );
    check(
        "network_mode: bridge",
        &[(4, "`network_mode: bridge` has no effect: services share the workspace's own network")],
    );
    check(
        "networks: {default: {ipv4_address: 10.0.0.2}}",
        &[(
            4,
            "a service's network: `ipv4_address` has no effect: the platform chooses addresses: during a switch two releases stand beside each other",
        )],
    );
    check("deploy: {mode: global, replicas: 1}", &[]);
    for (lines, line) in [("deploy: {mode: global, replicas: 3}", 4), ("scale: 3\ndeploy: {mode: global}", 5)]
    {
        let message = "service `a`: `mode: global` is one container on each engine, and there is one: 3 are not to be had";
        check(lines, &[(line, message)]);
    }
    check("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", &[]);
    for condition in ["condition: any, ", ""] {
        check(
            &format!("deploy: {{restart_policy: {{{condition}max_attempts: 3}}}}"),
            &[(
                4,
                "service `a`: `restart_policy`: with `max_attempts` it is `on-failure`: the engine counts only attempts after \
                 failures",
            )],
        );
    }
    check("expose: [53/udp]", &[(4, "`expose`: UDP ports need no exposing, and the router serves none")]);
    check(
        "build: {context: ., cache_to: [x]}",
        &[
            (3, "service `a`: `image` has no effect beside `build`: the platform names what it builds"),
            (
                4,
                "`build`: `cache_to` has no effect: it needs BuildKit, and images are built by the engine's own builder",
            ),
        ],
    );
    check(
        "x-cloudynight: {fresh: true}",
        &[(4, "`x-cloudynight` means nothing here; the platform's own key is `x-cloudyknight`")],
    );
}

#[test]
fn a_network_without_ipv4_is_told_and_one_with_it_is_not() {
    let text = |value: &str| {
        format!("services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {{enable_ipv4: {value}}}}}\n")
    };
    for fine in ["true", "yes", ""] {
        whole(&Workspace::new(), &text(fine), &[]);
    }
    let warning = "network `n`: `enable_ipv4` has no effect: the platform chooses addresses: during a switch two releases \
                   stand beside each other";
    for told in ["false", "no"] {
        whole(&Workspace::new(), &text(told), &[(2, warning)]);
    }
}

#[test]
fn what_is_cut_to_what_a_workspace_may_have() {
    let kept = |options: &str, files: &str, size: &str| {
        let driver = if options.starts_with("json") { "json-file" } else { "local" };
        let options = options.split_once(' ').expect("driver and options").1;
        let lines = format!("logging: {{driver: {driver}, options: {options}}}");
        let parsed = Workspace::new().parse(&with_service(&lines)).expect("it is right");
        let logging = parsed.project.services["a"].surroundings.logging.clone().expect("it is there");
        let found = (logging.options.get("max-file"), logging.options.get("max-size"));
        let expected = [files, size].map(|value| Some(value.to_owned()).filter(|value| !value.is_empty()));
        assert_eq!(found, (expected[0].as_ref(), expected[1].as_ref()), "{lines}");
        parsed.warnings.len()
    };
    assert_eq!(kept("json {max-size: 100m}", "", "100m"), 0);
    assert_eq!(kept("local {max-file: 50}", "50", ""), 0, "20m each by itself, and 1g is allowed");
    assert_eq!(kept("local {max-file: 60}", "51", "20971520"), 1);
    assert_eq!(kept("json {max-file: 60}", "60", ""), 0, "10m each by itself");
    assert_eq!(kept("json {max-file: 1000}", "102", "10485760"), 1);
    assert_eq!(kept("json {max-size: 10g}", "1", "1073741824"), 1);
    assert_eq!(kept("json {max-size: '-1'}", "1", "1073741824"), 1, "without end");
    check(
        "logging: {options: {max-size: 600m, max-file: 2}}",
        &[(
            4,
            "service `a`: `logging` keeps at most 1g, as the operator's policy says: 1 files of 629145600 bytes",
        )],
    );
    for wrong in ["{max-size: much}", "{max-file: 0}"] {
        let lines = format!("logging: {{options: {wrong}}}");
        assert!(Workspace::new().service_error(&lines).starts_with("docker-compose.yml:4:"), "{wrong}");
    }
    check("stop_grace_period: 10m", &[]);
    check("stop_grace_period: 1h", &[(4, "service `a`: `stop_grace_period` is cut to 10 min")]);
    let parsed = Workspace::new().parse(&with_service("stop_grace_period: 1h")).expect("it is right");
    let grace = parsed.project.services["a"].stop_grace_period;
    assert_eq!(grace.map(|grace| grace.as_secs()), Some(600));
}

#[test]
fn what_does_not_fit_its_place() {
    check(
        "volumes: [{type: tmpfs, target: /t, bind: {propagation: private}, volume: {nocopy: true}}]",
        &[
            (4, "the mount at `/t`: `propagation` has no effect: it is for a path"),
            (4, "the mount at `/t`: `nocopy` has no effect: it is for a volume"),
        ],
    );
    check(
        "pull_refresh_after: 1h",
        &[(4, "service `a`: `pull_refresh_after` has no effect without `pull_policy: refresh`")],
    );
    let workspace =
        Workspace::new().policy(r#"{"external_networks": {"n": "*"}, "external_volumes": {"v": "*"}}"#);
    let text = "\
services: {a: {image: x, volumes: ['v:/v'], networks: [n]}}
volumes: {v: {external: true, labels: {a: b}}}
networks: {n: {external: true, internal: true}}
";
    whole(
        &workspace,
        text,
        &[
            (
                1,
                "the firewall does not cover the external network `n`: by it containers may reach the platform's own addresses",
            ),
            (2, "volume `v`: `labels` has no effect beside `external`"),
            (3, "network `n`: `internal` has no effect beside `external`"),
        ],
    );
}

#[test]
fn workspace_paths_that_would_be_written_to() {
    let warning = |path: &str| {
        format!(
            "`{path}` is mounted read-only: nothing in a container writes to the workspace; add `:ro`, and use a named \
             volume for data"
        )
    };
    check("volumes:\n  - ./data:/data", &[(5, &warning("./data"))]);
    check("volumes: ['./data:/data:rw']", &[(4, &warning("./data"))]);
    check("volumes: [{type: bind, source: ./data, target: /d}]", &[(4, &warning("./data"))]);
}

#[test]
fn shell_syntax_that_no_shell_reads() {
    check(
        "command: npm install && npm start",
        &[(
            4,
            "`command`: no shell reads this, so that `&&` reaches the program as it stands; with a shell it is `sh -c \"…\"`",
        )],
    );
}

#[test]
fn variables_that_are_not_set() {
    let not_set = |name: &str| format!("the variable `{name}` is not set: empty text stands in its place");
    check("labels: ['a=$NOPE', 'b=${NOPE}${GONE}']", &[(4, &not_set("NOPE")), (4, &not_set("GONE"))]);
    let workspace = Workspace::new().file("e", "A=$NOPE\n");
    let expected = "the variable `NOPE` is not set: empty text stands in its place";
    whole(&workspace, &with_service("env_file: e"), &[(0, expected)]);
}

#[test]
fn a_dot_env_that_cannot_be_read() {
    let workspace = Workspace::new().file(".env/bin/python", "");
    whole(&workspace, &with_service(""), &[(0, "`.env` is not read: it is no small text file")]);
}

#[test]
fn services_with_a_profile() {
    let text = "\
services:
  a: {image: x, depends_on: {debug: {condition: service_started, required: false}}}
  debug: {image: x, profiles: [debug], privileged: true}
";
    whole(
        &Workspace::new(),
        text,
        &[
            (2, "`depends_on`: there is no service `debug`, and it is not required"),
            (3, "service `debug` is left out: no profile of it (`debug`) is active"),
        ],
    );
    assert_eq!(Workspace::new().parse(text).unwrap().project.services.len(), 1);
}

#[test]
fn names_that_would_be_shared_with_other_workspaces() {
    let text = "\
services: {a: {image: x, volumes: ['v:/v'], networks: [n]}}
volumes: {v: {name: shared}}
networks: {n: {name: shared, driver: overlay, ipam: {driver: default}}}
";
    whole(
        &Workspace::new(),
        text,
        &[
            (2, "volume `v`: `name` has no effect: the platform keeps the volumes of workspaces apart"),
            (
                3,
                "network `n`: `ipam` has no effect: the platform chooses addresses: during a switch two releases stand beside each other",
            ),
            (3, "network `n`: `name` has no effect: the platform keeps the networks of workspaces apart"),
            (3, "network `n`: `driver: overlay` has no effect yet"),
        ],
    );
}
