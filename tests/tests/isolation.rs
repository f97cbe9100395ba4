//! Promises 7 and 8: source is immutable to its app, workspaces reach neither each other nor the bucket, and nothing of
//! what was pushed rests on the host's disk outside of the store.

use std::net::TcpListener;
use std::process::Command;

use cloudyknight_agent::engine::Engine;
use cloudyknight_tests::{Client, Folder, Platform, docker, http, run};

const APP: &str =
    "require('node:http').createServer((_, response) => response.end('own')).listen(process.env.PORT);\n";

/// A service with its source below `/workspace`, which needs no package.json.
fn app(name: &str) -> Folder {
    let compose = format!(
        "services:\n  {name}:\n    image: workspace-node-ephemeral:latest\n    volumes: ['.:/workspace:ro']\n"
    );
    Folder::of(&[("index.js", APP), ("compose.yaml", &compose)])
}

#[test]
fn source_is_immutable_to_its_app_whatever_the_compose_file_says() {
    let platform = Platform::start();
    let docker = platform.docker();
    let app = app("alpha");
    // Asked for as writable.
    app.replace("compose.yaml", ":/workspace:ro", ":/workspace");
    let s3 = platform.s3(Client::Boto3);
    s3.sync(app.path(), "alpha");
    platform.live("alpha");
    let container = docker.container_of("alpha");
    assert_eq!(docker.shell(&container, "id -u"), "0\n", "not even root may");
    for attempt in [
        "touch /workspace/new",
        "echo 1 >> /workspace/index.js",
        "rm /workspace/index.js",
        "mount -o remount,rw /workspace",
        "umount /workspace",
    ] {
        let output = docker.exec(&container, attempt);
        assert!(!output.status.success(), "{attempt}");
    }
    assert_eq!(docker.shell(&container, "cat /workspace/index.js"), APP);
    // Where the app runs it may write, and nobody but this container ever sees it.
    docker.shell(&container, "echo mine > /app/new && rm /app/index.js");
    assert_eq!(s3.ls("alpha/"), ["alpha/compose.yaml", "alpha/index.js"]);
    assert_eq!(platform.get("/alpha"), (200, "own".to_owned()));
}

#[test]
fn a_workspace_reaches_no_other_and_holds_no_credentials() {
    let platform = Platform::start();
    let docker = platform.docker();
    for name in ["alpha", "beta"] {
        platform.s3(Client::Boto3).sync(app(name).path(), name);
        platform.live(name);
    }
    let (alpha, beta) = (docker.container_of("alpha"), docker.container_of("beta"));
    let name = docker.inspect(&alpha, "{{.Name}}");
    let address = docker.inspect(&alpha, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let reaches = |from: &str, host: &str, port: &str| {
        let probe = format!(
            "node -e \"fetch('http://{host}:{port}/', {{signal: AbortSignal.timeout(2000)}})
            .then(a => a.text()).then(console.log, e => {{ console.error(String(e)); process.exit(1) }})\""
        );
        docker.exec(from, &probe).status.success()
    };
    // The probe works where it may.
    for host in ["alpha", name.trim_start_matches('/'), &address] {
        assert!(reaches(&alpha, host, "3000"), "it reaches itself at {host}");
        assert!(!reaches(&beta, host, "3000"), "another reaches it at {host}");
    }
    // Nor what listens on the loopback of the host: S3 and the API.
    for variable in ["AWS_ENDPOINT_URL", "CLOUDYKNIGHT_API"] {
        let port = platform.variables()[variable].rsplit(':').next().expect("a port");
        let gateway = docker.inspect(&beta, "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}");
        assert!(!reaches(&beta, &gateway, port), "{variable}");
    }
    for container in [&alpha, &beta] {
        let all = docker.inspect(container, "{{json .}}")
            + &docker.shell(container, "cat /proc/*/environ | tr '\\0' '\\n'");
        assert!(all.contains("PORT="), "the look shows the environment");
        for secret in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "CLOUDYKNIGHT_TOKEN"] {
            assert!(!all.contains(&platform.variables()[secret]), "{secret} is in a container");
            assert!(!docker.environment(container).contains_key(secret), "{secret}");
        }
    }
    // Nor does a container see the source of another, or the folder they lie in.
    let mounts = docker.shell(&beta, "cat /proc/self/mountinfo");
    assert!(mounts.contains("/beta."), "the look shows its own: {mounts}");
    assert!(!mounts.contains("/alpha."), "{mounts}");
}

#[test]
fn a_network_that_several_deployments_want_at_once_is_made_once() {
    let platform = format!("{:08x}", std::process::id());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for _ in 0..5 {
        let engine = Engine::new(None, platform.clone());
        let made = runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let engine = engine.clone();
                all.spawn(async move { engine.ensure_build_network([10, 214]).await.map(drop) });
            }
            all.join_all().await
        });
        let label = format!("label=cloudyknight.platform={platform}");
        let networks = docker::docker(&["network", "ls", "--quiet", "--filter", &label]);
        let networks = run::stdout(&networks);
        let networks: Vec<&str> = networks.lines().collect();
        for network in &networks {
            docker::docker(&["network", "rm", network]);
        }
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        assert_eq!(networks.len(), 1);
    }
}

#[test]
fn a_published_port_is_open_to_other_workspaces_unless_it_is_of_the_loopback_address() {
    let platform = Platform::start();
    let docker = platform.docker();
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let (open, closed) = (free(), free());
    for (name, ports) in [
        ("open", format!("['{open}:3000']")),
        ("closed", format!("['127.0.0.1:{closed}:3000']")),
        ("other", "[]".to_owned()),
    ] {
        let lines = format!(
            "    image: workspace-node-ephemeral:latest\n    volumes: ['.:/workspace:ro']\n    ports: {ports}\n"
        );
        let compose = format!("services:\n  {name}:\n{lines}");
        let folder = Folder::of(&[("index.js", APP), ("compose.yaml", &compose)]);
        platform.s3(Client::Boto3).sync(folder.path(), name);
        platform.live(name);
    }
    let other = docker.container_of("other");
    let at = |port: u16| docker.fetch(&other, &format!("http://{}:{port}/", docker.gateway(&other)));
    assert_eq!(at(open), "200");
    assert_eq!(at(closed), "ECONNREFUSED");
    for port in [open, closed] {
        let address = format!("127.0.0.1:{port}");
        assert_eq!(http::get(&address, &address, "/").expect("an answer").body, "own");
    }
}

#[test]
fn nothing_that_was_pushed_rests_on_the_disk_outside_of_the_store() {
    let platform = Platform::start();
    let docker = platform.docker();
    let marker = |what: &str| format!("{what}-{}-{:?}", platform.id(), std::time::SystemTime::now());
    let marker = |what: &str| marker(what).replace(|c: char| !c.is_ascii_alphanumeric(), "x");
    let (pushed, written) = (marker("pushed"), marker("written"));
    let app = Folder::of(&[
        ("index.js", APP),
        (
            "package.json",
            &format!(r#"{{"description": "{pushed}", "dependencies": {{"is-number": "7.0.0"}}}}"#),
        ),
        ("data/marker.txt", &pushed),
    ]);
    platform.s3(Client::Boto3).sync(app.path(), "secret");
    platform.live("secret");
    let container = docker.container_of("secret");
    for place in ["/workspace/data/marker.txt", "/app/data/marker.txt", "/workspace/package.json"] {
        assert!(docker.shell(&container, &format!("cat {place}")).contains(&pushed), "{place}");
    }
    // A second release, so that what the first left behind would be found as well.
    platform.s3(Client::Boto3).cp(&app.write("data/more.txt", &pushed), "secret/data/more.txt");
    platform.live("secret");
    let container = docker.containers_of("secret").into_iter().find(|(name, _)| !name.contains(".retired-"));
    let (_, container) = container.expect("it runs");
    // What an app itself writes to the disk is found: the search works.
    docker.shell(&container, &format!("echo {written} > /var/written && sync /var/written"));
    let root = docker::data_root();
    let home = platform.home().display().to_string();
    let found = |marker: &str| -> Vec<String> {
        let mut grep = Command::new("grep");
        grep.args(["-rlaFs", "--exclude-dir=merged", "--exclude-dir=store", marker, &root, &home]);
        let output = run::run(&mut grep);
        run::stdout(&output).lines().map(str::to_owned).collect()
    };
    assert_eq!(found(&written).len(), 1);
    assert_eq!(found(&pushed), Vec::<String>::new());
}
