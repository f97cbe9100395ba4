//! What a compose file asks for reaches Docker, and what runs in the container sees it.

use std::collections::BTreeSet;

use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::Value;

const COMPOSE: &str = "services:
  box:
    image: workspace-static-ephemeral:latest
    volumes: ['./html:/workspace:ro']
    expose: ['8080']
    hostname: boxed
    cpus: 0.5
    cpu_shares: 512
    deploy: {resources: {limits: {memory: 96m, pids: 77}, reservations: {memory: 32m}}, replicas: 1}
    ulimits: {nofile: {soft: 1234, hard: 2345}, nproc: 99}
    shm_size: 8m
    tmpfs: ['/scratch:size=2m,mode=1750']
    extra_hosts: ['elsewhere:192.0.2.7', 'gate:host-gateway']
    dns_search: [corp.example]
    group_add: ['4242']
    tty: true
    logging: {driver: local, options: {max-size: 1m}}
    labels: {own.label: kept}
    secrets:
      - plain
      - {source: from_env, target: token, uid: '33', gid: '34', mode: 0440}
    configs:
      - {source: inline, target: /etc/app/inline.conf}
    post_start:
      - {command: [sh, -c, 'echo $$WHO > /tmp/hooked; id -u >> /tmp/hooked'], user: '33', environment: {WHO: hook}}
    pre_stop:
      - {command: [sh, -c, 'echo stopped > /kept/stopped'], user: '0'}
  keeper:
    image: workspace-static-ephemeral:latest
    command: [sleep, '100000']
    user: '0'
    volumes: ['kept:/kept']
    network_mode: none
  beside:
    image: workspace-static-ephemeral:latest
    command: [sleep, '100000']
    user: '0'
    network_mode: service:box
    volumes_from: ['keeper:ro']
secrets:
  plain: {file: ./secret.txt}
  from_env: {environment: TOKEN}
configs:
  inline: {content: answer = 42}
volumes:
  kept:
";

fn app() -> Folder {
    Folder::of(&[
        ("compose.yaml", COMPOSE),
        (".env", "TOKEN=s3cret-of-the-env\n"),
        ("secret.txt", "s3cret-of-the-file"),
        ("html/index.html", "boxed"),
    ])
}

#[test]
fn limits_files_and_hooks_of_a_service_are_what_docker_and_the_container_see() {
    let platform = Platform::start();
    let docker = platform.docker();
    let s3 = platform.s3(Client::Boto3);
    let app = app();
    // The hook before the stop writes where something outlives the container.
    app.replace(
        "compose.yaml",
        "['./html:/workspace:ro']\n    expose",
        "['./html:/workspace:ro', 'kept:/kept']\n    expose",
    );
    s3.sync(app.path(), "boxed");
    let status = platform.live("boxed");
    let of = |service: &str| -> String {
        let services = status["services"].as_array().expect("services");
        let one = services.iter().find(|one| one["service"] == service).expect(service);
        one["container"].as_str().expect("a name").to_owned()
    };
    let (boxed, beside) = (of("box"), of("beside"));
    let inspected: Value = serde_json::from_str(&docker.inspect(&boxed, "{{json .}}")).expect("JSON");
    let host = &inspected["HostConfig"];
    for (pointer, expected) in [
        ("/NanoCpus", Value::from(500_000_000)),
        ("/CpuShares", 512.into()),
        ("/Memory", (96 << 20).into()),
        ("/MemoryReservation", (32 << 20).into()),
        ("/PidsLimit", 77.into()),
        ("/ShmSize", (8 << 20).into()),
        ("/LogConfig/Type", "local".into()),
        ("/LogConfig/Config/max-size", "1m".into()),
        ("/GroupAdd/0", "4242".into()),
        ("/DnsSearch/0", "corp.example".into()),
    ] {
        assert_eq!(host.pointer(pointer), Some(&expected), "{pointer}: {host}");
    }
    assert_eq!(inspected["Config"]["Labels"]["own.label"], "kept");
    let shell = |command: &str| docker.shell(&boxed, command);
    assert_eq!(shell("hostname"), "boxed\n");
    assert_eq!(shell("ulimit -Sn; ulimit -Hn"), "1234\n2345\n");
    assert!(shell("cat /etc/hosts").contains("192.0.2.7\telsewhere"), "{}", shell("cat /etc/hosts"));
    shell("grep -w gate /etc/hosts");
    assert_eq!(
        shell("stat -c '%a' /scratch; df -B1 --output=size /scratch | tail -1")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["1750", "2097152"]
    );
    // Secrets and configs, with owner and permissions.
    assert_eq!(
        shell("cat /run/secrets/plain; stat -c ' %u:%g %a' /run/secrets/plain"),
        "s3cret-of-the-file 0:0 444\n"
    );
    assert_eq!(
        shell("cat /run/secrets/token; stat -c ' %u:%g %a' /run/secrets/token"),
        "s3cret-of-the-env 33:34 440\n"
    );
    assert_eq!(shell("cat /etc/app/inline.conf"), "answer = 42");
    assert!(!docker.exec(&boxed, "echo x >> /etc/app/inline.conf").status.success(), "read-only");
    // What they hold is nowhere but in those files.
    let all = docker.inspect(&boxed, "{{json .}}");
    for secret in ["s3cret-of-the-env", "s3cret-of-the-file", "answer = 42"] {
        assert!(!all.contains(secret), "{secret} is in what Docker knows");
        assert!(!platform.log().contains(secret), "{secret} is in the log");
        assert!(!status.to_string().contains(secret), "{secret} is in the status");
    }
    // Hooks, shared networks and mounts.
    assert_eq!(shell("cat /tmp/hooked"), "hook\n33\n");
    assert!(docker.shell(&beside, "hostname").starts_with("boxed"));
    assert_eq!(docker.inspect(&of("keeper"), "{{.HostConfig.NetworkMode}}").trim(), "none");
    docker.shell(&of("keeper"), "echo shared > /kept/note");
    assert_eq!(docker.shell(&beside, "cat /kept/note"), "shared\n");
    assert!(!docker.exec(&beside, "echo x > /kept/note").status.success(), "read-only");
    assert_eq!(platform.get("/boxed/"), (200, "boxed".to_owned()));

    // A secret changes: its service is replaced, and what shares its network with it. `pre_stop` runs before.
    app.replace("secret.txt", "s3cret-of-the-file", "another-secret");
    s3.cp(&app.path().join("secret.txt"), "boxed/secret.txt");
    platform.live("boxed");
    assert_eq!(docker.shell(&boxed, "cat /run/secrets/plain"), "another-secret");
    assert!(docker.shell(&beside, "hostname").starts_with("boxed"));
    assert_eq!(docker.shell(&of("keeper"), "cat /kept/stopped"), "stopped\n");
}

const WHOAMI: &str =
    "require('node:http').createServer((_, response) => response.end(require('node:os').hostname()))
  .listen(process.env.PORT);\n";

#[test]
fn a_service_of_several_containers_shares_its_route_and_keeps_those_that_need_not_change() {
    let platform = Platform::start();
    let docker = platform.docker();
    let s3 = platform.s3(Client::Boto3);
    let compose = "services:
  many:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro']
    deploy: {replicas: 3}
";
    let app = Folder::of(&[("compose.yaml", compose), ("src/index.js", WHOAMI)]);
    s3.sync(app.path(), "many");
    let listed = |status: &Value| -> Vec<String> {
        let services = status["services"].as_array().expect("services").iter();
        services.map(|one| one["container"].as_str().expect("a name").to_owned()).collect()
    };
    let status = platform.live("many");
    assert_eq!(listed(&status), ["workspace-many", "workspace-many.2", "workspace-many.3"]);
    let answering = || {
        let answers = (0..60).map(|_| platform.get("/many/"));
        let hosts: BTreeSet<String> = answers
            .map(|(status, host)| {
                assert_eq!(status, 200);
                host
            })
            .collect();
        hosts.len()
    };
    assert_eq!(answering(), 3, "each of them answers");
    let before = docker.containers_of("many");

    // Fewer: the ones that stay are the same containers as before.
    s3.cp(&app.replace("compose.yaml", "replicas: 3", "replicas: 2"), "many/compose.yaml");
    let status = platform.live("many");
    assert_eq!(listed(&status), ["workspace-many", "workspace-many.2"]);
    assert_eq!(answering(), 2);
    for name in ["workspace-many", "workspace-many.2"] {
        assert_eq!(docker.containers_of("many")[name], before[name], "{name}");
    }

    // More again, and then another source: all of them are new.
    s3.cp(&app.replace("compose.yaml", "replicas: 2", "replicas: 4"), "many/compose.yaml");
    platform.live("many");
    assert_eq!(answering(), 4);
    assert_eq!(docker.containers_of("many")["workspace-many"], before["workspace-many"]);
}
