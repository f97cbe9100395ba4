//! What the operator lets workspaces do: refused by default, allowed by patterns, and what every container gets less of
//! than Docker would give it.

use std::net::UdpSocket;
use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::{Api, Client, Folder, Platform, eventually, run};

const APP: &str =
    "require('node:http').createServer((_, response) => response.end('own')).listen(process.env.PORT);\n";
const COMPOSE: &str = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n";

fn folder(compose: &str) -> Folder {
    Folder::of(&[("index.js", APP), ("compose.yaml", compose)])
}

fn push(platform: &Platform, workspace: &str, compose: &str) -> String {
    platform.s3(Client::Boto3).sync(folder(compose).path(), workspace);
    platform.live(workspace);
    platform.docker().container_of(workspace)
}

/// The status that the API answers by the socket of a container.
#[track_caller]
fn ask(platform: &Platform, container: &str, method: &str, path: &str) -> String {
    ask_with(platform, container, method, path, "{}")
}

/// The same with a token.
#[track_caller]
fn ask_as(platform: &Platform, container: &str, method: &str, path: &str, token: &str) -> String {
    ask_with(platform, container, method, path, &format!("{{ authorization: 'Bearer {token}' }}"))
}

#[track_caller]
fn ask_with(platform: &Platform, container: &str, method: &str, path: &str, headers: &str) -> String {
    let script = format!(
        "require('node:http').request({{ socketPath: process.env.CLOUDYKNIGHT_API_SOCKET, method: '{method}',
            path: '{path}', host: 'localhost', headers: {headers} }}, a => {{ console.log(a.statusCode); a.resume() }})
            .on('error', e => console.log(e.code)).end()"
    );
    let line = format!("node -e \"{script}\"");
    platform.docker().shell(container, &line).trim().to_owned()
}

const READS: &str = "[[allow]]\nworkspaces = [\"monitor\"]\napi = \"read\"\n";

#[test]
fn through_a_dashboard_people_may_what_their_tokens_may_and_nobody_without_one() {
    let platform = Platform::start();
    let (monitor, www) = (push(&platform, "monitor", COMPOSE), push(&platform, "www", COMPOSE));
    let (list, retry) = ("/api/v1/workspaces", "/api/v1/workspaces/www/reconcile");
    let operator = platform.variables()["CLOUDYKNIGHT_TOKEN"].clone();
    assert_eq!(ask(&platform, &monitor, "GET", list), "401");
    assert_eq!(ask(&platform, &monitor, "POST", retry), "401");
    assert_eq!(ask(&platform, &monitor, "GET", "/api/v1/openapi.json"), "200");
    assert_eq!(ask_as(&platform, &monitor, "GET", list, "ckt_nobodys"), "401");
    assert_eq!(ask_as(&platform, &monitor, "GET", list, &operator), "200");
    assert_eq!(ask_as(&platform, &monitor, "POST", retry, &operator), "202");
    let api = Api::of(&platform);
    let (_, reader) = api.token(r#"{"name": "reader", "role": "read"}"#);
    assert_eq!(ask_as(&platform, &monitor, "GET", list, &reader), "200");
    assert_eq!(ask_as(&platform, &monitor, "POST", retry, &reader), "403");

    // The landing page carries nobody's token.
    for path in [list, "/api/v1/openapi.json", "/api/v1/me"] {
        assert_eq!(ask(&platform, &www, "GET", path), "403", "{path}");
        assert_eq!(ask_as(&platform, &www, "GET", path, &operator), "403", "{path}");
    }
}

#[test]
fn a_workspace_reads_the_api_by_a_socket_of_its_own_and_others_do_not() {
    let platform = Platform::builder().policy(READS).start();
    let docker = platform.docker();
    let (monitor, other) = (push(&platform, "monitor", COMPOSE), push(&platform, "other", COMPOSE));
    let retry = "/api/v1/workspaces/other/reconcile";
    assert_eq!(ask(&platform, &monitor, "GET", "/api/v1/workspaces"), "200");
    assert_eq!(ask(&platform, &monitor, "POST", retry), "403", "it may read, and not change");
    assert_eq!(ask(&platform, &monitor, "DELETE", "/api/v1/workspaces/other"), "403");
    assert!(!docker.exec(&other, "ls /run/cloudyknight").status.success(), "others have no socket");
    assert!(!docker.environment(&other).contains_key("CLOUDYKNIGHT_API_SOCKET"));
    let all = docker.inspect(&monitor, "{{json .}}");
    assert!(
        !all.contains(&platform.variables()["CLOUDYKNIGHT_TOKEN"]) && !all.contains("docker.sock"),
        "{all}"
    );

    // The file is read anew, also where it takes something back.
    platform.set_policy("[[allow]]\nworkspaces = [\"mon*\"]\napi = \"full\"\n");
    assert_eq!(ask(&platform, &monitor, "POST", retry), "202");
    platform.set_policy("");
    assert_eq!(ask(&platform, &monitor, "GET", "/api/v1/workspaces"), "403");
    platform.set_policy(READS);
    // A new agent answers at the socket that the container knows.
    platform.kill(Role::Serve);
    eventually("the API answers again", Duration::from_secs(60), || {
        (ask(&platform, &monitor, "GET", "/api/v1/workspaces") == "200").then_some(())
    });
}

#[test]
fn a_gate_of_the_firewall_opens_for_those_that_the_policy_names() {
    let policy = "[[allow]]\nworkspaces = [\"shop-*\"]\ns3 = true\nmetadata = true\n";
    let platform = Platform::builder().open().policy(policy).start();
    let docker = platform.docker();
    let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a socket");
    socket.connect(("192.0.2.200", 9)).expect("a way out");
    let own = socket.local_addr().expect("it has an address").ip().to_string();
    let door = |name: &str| {
        let port = platform.variables()[name].rsplit(':').next().expect("a port").to_owned();
        format!("http://{own}:{port}/")
    };
    let (s3, api) = (door("AWS_ENDPOINT_URL"), door("CLOUDYKNIGHT_API"));
    let metadata = "http://169.254.169.254/";
    let (shop, other) = (push(&platform, "shop-a", COMPOSE), push(&platform, "other", COMPOSE));
    let refused = "ECONNREFUSED";
    assert_eq!(docker.fetch(&shop, &s3), "403", "S3 answers, and wants a signature");
    assert_ne!(docker.fetch(&shop, metadata), refused);
    assert_eq!(docker.fetch(&shop, &api), refused, "the API is another gate");
    for url in [s3.as_str(), metadata, &api] {
        assert_eq!(docker.fetch(&other, url), refused, "{url}");
    }
    platform.set_policy("");
    eventually("what was taken back is refused", Duration::from_secs(60), || {
        (docker.fetch(&shop, &s3) == refused).then_some(())
    });
}

#[test]
fn what_was_refused_goes_live_once_the_operator_allows_it_and_for_others_stays_refused() {
    let platform = Platform::start();
    let compose = format!("{COMPOSE}    cap_add: [NET_ADMIN]\n");
    for workspace in ["shop-a", "other"] {
        platform.s3(Client::Boto3).sync(folder(&compose).path(), workspace);
        let status = platform.failed(workspace);
        let outcome = &status["deployment"]["outcome"];
        let message = outcome["message"].as_str().expect("a message");
        assert!(
            message.starts_with("compose.yaml:4:15: adding the capability `NET_ADMIN` is refused"),
            "{message}"
        );
        let hint = outcome["hint"].as_str().expect("a hint");
        assert!(hint.contains(&platform.home().join("policy.toml").display().to_string()), "{hint}");
    }
    platform.set_policy("[[allow]]\nworkspaces = [\"shop-*\"]\ncapabilities = [\"NET_ADMIN\"]\n");
    run::succeeded("cloudyknight retry", &platform.cli(&["retry", "shop-a"]));
    let container = platform.docker().container_of("shop-a");
    assert_eq!(platform.docker().inspect(&container, "{{.HostConfig.CapAdd}}"), "[NET_ADMIN]");
    assert!(!platform.cli(&["retry", "other"]).status.success());

    let told = platform.cli_json(&["policy", "shop-a"]);
    assert_eq!(told["grants"][0]["permission"], "capabilities", "{told}");
    assert_eq!(told["grants"][0]["line"], 1, "{told}");
    assert_eq!(platform.cli_json(&["policy", "other"])["grants"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_policy_with_a_mistake_is_told_with_its_line_and_the_one_before_holds() {
    let platform = Platform::start();
    platform.set_policy("[[allow]]\nworkspaces = [\"*\"]\nprivilegd = true\n");
    let said = run::stdout(&platform.cli(&["doctor"]));
    assert!(
        said.contains("WRONG policy: ") && said.contains("policy.toml, line 3: unknown field `privilegd`"),
        "{said}"
    );
    assert!(!platform.cli(&["policy"]).status.success());
    platform.down();
    let output = platform.try_up();
    assert!(!output.status.success());
    assert!(run::stderr(&output).contains("line 3: unknown field `privilegd`"), "{}", run::stderr(&output));
    platform.set_policy("");
    platform.up();
}

#[test]
fn containers_have_less_than_docker_gives_and_ordinary_images_run_with_it() {
    let platform = Platform::start();
    let docker = platform.docker();
    let status = |container: &str, field: &str| {
        docker.shell(container, &format!("grep ^{field}: /proc/1/status | cut -f2")).trim().to_owned()
    };
    let runtime = push(&platform, "runtime", COMPOSE);
    assert_eq!(status(&runtime, "NoNewPrivs"), "1");
    assert_eq!(status(&runtime, "CapBnd"), "0000000000000000", "a runtime image gets none");
    let limits = docker.inspect(&runtime, "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}");
    assert_eq!(limits, format!("{} 2048", 2_u64 << 30));

    // As a server does that starts as root: it takes files over, binds a low port, and goes on as somebody else.
    let dockerfile = "FROM workspace-node-ephemeral:latest\nRUN mkdir /data && touch /data/log && chown 7:7 /data\n\
                      COPY server.js /\nENTRYPOINT []\nCMD [\"node\", \"/server.js\"]\n";
    let server = "const fs = require('node:fs');
        fs.chownSync('/data/log', 33, 33); fs.chmodSync('/data', 0o711); fs.writeFileSync('/data/new', 'x');
        require('node:http').createServer((_, response) => response.end(String(process.getuid()))).listen(80, () => {
            process.setgroups([]); process.setgid(33); process.setuid(33);
        });\n";
    let compose = "services:\n  app:\n    build: .\n    expose: [80]\n";
    let folder = Folder::of(&[("Dockerfile", dockerfile), ("server.js", server), ("compose.yaml", compose)]);
    platform.s3(Client::Boto3).sync(folder.path(), "ordinary");
    platform.live("ordinary");
    assert_eq!(platform.get("/ordinary"), (200, "33".to_owned()));
    let ordinary = docker.container_of("ordinary");
    assert_eq!(status(&ordinary, "NoNewPrivs"), "1");
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT.
    assert_eq!(status(&ordinary, "CapBnd"), "00000000000405fb");
}
