//! Containers of workspaces do not reach the platform's own doors nor the metadata service of a cloud, whatever those
//! listen on; and the rules that see to it stay, and go with the platform.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::{Client, Folder, Platform, docker, eventually, firewall, run};

const APP: &str =
    "require('node:http').createServer((_, response) => response.end('own')).listen(process.env.PORT);\n";
const COMPOSE: &str = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n";
const METADATA: &str = "http://169.254.169.254/latest/meta-data/";
const REFUSED: &str = "ECONNREFUSED";

/// Something else of the host that answers at all its addresses: it shows that what is refused is not refused for want of
/// a way. Answers its port.
fn other_service(body: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            drop(connection.read(&mut [0; 4096]));
            drop(connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body)));
        }
    });
    port
}

/// The address by which other machines know this one. Nothing is sent.
fn own_address() -> String {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a socket");
    socket.connect(("192.0.2.200", 9)).expect("a way out");
    socket.local_addr().expect("it has an address").ip().to_string()
}

/// The doors of the platform, as name and port.
fn doors(platform: &Platform) -> Vec<(&'static str, String)> {
    let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
    let of = |name: &'static str| (name, port(&platform.variables()[name]));
    vec![of("AWS_ENDPOINT_URL"), of("CLOUDYKNIGHT_API"), ("ingest", port(platform.ingest_address()))]
}

fn push(platform: &Platform, workspace: &str, files: &[(&str, &str)]) -> String {
    platform.s3(Client::Boto3).sync(Folder::of(files).path(), workspace);
    platform.live(workspace);
    platform.docker().container_of(workspace)
}

#[test]
fn a_container_reaches_neither_the_api_nor_s3_nor_the_webhook_nor_metadata() {
    let platform = Platform::builder().open().ingest().start();
    let docker = platform.docker();
    let app = push(&platform, "app", &[("index.js", APP), ("compose.yaml", COMPOSE)]);
    let other = other_service(Vec::new());
    for host in [docker.gateway(&app), own_address()] {
        assert_eq!(
            docker.fetch(&app, &format!("http://{host}:{other}/")),
            "200",
            "the way to {host} is open"
        );
        for (door, port) in doors(&platform) {
            assert_eq!(docker.fetch(&app, &format!("http://{host}:{port}/")), REFUSED, "{door} at {host}");
        }
    }
    assert_eq!(docker.fetch(&app, METADATA), REFUSED);
    // From the host itself they all answer.
    for (door, port) in doors(&platform) {
        assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok(), "{door}");
    }
    assert_eq!(platform.get("/app"), (200, "own".to_owned()));
}

#[test]
fn what_builds_and_installs_is_kept_away_as_well() {
    let platform = Platform::builder().open().start();
    let docker = platform.docker();
    let own = own_address();
    let script = |file: &str, other: u16| {
        let mut urls: Vec<String> =
            doors(&platform)[..2].iter().map(|(_, port)| format!("http://{own}:{port}/")).collect();
        urls.extend([METADATA.to_owned(), format!("http://{own}:{other}/")]);
        format!(
            "(async () => {{ const found = []; for (const url of {urls:?})
            await fetch(url, {{ signal: AbortSignal.timeout(2000) }})
                .then(a => found.push(a.status), e => found.push(e.cause?.code ?? e.name));
            require('node:fs').writeFileSync('{file}', found.join(' ')) }})()"
        )
    };
    let expected = "ECONNREFUSED ECONNREFUSED ECONNREFUSED 200";
    let other = other_service(Vec::new());

    // A dependency that does things when it is installed, from a registry on this machine.
    let probe = script("/deps/found", other);
    let folder = Folder::of(&[
        (
            "package/package.json",
            r#"{"name": "probe", "version": "1.0.0", "scripts": {"install": "node probe.js"}}"#,
        ),
        ("package/probe.js", &probe),
    ]);
    let mut tar = Command::new("tar");
    let archive = run::run(tar.args(["-cz", "-C"]).arg(folder.path()).arg("package"));
    assert!(archive.status.success());
    let registry = other_service(archive.stdout);
    let package = format!(r#"{{"dependencies": {{"probe": "http://{own}:{registry}/probe.tgz"}}}}"#);
    let installs = push(
        &platform,
        "installs",
        &[("index.js", APP), ("package.json", &package), ("compose.yaml", COMPOSE)],
    );
    assert_eq!(docker.shell(&installs, "cat /deps/found"), expected, "a script of the installation");

    let dockerfile = "FROM workspace-node-ephemeral:latest\nCOPY probe.js /\nRUN node /probe.js\n";
    let compose = "services:\n  builds:\n    build: .\n    volumes: ['.:/workspace:ro']\n";
    let probe = script("/found", other);
    let builds = push(
        &platform,
        "builds",
        &[("index.js", APP), ("probe.js", &probe), ("Dockerfile", dockerfile), ("compose.yaml", compose)],
    );
    assert_eq!(docker.shell(&builds, "cat /found"), expected, "a step of the build");
}

#[test]
fn a_network_without_a_way_out_has_none_to_the_host_either() {
    let platform = Platform::builder().open().start();
    let docker = platform.docker();
    let compose = format!("{COMPOSE}    networks: [inside]\nnetworks:\n  inside:\n    internal: true\n");
    let app = push(&platform, "app", &[("index.js", APP), ("compose.yaml", &compose)]);
    let other = other_service(Vec::new());
    let network = docker.inspect(&app, "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}");
    let gateway =
        docker::docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &network]);
    let subnet = run::succeeded("docker network inspect", &gateway);
    let (base, last) = subnet.trim().trim_end_matches("/27").rsplit_once('.').expect("an address");
    let gateway = format!("{base}.{}", last.parse::<u8>().expect("a number") + 1);
    for host in [gateway, own_address()] {
        let answer = docker.fetch(&app, &format!("http://{host}:{other}/"));
        assert_ne!(answer, "200", "{host}");
    }
    assert_eq!(platform.get("/app"), (200, "own".to_owned()), "the edge reaches it");
}

#[test]
fn rules_that_somebody_flushed_are_put_back_and_those_of_a_stopped_platform_are_gone() {
    let platform = Platform::start();
    let rules = || firewall::of(platform.id());
    let first = rules().expect("there are rules");
    for tamper in [firewall::flush, firewall::empty] {
        tamper(platform.id());
        assert_ne!(rules().as_ref(), Some(&first));
        eventually("the rules are back", Duration::from_secs(60), || {
            (rules().as_ref() == Some(&first)).then_some(())
        });
    }
    platform.down();
    assert_eq!(rules(), None);
    platform.up();
    assert_eq!(rules(), Some(first));
}

#[test]
fn a_network_that_an_older_version_made_is_told_and_made_anew_at_the_next_deployment() {
    let platform = Platform::builder().open().start();
    let docker = platform.docker();
    let id = platform.id();
    let labels = [format!("cloudyknight.platform={id}"), "cloudyknight.workspace=app".to_owned()];
    let name = format!("cloudyknight-{id}-app-default-000000");
    let made = docker::docker(&["network", "create", "--label", &labels[0], "--label", &labels[1], &name]);
    run::succeeded("docker network create", &made);
    let finding = || {
        let output = platform.cli(&["doctor", "--json"]);
        let found: serde_json::Value = serde_json::from_str(&run::stdout(&output)).expect("JSON");
        let findings = found["findings"].as_array().expect("a list").clone();
        findings.into_iter().find(|finding| finding["check"] == "firewall").expect("it looks at the firewall")
    };
    eventually("they are told of", Duration::from_secs(60), || {
        let finding = finding();
        let told = finding["message"].as_str().is_some_and(|text| text.contains("app-default-000000"));
        (told && finding["ok"] == false).then_some(())
    });
    let app = push(&platform, "app", &[("index.js", APP), ("compose.yaml", COMPOSE)]);
    let (_, port) = doors(&platform).swap_remove(1);
    assert_eq!(docker.fetch(&app, &format!("http://{}:{port}/", own_address())), REFUSED);
    eventually("all is well", Duration::from_secs(60), || (finding()["ok"] == true).then_some(()));
}

#[test]
fn without_the_rights_to_make_rules_the_platform_works_and_says_what_is_open() {
    // A path on which `nft` is a program that may not do anything.
    let folder =
        Folder::of(&[("nft", "#!/bin/sh\necho 'netlink: Error: Operation not permitted' >&2\nexit 1\n")]);
    let program = folder.path().join("nft");
    run::succeeded("chmod", &run::run(Command::new("chmod").arg("755").arg(&program)));
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let platform = Platform::builder().variable("PATH", &path).start();
    let output = platform.cli(&["doctor"]);
    assert!(!output.status.success());
    let said = run::stdout(&output);
    assert!(
        said.contains("WRONG firewall: there is no firewall: containers can reach the platform's API"),
        "{said}"
    );
    assert!(said.contains("hint: run the agent as root, or give it the capability CAP_NET_ADMIN"), "{said}");
    push(&platform, "app", &[("index.js", APP), ("compose.yaml", COMPOSE)]);
    // Also to those who only look at what runs.
    let open = "there is no firewall: containers can reach the platform's API";
    let warnings = platform.status("app")["warnings"].to_string();
    assert!(warnings.contains(open), "{warnings}");
    let all = platform.cli(&["status"]);
    assert!(run::stderr(&all).contains(&format!("warning: {open}")), "{}", run::stderr(&all));
    assert_eq!(platform.cli_json(&["status"])["firewall"]["ok"], false);
}

#[test]
fn the_operator_may_do_without_and_is_told_what_that_means() {
    let platform = Platform::builder().setting("firewall", false).start();
    assert_eq!(firewall::of(platform.id()), None);
    let said = run::stdout(&platform.cli(&["doctor"]));
    assert!(said.contains("WRONG firewall: the firewall is off: containers can reach"), "{said}");
}
