//! What the default policy refuses, in which words; and that the operator can allow it.

use super::{Workspace, with_service};
use crate::compose::model::{Device, Isolation, MountSource, Namespace, Service};

/// The lines are refused at this column of line 4 by default, and give this service when `permission` is granted.
fn check(lines: &str, column: usize, permission: &str, what: &str, allowed: impl Fn(&Service) -> bool) {
    refused(lines, &format!("4:{column}"), permission, what);
    for workspaces in ["\"*\"", "[\"other\", \"my*\"]"] {
        let service = Workspace::new().policy(&format!("{{\"{permission}\": {workspaces}}}")).service(lines);
        assert!(allowed(&service), "{lines}\n{service:?}");
    }
    let elsewhere = Workspace::new().policy(&format!("{{\"{permission}\": [\"other\"]}}"));
    assert!(elsewhere.parse(&with_service(lines)).unwrap_err().policy, "{lines}");
}

fn refused(lines: &str, position: &str, permission: &str, what: &str) {
    let error = Workspace::new().parse(&with_service(lines)).expect_err(lines);
    let sentence = "is refused: the operator's policy does not allow it for workspace `myapp`";
    assert_eq!(error.to_string(), format!("docker-compose.yml:{position}: {what} {sentence}"));
    let hint = error.hint.unwrap();
    let operator = format!(
        "; or ask the operator to allow `{permission}` for `myapp` in policy.toml, and then `cloudyknight retry myapp`"
    );
    assert!(hint.ends_with(&operator), "{hint}");
    assert!(error.policy);
    assert_eq!(error.service.as_deref(), Some("a"));
}

fn isolated(expected: Isolation) -> impl Fn(&Service) -> bool {
    move |service| service.isolation == expected
}

#[test]
fn privileged_containers() {
    let expected = Isolation { privileged: true, ..Isolation::default() };
    check("privileged: true", 17, "privileged", "`privileged: true`", isolated(expected));
    assert_eq!(Workspace::new().service("privileged: false").isolation, Isolation::default());
}

#[test]
fn the_host_s_namespaces() {
    let expected = |namespace| Isolation { host_namespaces: [namespace].into(), ..Isolation::default() };
    for (key, namespace) in [
        ("network_mode", Namespace::Network),
        ("pid", Namespace::Pid),
        ("ipc", Namespace::Ipc),
        ("uts", Namespace::Uts),
        ("userns_mode", Namespace::User),
        ("cgroup", Namespace::Cgroup),
    ] {
        let (line, column) = (format!("{key}: host"), 7 + key.len());
        check(&line, column, "host_namespaces", &format!("`{line}`"), isolated(expected(namespace)));
    }
    let host = Workspace::new().policy(r#"{"host_namespaces": "*"}"#).service("network_mode: host");
    assert!(host.networks.is_empty());
    refused("pid: container:other", "4:10", "host_namespaces", "`pid: container:other`");
    refused("network_mode: container:db", "4:19", "host_namespaces", "`network_mode: container:db`");
    refused("build: {context: ., network: host}", "4:34", "host_namespaces", "`build`: `network: host`");
}

#[test]
fn added_capabilities() {
    let expected = Isolation { cap_add: vec!["NET_ADMIN".to_owned()], ..Isolation::default() };
    check(
        "cap_add: [net_admin]",
        15,
        "capabilities",
        "adding the capability `NET_ADMIN`",
        isolated(expected),
    );
}

#[test]
fn devices() {
    let device = |host: &str, container: &str, permissions: &str| Isolation {
        devices: vec![Device {
            host: host.into(),
            container: container.into(),
            permissions: permissions.into(),
        }],
        ..Isolation::default()
    };
    let what = "the host's device `/dev/kvm`";
    check("devices: [/dev/kvm]", 15, "devices", what, isolated(device("/dev/kvm", "/dev/kvm", "rwm")));
    check("devices: ['/dev/kvm:/dev/x:r']", 15, "devices", what, isolated(device("/dev/kvm", "/dev/x", "r")));
    check(
        "devices: [{source: /dev/kvm}]",
        15,
        "devices",
        what,
        isolated(device("/dev/kvm", "/dev/kvm", "rwm")),
    );
    check("gpus: all", 11, "devices", "`gpus`", |service| service.resources.device_requests.len() == 1);
    let rules = |service: &Service| service.resources.device_rules == ["c 1:3 mr"];
    check("device_cgroup_rules: ['c 1:3 mr']", 27, "devices", "`device_cgroup_rules`", rules);
}

#[test]
fn security_options_that_open_the_container() {
    let what = |option: &str| format!("`security_opt`: `{option}`");
    for option in ["seccomp:unconfined", "apparmor=unconfined", "label:disable", "systempaths=unconfined"] {
        let expected = Isolation { security_opt: vec![option.replace(':', "=")], ..Isolation::default() };
        check(&format!("security_opt: ['{option}']"), 20, "privileged", &what(option), isolated(expected));
    }
}

#[test]
fn the_docker_socket() {
    let what = |path: &str| format!("`volumes`: the container engine's socket `{path}` (root on the host)");
    for path in
        ["/var/run/docker.sock", "/run/docker.sock", "//var/./run/docker.sock", "../../run/docker.sock"]
    {
        let line = format!("volumes: ['{path}:/var/run/docker.sock:ro']");
        check(
            &line,
            15,
            "docker_socket",
            &what(path),
            |service| matches!(&service.mounts[0].source, MountSource::Host(host) if host.ends_with("run/docker.sock")),
        );
    }
    let line = "volumes: [{type: bind, source: /run/containerd/containerd.sock, target: /x}]";
    refused(line, "4:36", "docker_socket", &what("/run/containerd/containerd.sock"));
    // A permission for host paths is none for the socket.
    let workspace = Workspace::new().policy(r#"{"host_paths": "*"}"#);
    assert!(workspace.service_error("volumes: ['/run/docker.sock:/s']").contains("docker_socket"));
    let socket = |service: &Service| service.mounts[0].target == "/var/run/docker.sock";
    check("use_api_socket: true", 21, "docker_socket", "`use_api_socket`", socket);
}

#[test]
fn paths_of_the_host() {
    let what =
        |path: &str| format!("`volumes`: the host path `{path}`, which lies outside of the workspace,");
    for (path, host) in [
        ("/etc", "/etc"),
        ("/", "/"),
        ("/var/run", "/var/run"),
        ("/workspace", "/workspace"),
        ("../../etc/./passwd", "/etc/passwd"),
        ("C:\\data", "C:\\data"),
    ] {
        check(&format!("volumes: ['{path}:/x:ro']"), 15, "host_paths", &what(path), |service| {
            service.mounts[0].source == MountSource::Host(host.to_owned()) && service.mounts[0].read_only
        });
    }
    refused("volumes: [{type: bind, source: /etc, target: /x}]", "4:36", "host_paths", &what("/etc"));
}

#[test]
fn other_workspaces_whatever_the_policy() {
    let all = r#"{"host_paths": "*", "docker_socket": "*", "privileged": "*", "host_namespaces": "*"}"#;
    for workspace in [Workspace::new(), Workspace::new().policy(all)] {
        for path in [
            "/workspaces/other",
            "/workspaces",
            "..",
            "../other/x",
            "./x/../../other",
            "/workspaces/myapp/../o",
        ] {
            let error = workspace.parse(&with_service(&format!("volumes: ['{path}:/x:ro']"))).unwrap_err();
            let expected = format!(
                "docker-compose.yml:4:15: `volumes`: `{path}` is refused: it leads to another workspace"
            );
            assert_eq!(error.to_string(), expected);
            assert!(error.policy);
        }
        let hint = "hint: paths start with `./`, or with `/workspaces/myapp/`";
        let check = |lines: &str, expected: &str| {
            assert_eq!(workspace.service_error(lines), format!("docker-compose.yml:{expected}\n{hint}"));
        };
        check("volumes: ['~/x:/x']", "4:15: `volumes`: `~/x` is refused: there is no home folder here");
        check(
            "env_file: ../other/.env",
            "4:15: `env_file`: `../other/.env` is refused: it leads to another workspace",
        );
        check(
            "env_file: /etc/passwd",
            "4:15: `env_file`: `/etc/passwd` is refused: it lies outside of the workspace",
        );
        check("build: ../other", "4:12: `build`: `../other` is refused: it leads to another workspace");
        check("build: /", "4:12: `build`: `/` is refused: it lies outside of the workspace");
        check(
            "build: {dockerfile: ../../etc/passwd}",
            "4:25: `dockerfile`: `../../etc/passwd` is refused: it lies outside of the workspace",
        );
    }
}

#[test]
fn volumes_that_reach_the_host_through_their_options() {
    let text = |options: &str| {
        format!(
            "services: {{a: {{image: x, volumes: ['v:/x']}}}}\nvolumes:\n  v:\n    driver_opts: {options}\n"
        )
    };
    let check = |options: &str, what: &str| {
        let error = Workspace::new().parse(&text(options)).expect_err(options);
        let sentence = "is refused: the operator's policy does not allow it for workspace `myapp`";
        assert_eq!(
            error.to_string(),
            format!("docker-compose.yml:4:18: volume `v`: {what} through `driver_opts` {sentence}")
        );
        assert!(error.policy);
        let allowed = Workspace::new().policy(r#"{"host_paths": ["myapp"]}"#).project(&text(options));
        assert!(!allowed.volumes["v"].driver_opts.is_empty());
    };
    check("{type: none, o: bind, device: /etc}", "mounting the host path or device `/etc`");
    check("{type: ext4, device: /dev/sda1}", "mounting the host path or device `/dev/sda1`");
    check("{type: nfs, o: 'addr=10.0.0.1,rw', device: ':/x'}", "mounting the host path or device `:/x`");
    check("{type: overlay, o: 'lowerdir=/'}", "mounting from the host");
    check("{type: tmpfs, o: 'size=1m, BIND', device: /etc}", "mounting the host path or device `/etc`");
    check("{type: tmpfs, o: rbind}", "mounting from the host");
    let harmless = Workspace::new().project(&text("{type: tmpfs, device: tmpfs, o: 'size=100m,uid=1000'}"));
    assert_eq!(harmless.volumes["v"].driver_opts.len(), 3);
}

#[test]
fn volume_drivers() {
    let text = "services: {a: {image: x, volumes: ['v:/x']}}\nvolumes: {v: {driver: sshfs}}\n";
    let error = Workspace::new().parse(text).unwrap_err();
    assert!(
        error.policy && error.message.starts_with("volume `v`: the volume driver `sshfs` is refused"),
        "{error}"
    );
}

#[test]
fn ports_below_1024() {
    let what = |port: u16| format!("publishing port {port}, which is below 1024,");
    let published =
        |port: u16| move |service: &Service| service.ports.iter().any(|each| each.published == Some(port));
    check("ports: ['80:8080']", 13, "low_ports", &what(80), published(80));
    check("ports: ['127.0.0.1:22:22']", 13, "low_ports", &what(22), published(22));
    check("ports: ['1023-1024:80-81']", 13, "low_ports", &what(1023), published(1023));
    check("ports: [{target: 80, published: 80}]", 13, "low_ports", &what(80), published(80));
    assert_eq!(Workspace::new().service("ports: ['1024:80', '80']").ports.len(), 2);
}

#[test]
fn external_networks_that_are_not_the_router_s() {
    let text =
        "services:\n  a:\n    image: x\n    networks: [n]\nnetworks: {n: {external: true, name: corp}}\n";
    let error = Workspace::new().parse(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docker-compose.yml:4:16: the external network `corp` is refused: the operator's policy does not allow it for \
         workspace `myapp`"
    );
    assert!(error.policy);
    assert!(Workspace::new().policy(r#"{"external_networks": {"corp": ["other"]}}"#).parse(text).is_err());
    // It is allowed, and people are told what that means.
    let allowed =
        Workspace::new().policy(r#"{"external_networks": {"corp": ["myapp"]}}"#).parse(text).unwrap();
    let [warning] = &allowed.warnings[..] else { panic!("{:?}", allowed.warnings) };
    assert!(
        warning.to_string().contains(":4: the firewall does not cover the external network `corp`"),
        "{warning}"
    );
    let allowed = allowed.project;
    assert_eq!(allowed.services["a"].external_networks["corp"], Vec::<String>::new());
    assert!(allowed.services["a"].networks.is_empty() && allowed.networks.is_empty());
    // The older way to write it, and the operator's own idea of the router's network.
    let older = text.replace("external: true, name: corp", "external: {name: corp}");
    let edge = Workspace::new().policy(r#"{"edge_networks": ["corp"]}"#).project(&older);
    assert!(edge.services["a"].external_networks.is_empty());
    // By default `default` is not an external one that somebody else declared.
    let default = "services: {a: {image: x}}\nnetworks: {default: {external: true, name: corp}}\n";
    assert!(
        Workspace::new()
            .error(default)
            .starts_with("docker-compose.yml:1:12: the external network `corp` is refused")
    );
}

#[test]
fn images_that_the_platform_made_for_a_workspace() {
    let check = |lines: &str, position: &str, image: &str| {
        let workspace = Workspace::new().file("Dockerfile", "");
        let error = workspace.parse(&format!("services:\n  a:\n    {lines}\n")).expect_err(lines);
        let expected = format!(
            "docker-compose.yml:{position}: `{image}` is refused: it is what the platform made for a workspace"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.policy);
    };
    let (build, dependencies) = ("cloudyknight-build-p-other-web:1", "cloudyknight-dependencies-p-other:1");
    check(&format!("image: {build}"), "3:12", build);
    check(&format!("image: {dependencies}"), "3:12", dependencies);
    let full = format!("docker.io/library/{build}");
    check(&format!("image: {full}"), "3:12", &full);
    check(&format!("build: {{cache_from: [{build}]}}"), "3:26", build);
    Workspace::new().project("services: {a: {image: 'registry.example/cloudyknight-build-x'}}");
}

#[test]
fn settings_of_the_kernel() {
    let set = |service: &Service| service.surroundings.sysctls["net.core.somaxconn"] == "1024";
    let what = "setting the sysctl `net.core.somaxconn`";
    check("sysctls: {net.core.somaxconn: 1024}", 14, "sysctls", what, set);
}

#[test]
fn what_would_starve_the_host() {
    check("oom_kill_disable: true", 23, "privileged", "`oom_kill_disable`", |service| {
        service.resources.oom_kill_disable
    });
    check("oom_score_adj: -500", 20, "privileged", "a negative `oom_score_adj`", |service| {
        service.resources.oom_score_adj == Some(-500)
    });
    assert_eq!(Workspace::new().service("oom_score_adj: 500").resources.oom_score_adj, Some(500));
    check("cgroup_parent: /", 20, "host_namespaces", "`cgroup_parent`", |service| {
        service.resources.cgroup_parent.is_some()
    });
}

#[test]
fn logs_that_are_sent_from_the_host_s_network() {
    let line = "logging: {driver: syslog, options: {syslog-address: 'tcp://127.0.0.1:9100'}}";
    let what = "the log driver `syslog`, which writes from the host's own network,";
    check(line, 14, "host_namespaces", what, |service| service.surroundings.logging.is_some());
}

#[test]
fn external_volumes() {
    let text =
        "services:\n  a:\n    image: x\n    volumes: ['v:/v']\nvolumes: {v: {external: true, name: kept}}\n";
    let error = Workspace::new().parse(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "docker-compose.yml:5:25: the external volume `kept` is refused: the operator's policy does not allow it for \
         workspace `myapp`"
    );
    assert!(error.policy);
    assert!(Workspace::new().policy(r#"{"external_volumes": {"kept": ["other"]}}"#).parse(text).is_err());
    let allowed = Workspace::new().policy(r#"{"external_volumes": {"kept": ["myapp"]}}"#).project(text);
    assert_eq!(allowed.volumes["v"].external.as_deref(), Some("kept"));
}

#[test]
fn more_memory_and_processes_than_the_policy_says() {
    let sentence = "is refused: the operator's policy does not allow it for workspace `myapp`";
    let check = |lines: &str, expected: &str| {
        let error = Workspace::new().parse(&with_service(lines)).expect_err(lines);
        assert_eq!(error.to_string(), format!("docker-compose.yml:{expected} {sentence}"));
        assert!(error.policy);
    };
    let memory = 8_u64 << 30;
    check("mem_limit: 9g", &format!("4:16: `mem_limit` above {memory}"));
    check("shm_size: 9g", &format!("4:15: `shm_size` above {memory}"));
    check("mem_limit: 1g\nmemswap_limit: -1", &format!("5:20: `memswap_limit` above {}", 2 * memory));
    check("pids_limit: 8193", "4:17: `pids_limit` above 8192");
    check("pids_limit: -1", "4:17: `pids_limit` above 8192");
    check("deploy: {resources: {limits: {memory: 9g}}}", &format!("4:43: `memory` above {memory}"));
    assert_eq!(Workspace::new().service("mem_limit: 8g\npids_limit: 8192").resources.memory, Some(8 << 30));
}

#[test]
fn doors_and_folders_of_the_platform_whatever_the_policy() {
    let mut workspace = Workspace::new().policy(r#"{"host_paths": "*", "low_ports": "*"}"#);
    workspace.policy.platform.ports = [9100].into();
    workspace.policy.platform.paths = vec!["/var/lib/cloudyknight".to_owned()];
    let check = |lines: &str, expected: &str| {
        let error = workspace.parse(&with_service(lines)).expect_err(lines);
        assert_eq!(error.to_string(), format!("docker-compose.yml:4:{expected}"));
        assert!(error.policy);
    };
    check("ports: ['9100:80']", "13: publishing port 9100 is refused: the platform itself listens there");
    check(
        "ports: ['9099-9101:80-82']",
        "13: publishing port 9100 is refused: the platform itself listens there",
    );
    check(
        "volumes: ['/var/lib/cloudyknight/run:/x']",
        "15: `volumes`: the host path `/var/lib/cloudyknight/run`, which lies outside of the workspace, is refused: it is the platform's own",
    );
    assert_eq!(workspace.service("volumes: ['/var/lib/cloudyknight2:/x']").mounts.len(), 1);
}

#[test]
fn capabilities_that_were_dropped_may_be_taken_again() {
    let service = Workspace::new().service("cap_drop: [ALL]\ncap_add: [CHOWN, CAP_SETUID]");
    assert_eq!(service.isolation.cap_add, ["CHOWN", "SETUID"]);
    refused("cap_add: [CHOWN, NET_RAW]", "4:22", "capabilities", "adding the capability `NET_RAW`");
    refused("cap_add: [ALL]", "4:15", "capabilities", "adding the capability `ALL`");
    let named = Workspace::new().policy(r#"{"named_capabilities": {"NET_RAW": "my*"}}"#);
    assert_eq!(named.service("cap_add: [NET_RAW]").isolation.cap_add, ["NET_RAW"]);
    assert!(named.parse(&with_service("cap_add: [NET_ADMIN]")).unwrap_err().policy);
}

#[test]
fn programs_that_gain_rights() {
    let expected =
        Isolation { security_opt: vec!["no-new-privileges:false".to_owned()], ..Isolation::default() };
    let what = "`security_opt`: `no-new-privileges:false`";
    check("security_opt: ['no-new-privileges:false']", 20, "new_privileges", what, isolated(expected));
}
