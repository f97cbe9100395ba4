//! What a key means, form by form: one table a key.

use std::time::Duration;

use cloudyknight_core::status::Strategy;

use super::{Workspace, with_service};
use crate::compose::model::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn commands() {
    let check = |line: &str, expected: Option<&[&str]>| {
        let service = Workspace::new().service(&format!("command: {line}\nentrypoint: {line}"));
        assert_eq!(service.command, expected.map(words), "{line}");
        assert_eq!(service.entrypoint, expected.map(words), "{line}");
    };
    check("npm start", Some(&["npm", "start"]));
    check("sh -c \"a && b\" 'c d'", Some(&["sh", "-c", "a && b", "c d"]));
    check("[npm, 'run dev', 3, true]", Some(&["npm", "run dev", "3", "true"]));
    check("''", Some(&[]));
    check("[]", Some(&[]));
    check("~", None);
    check("echo $$HOME ${X:-1}", Some(&["echo", "$HOME", "1"]));
}

#[test]
fn environment() {
    let workspace = Workspace::new()
        .file(".env", "FROM_DOTENV=1\nBOTH=dotenv\n")
        .variable("FROM_OPERATOR", "2")
        .variable("BOTH", "operator")
        .file("a.env", "A=file\nB=$FROM_OPERATOR\nBOTH")
        .file("conf/b.env", "A=second\n");
    let check = |lines: &str, expected: &[(&str, &str)]| {
        let found = workspace.service(lines).environment;
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{lines}");
    };
    // Numbers and truths are the text that stands there.
    check(
        "environment: {A: 3000, B: 3.10, C: True, D: 1e3, E: 0x10, F: yes, G: '', H: \"x y\"}",
        &[
            ("A", "3000"),
            ("B", "3.10"),
            ("C", "True"),
            ("D", "1e3"),
            ("E", "0x10"),
            ("F", "yes"),
            ("G", ""),
            ("H", "x y"),
        ],
    );
    check("environment: [A=b=c, 'B=', 'C=x y', A=d]", &[("A", "d"), ("B", ""), ("C", "x y")]);
    // A name alone takes the variable's value, and is absent when there is none.
    let taken = [("BOTH", "dotenv"), ("FROM_DOTENV", "1"), ("FROM_OPERATOR", "2")];
    check("environment: [FROM_DOTENV, FROM_OPERATOR, BOTH, PATH, HOME]", &taken);
    check("environment: {FROM_DOTENV: , FROM_OPERATOR: ~, BOTH: null, PATH: }", &taken);
    check("environment: {A: '${BOTH}-$FROM_OPERATOR'}", &[("A", "dotenv-2")]);
    check("env_file: a.env", &[("A", "file"), ("B", "2"), ("BOTH", "dotenv")]);
    check(
        "env_file: [./a.env, conf/b.env]\nenvironment: {B: own}",
        &[("A", "second"), ("B", "own"), ("BOTH", "dotenv")],
    );
    check("env_file: {path: conf/b.env}", &[("A", "second")]);
    check("env_file: [{path: gone.env, required: false}]", &[]);
}

#[test]
fn the_host_s_environment_is_never_visible() {
    let parsed =
        Workspace::new().parse(&with_service("environment: [PATH]\nuser: \"${HOME:-nobody}\"")).unwrap();
    let service = &parsed.project.services["a"];
    assert!(service.environment.is_empty());
    assert_eq!(service.user.as_deref(), Some("nobody"));
}

#[test]
fn labels() {
    let check = |lines: &str| {
        let found = Workspace::new().service(lines).labels;
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("a", ""), ("b", "1=2"), ("c", "true")], "{lines}");
    };
    check("labels: [a, b=1=2, c=true]");
    check("labels: {a: , b: 1=2, c: true}");
}

#[test]
fn published_ports() {
    let check = |lines: &str, expected: &[(Option<&str>, Option<u16>, u16, Protocol)]| {
        let found = Workspace::new().service(lines).ports;
        let expected: Vec<PublishedPort> = expected
            .iter()
            .map(|(ip, published, target, protocol)| PublishedPort {
                host_ip: ip.map(|ip| ip.parse().unwrap()),
                published: *published,
                target: *target,
                protocol: *protocol,
            })
            .collect();
        assert_eq!(found, expected, "{lines}");
    };
    use Protocol::{Tcp, Udp};
    check("ports: [80]", &[(None, None, 80, Tcp)]);
    check("ports: [8080:80, '8080:80']", &[(None, Some(8080), 80, Tcp)]);
    check("ports: ['127.0.0.1:8080:80/udp']", &[(Some("127.0.0.1"), Some(8080), 80, Udp)]);
    check("ports: ['3000-3001:80-81']", &[(None, Some(3000), 80, Tcp), (None, Some(3001), 81, Tcp)]);
    check("ports: ['${P:-8080}:80']", &[(None, Some(8080), 80, Tcp)]);
    check("ports: [{target: 80}]", &[(None, None, 80, Tcp)]);
    check(
        "ports: [{name: x, target: 80, published: '8080', host_ip: '::1', protocol: udp, mode: host}]",
        &[(Some("::1"), Some(8080), 80, Udp)],
    );
    let exposed = Workspace::new().service("expose: [3000, '81/tcp', 90-92, 3000]").expose;
    assert_eq!(exposed, [3000, 81, 90, 91, 92]);
}

#[test]
fn mounts() {
    let workspace = Workspace::new().file("conf/app.toml", "").file("Makefile", "");
    let check = |line: &str, target: &str, source: MountSource, read_only: bool| {
        let text = format!("{}volumes: {{data: }}\n", with_service(&format!("volumes: [{line}]")));
        let [found] = workspace.project(&text).services["a"].mounts.clone().try_into().expect(line);
        let Mount { target: at, source: from, read_only: only, .. } = found;
        assert_eq!((at.as_str(), from, only), (target, source, read_only), "{line}");
    };
    let path = |path: &str| MountSource::Workspace(path.to_owned());
    let data = || MountSource::Volume("data".to_owned());
    check("'.:/workspace:ro'", "/workspace", path(""), true);
    check("'./:/workspace:ro,z'", "/workspace", path(""), true);
    check("'/workspaces/myapp:/workspace:ro'", "/workspace", path(""), true);
    check("'/workspaces/myapp/conf:/etc//conf/:ro'", "/etc/conf", path("conf"), true);
    check("'./conf/app.toml:/app.toml:ro,cached'", "/app.toml", path("conf/app.toml"), true);
    check(
        "{type: bind, source: conf, target: /c, read_only: true, bind: {create_host_path: true}}",
        "/c",
        path("conf"),
        true,
    );
    check("'data:/data'", "/data", data(), false);
    check("'data:/data:ro'", "/data", data(), true);
    check("{type: volume, source: data, target: /data, read_only: true}", "/data", data(), true);
    check("/data", "/data", MountSource::Anonymous, false);
    check("{type: volume, target: /data}", "/data", MountSource::Anonymous, false);
    check("{type: tmpfs, target: /tmp}", "/tmp", MountSource::Tmpfs, false);
    let tmpfs = Workspace::new().service("tmpfs: [/tmp, /run]").mounts;
    assert!(tmpfs.len() == 2 && tmpfs.iter().all(|mount| mount.source == MountSource::Tmpfs));
}

#[test]
fn healthchecks() {
    let check = |line: &str, expected: Healthcheck| {
        assert_eq!(Workspace::new().service(&format!("healthcheck: {line}")).healthcheck, expected, "{line}");
    };
    let only = |test: &[&str]| Healthcheck::Check {
        test: words(test),
        interval: None,
        timeout: None,
        retries: None,
        start_period: None,
        start_interval: None,
    };
    check("{test: curl -f http://localhost}", only(&["CMD-SHELL", "curl -f http://localhost"]));
    check("{test: [CMD, curl, -f]}", only(&["CMD", "curl", "-f"]));
    check("{test: [CMD-SHELL, 'a || b']}", only(&["CMD-SHELL", "a || b"]));
    check("{test: [NONE]}", Healthcheck::Disabled);
    check("{test: NONE}", Healthcheck::Disabled);
    check("{disable: true, test: x}", Healthcheck::Disabled);
    check("{disable: false, test: []}", Healthcheck::Inherit);
    check("{}", Healthcheck::Inherit);
    // The image's own test, at other times.
    let timed = Healthcheck::Check {
        test: Vec::new(),
        interval: Some(Duration::from_millis(1500)),
        timeout: None,
        retries: Some(4),
        start_period: None,
        start_interval: None,
    };
    check("{interval: 1.5s, retries: '4'}", timed);
}

#[test]
fn small_things() {
    let workspace = Workspace::new();
    assert_eq!(workspace.service("user: 1000").user.as_deref(), Some("1000"));
    assert_eq!(workspace.service("init: 'true'").init, Some(true));
    assert_eq!(workspace.service("init: off").init, Some(false));
    assert_eq!(workspace.service("restart: no").restart, Restart::No);
    assert_eq!(
        workspace.service("stop_grace_period: 1m30s").stop_grace_period,
        Some(Duration::from_secs(90))
    );
    assert_eq!(workspace.service("container_name: My_app.1").container_name.as_deref(), Some("My_app.1"));
    assert_eq!(workspace.service("scale: 1\ndeploy: {replicas: 1}"), workspace.service(""));
    let private = workspace.service("ipc: private\ncgroup: private").isolation.private_namespaces;
    assert_eq!(private, [Namespace::Ipc, Namespace::Cgroup].into());
    // The platform's own key comes before the one for clusters.
    let order = "deploy: {update_config: {order: stop-first}}\nx-cloudyknight: {strategy: rolling}";
    assert_eq!(workspace.service(order).strategy, Some(Strategy::Rolling));
    // Nothing is asked for.
    let nothing = "privileged: false\ntty: false\nsecrets: []\nconfigs:\ndevices: []\ncap_add: []\nextends:\nlogging: {}";
    assert_eq!(workspace.service(nothing), workspace.service(""));
    // A key of one's own, wherever keys are.
    let own =
        "x-a: 1\nbuild:\nhealthcheck: {x-b: 1}\nports: [{target: 80, x-c: 1}]\nnetworks: {default: {x-d: 1}}";
    assert_eq!(workspace.service(own).ports.len(), 1);
}

#[test]
fn build_forms() {
    let workspace =
        Workspace::new().file("Dockerfile", "").file("web/Dockerfile", "").file("web/prod/Dockerfile", "");
    let check = |lines: &str, context: &str, dockerfile: &str| {
        let service =
            workspace.project(&format!("services:\n  a:\n    {lines}\n")).services.remove("a").unwrap();
        let ImageSource::Build(build) = service.image else { panic!("{lines}") };
        assert_eq!((build.context.as_str(), build.dockerfile.as_str()), (context, dockerfile), "{lines}");
    };
    check("build: .", "", "Dockerfile");
    check("build: {}", "", "Dockerfile");
    check("build: web", "web", "Dockerfile");
    check("build: /workspaces/myapp/web/", "web", "Dockerfile");
    check("build: {context: ./web, dockerfile: prod/Dockerfile}", "web", "prod/Dockerfile");
    check(
        "build: {context: web, dockerfile: /workspaces/myapp/web/prod/Dockerfile}",
        "web",
        "prod/Dockerfile",
    );
    check("build: {context: web, dockerfile: ./prod/../Dockerfile, network: default}", "web", "Dockerfile");
}

#[test]
fn develop_watch() {
    let hook = Hook {
        command: words(&["reload", "-x"]),
        user: Some("app".to_owned()),
        privileged: false,
        working_dir: None,
        environment: Default::default(),
    };
    let sync = |target: &str, then, initial| WatchAction::Sync { target: target.to_owned(), then, initial };
    let check = |rule: &str, path: &str, ignore: &[&str], include: &[&str], action: WatchAction| {
        let service = Workspace::new().service(&format!("develop: {{watch: [{rule}]}}"));
        let (ignore, include) = (words(ignore), words(include));
        assert_eq!(service.watch, [WatchRule { path: path.to_owned(), ignore, include, action }], "{rule}");
    };
    check("{path: ., action: rebuild}", "", &[], &[], WatchAction::Rebuild);
    check("{path: ./conf/x.conf, action: restart}", "conf/x.conf", &[], &[], WatchAction::Restart);
    check(
        "{path: ./web//, action: sync, target: /srv/./web/, ignore: [node_modules/, '!a'], include: '*.js'}",
        "web",
        &["node_modules/", "!a"],
        &["*.js"],
        sync("/srv/web", Then::Nothing, false),
    );
    check(
        "{path: web, action: sync+restart, target: /w, initial_sync: true}",
        "web",
        &[],
        &[],
        sync("/w", Then::Restart, true),
    );
    check(
        "{path: /workspaces/myapp/web, action: sync+exec, target: /w, exec: {command: reload -x, user: app}}",
        "web",
        &[],
        &[],
        sync("/w", Then::Exec(hook), false),
    );
    assert_eq!(Workspace::new().service("develop: {}\nrestart: always").watch, []);
    assert_eq!(Workspace::new().service("develop: ~").watch, []);
}
