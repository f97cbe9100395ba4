//! What a compose file asks for reaches Docker, and what runs in the container sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudyknight_tests::docker::docker;
use cloudyknight_tests::{Client, Folder, Platform, eventually, run};
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

    // More again: those that come and those that were there are one release, and all of them are new.
    s3.cp(&app.replace("compose.yaml", "replicas: 2", "replicas: 4"), "many/compose.yaml");
    platform.live("many");
    assert_eq!(answering(), 4);
    assert_ne!(docker.containers_of("many")["workspace-many"], before["workspace-many"]);
}

const PEERS: &str = "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro', 'shared:/data']
    links: ['db:database']
    networks: {default: {}, back: {}}
  db:
    image: workspace-static-ephemeral:latest
    command: [sleep, '100000']
    networks:
      back: {aliases: [store]}
      corp: {aliases: [ledger]}
networks:
  back: {internal: true}
  corp: {external: true, name: NETWORK}
volumes:
  shared: {external: true, name: VOLUME}
";

/// A network and a volume that somebody made by hand, gone with it.
struct Outside {
    network: String,
    volume: String,
}

impl Outside {
    #[track_caller]
    fn of(platform: &Platform) -> Self {
        let name = format!("outside-{}", platform.id());
        run::succeeded("a network", &docker(&["network", "create", &name]));
        run::succeeded("a volume", &docker(&["volume", "create", &name]));
        Self { network: name.clone(), volume: name }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.network]);
        docker(&["volume", "rm", &self.volume]);
    }
}

#[test]
fn networks_and_volumes_from_outside_are_joined_by_those_that_may_under_the_names_that_they_ask_for() {
    let platform = Platform::start();
    let outside = Outside::of(&platform);
    let compose = PEERS.replace("NETWORK", &outside.network).replace("VOLUME", &outside.volume);
    let app = Folder::of(&[("compose.yaml", &compose), ("src/index.js", WHOAMI)]);
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "peers");
    let status = platform.failed("peers");
    let message = status["deployment"]["outcome"]["message"].as_str().expect("a message").to_owned();
    assert!(message.starts_with("compose.yaml:"), "{message}");

    let policy = format!(
        "[[allow]]\nworkspaces = [\"peers\"]\nexternal_networks = [\"{0}\"]\nexternal_volumes = [\"{0}\"]\n",
        outside.network
    );
    platform.set_policy(&policy);
    run::succeeded("cloudyknight retry", &platform.cli(&["retry", "peers"]));
    let told = platform.live("peers")["warnings"].to_string();
    let warning = format!("the firewall does not cover the external network `{}`", outside.network);
    assert!(told.contains(&warning), "{told}");
    let docker_of = platform.docker();
    let (app_container, db) = ("workspace-peers-app", "workspace-peers-db");
    let addresses = |container: &str| {
        let all = docker_of.inspect(container, "{{json .NetworkSettings.Networks}}");
        let all: Value = serde_json::from_str(&all).expect("JSON");
        all.as_object().expect("networks").clone()
    };
    let joined = addresses(db);
    assert_eq!(joined.len(), 2, "{joined:?}");
    let names = joined[&outside.network]["Aliases"].to_string();
    assert!(names.contains("\"ledger\"") && names.contains("\"db\""), "{names}");
    let own = joined.iter().find(|(name, _)| name.contains("-back-")).expect("its own network").1;
    let address = own["IPAddress"].as_str().expect("an address").to_owned();
    for name in ["db", "store", "database"] {
        let found = docker_of.shell(app_container, &format!("getent hosts {name}"));
        assert!(found.starts_with(&address), "{name}: {found}");
    }
    assert!(
        !docker_of.exec(app_container, "getent hosts ledger").status.success(),
        "that is a name elsewhere"
    );
    docker_of.shell(app_container, "touch /data/kept");
    assert_eq!(docker_of.inspect(app_container, "{{range .Mounts}}{{.Name}} {{end}}").trim(), outside.volume);

    // They are somebody else's: the workspace goes, and they stay.
    s3.rm("peers");
    platform.removed("peers");
    let there = docker(&["volume", "inspect", &outside.volume]);
    assert!(there.status.success() && docker(&["network", "inspect", &outside.network]).status.success());
}

#[test]
fn a_hook_that_fails_after_the_start_fails_the_release_and_one_before_the_stop_keeps_nothing_alive() {
    let platform = Platform::start();
    let compose = "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro']
    pre_stop: [{command: [sh, -c, 'echo cannot tidy; exit 3']}]
    post_start: [{command: [sh, -c, 'exit 0']}]
";
    let app = Folder::of(&[("compose.yaml", compose), ("src/index.js", WHOAMI)]);
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "hooked");
    platform.live("hooked");
    let before = platform.docker().containers_of("hooked");
    assert_eq!(platform.get("/hooked/").0, 200);

    let wrong = app.replace("compose.yaml", "'exit 0'", "'echo no database here; exit 7'");
    s3.cp(&wrong, "hooked/compose.yaml");
    let status = platform.failed("hooked");
    let outcome = &status["deployment"]["outcome"];
    let message = outcome["message"].as_str().expect("a message");
    assert!(message.contains("`post_start`") && message.contains("ended with 7"), "{message}");
    assert_eq!(outcome["service"], "app");
    assert!(outcome["log"].to_string().contains("no database here"), "{outcome}");
    assert_eq!(platform.docker().containers_of("hooked"), before, "the one before serves on");
    assert_eq!(platform.get("/hooked/").0, 200);

    // The old one goes although its hook fails, and the log says so.
    s3.cp(&app.replace("compose.yaml", "'echo no database here; exit 7'", "'true'"), "hooked/compose.yaml");
    platform.live("hooked");
    eventually("the old one is gone", Duration::from_secs(60), || {
        let now = platform.docker().containers_of("hooked");
        (now.len() == 1 && now != before).then_some(())
    });
    let log = platform.log();
    assert!(log.contains("`pre_stop` failed") && log.contains("cannot tidy"), "{log}");
}

#[test]
fn what_a_service_with_a_terminal_says_is_in_its_logs() {
    let platform = Platform::start();
    let compose = "services:
  app:
    image: workspace-node-ephemeral:latest
    volumes: ['./src:/workspace:ro']
    tty: true
";
    let script = format!("console.log('terminal: ' + process.stdout.isTTY);\n{WHOAMI}");
    let app = Folder::of(&[("compose.yaml", compose), ("src/index.js", &script)]);
    platform.s3(Client::Boto3).sync(app.path(), "tty");
    platform.live("tty");
    let said = run::stdout(&platform.cli(&["logs", "tty"]));
    assert!(said.contains("terminal: true"), "{said}");
    assert!(!said.contains('\u{1}'), "no frames of Docker's stream are left: {said:?}");
}

#[test]
fn what_the_engine_cannot_do_is_told_and_a_build_has_the_memory_of_its_workspace() {
    let platform = Platform::builder().policy("[limits]\nmemory = \"256m\"\nmax_memory = \"512m\"\n").start();
    let compose = "services:
  app:
    build: .
    expose: [80]
    logging: {options: {max-size: 2g}}
    stop_grace_period: 1h
    healthcheck: {test: [CMD, 'true'], start_interval: 1s}
";
    // Either of the two versions of cgroups.
    let limit =
        "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
    let dockerfile = format!(
        "FROM workspace-node-ephemeral:latest\nRUN ({limit}) > /limit\nENTRYPOINT []\nCMD [\"sleep\", \"100000\"]\n"
    );
    let app = Folder::of(&[("compose.yaml", compose), ("Dockerfile", &dockerfile)]);
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "built");
    let status = platform.live("built");
    let docker_of = platform.docker();
    let container = docker_of.container_of("built");
    assert_eq!(docker_of.shell(&container, "cat /limit").trim(), (512 << 20).to_string());
    let warnings = status["warnings"].to_string();
    let version = run::stdout(&docker(&["version", "--format", "{{.Server.APIVersion}}"]));
    let minor: u32 = version.trim().rsplit('.').next().expect("a version").parse().expect("a number");
    assert_eq!(warnings.contains("`start_interval` has no effect"), minor < 44, "{warnings}");
    assert!(warnings.contains("`stop_grace_period` is cut to 10 min"), "{warnings}");
    assert!(warnings.contains("`logging` keeps at most 1g"), "{warnings}");
    let kept = docker_of.inspect(&container, "{{json .HostConfig.LogConfig.Config}}");
    assert!(kept.contains("\"max-size\":\"1073741824\""), "{kept}");

    // Another workspace takes it by whatever name: refused.
    let image = docker_of.inspect(&container, "{{.Image}}").trim().to_owned();
    let tagged = format!("taken-{}:latest", platform.id());
    run::succeeded("docker tag", &docker(&["tag", &image, &tagged]));
    let thief = Folder::of(&[("compose.yaml", &format!("services: {{app: {{image: '{tagged}'}}}}\n"))]);
    s3.sync(thief.path(), "thief");
    let status = platform.failed("thief");
    docker(&["rmi", &tagged]);
    let message = status["deployment"]["outcome"]["message"].as_str().expect("a message").to_owned();
    assert_eq!(
        message,
        format!("compose.yaml:1:25: the image `{tagged}` is refused: it was made for workspace `built`")
    );
}
