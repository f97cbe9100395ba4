//! The runtime images keep their contract (`docker/README.md`) by themselves, before an agent stands on it: what they
//! start and serve, what they install, what they leave behind. Real containers, no network.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const NODE: &str = "workspace-node-ephemeral:latest";
const STATIC: &str = "workspace-static-ephemeral:latest";
const PYTHON: &str = "workspace-python-ephemeral:latest";

#[test]
fn labels_say_what_the_agent_needs_to_know() {
    check(
        NODE,
        &[
            ("runtime", "node"),
            ("source", "/workspace"),
            ("app", "/app"),
            ("port", "3000"),
            ("dependencies.files", "package.json package-lock.json npm-shrinkwrap.json .npmrc"),
            ("dependencies.path", "/deps"),
            ("dependencies.install", "workspace-install"),
        ],
    );
    check(STATIC, &[("runtime", "static"), ("source", "/workspace"), ("app", ""), ("port", "8080")]);
    check(
        PYTHON,
        &[
            ("runtime", "python"),
            ("source", "/workspace"),
            ("app", "/app"),
            ("port", "8000"),
            ("dependencies.files", "requirements.txt"),
            ("dependencies.path", "/deps"),
            ("dependencies.install", "workspace-install"),
        ],
    );

    fn check(image: &str, labels: &[(&str, &str)]) {
        for (label, expected) in labels {
            let format = format!("{{{{index .Config.Labels \"cloudyknight.{label}\"}}}}");
            let output = docker(&["image", "inspect", "--format", &format, image]);
            assert_eq!(stdout(&output).trim(), *expected, "label {label} of {image}");
        }
    }
}

#[test]
fn node_starts_what_npm_start_would() {
    let show = ("a.js", "console.log('a', ...process.argv.slice(2))");
    check(&[("index.js", "console.log('index')")], "index\n");
    check(&[("server.js", "console.log('server')")], "server\n");
    check(&[show, ("package.json", r#"{"scripts":{"start":"node a.js -p 3"}}"#)], "a -p 3\n");
    check(&[show, ("package.json", r#"{"scripts":{"start":"X='b c' && node a.js \"$X\""}}"#)], "a b c\n");
    // As .NET and Go write `&&`.
    check(&[show, ("package.json", r#"{"scripts":{"start":"X=1 \u0026\u0026 node a.js $X"}}"#)], "a 1\n");
    check(
        &[show, ("package.json", r#"{"scripts":{"prestart":"echo first","start":"node a.js"}}"#)],
        "first\na\n",
    );
    check(&[show, ("package.json", r#"{"main":"a"}"#)], "a\n");
    check(&[("lib/index.js", "console.log('lib')"), ("package.json", r#"{"main":"./lib"}"#)], "lib\n");
    check(&[("index.js", "console.log('index')"), ("package.json", r#"{"main":"gone.js"}"#)], "index\n");
    // Only the start script that npm itself would see counts.
    let decoys = r#"{"config":{"scripts":{"start":"false"},"start":"false"},"x":[{"main":"no"}],
        "description":"\"scripts\":{\"start\":\"false\"}","start":"false",
        "scripts" : { "test": "false",
            "start" : "node a.js it's" }}"#;
    check(&[show, ("package.json", &decoys.replace("it's", "its"))], "a its\n");
    check(
        &[("package.json", r#"{"type":"module"}"#), ("index.js", "import 'node:fs'; console.log('esm')")],
        "esm\n",
    );

    fn check(files: &[(&str, &str)], expected: &str) {
        let output = run(NODE, &workspace(files), &[]);
        assert_eq!(stdout(&output), expected, "{files:?}: {}", stderr(&output));
    }
}

#[test]
fn python_starts_the_app_where_it_is() {
    let check = |files: &[(&str, &str)], expected: &str| {
        let output = run(PYTHON, &workspace(files), &[]);
        assert_eq!(stdout(&output), expected, "{files:?}: {}", stderr(&output));
    };
    let where_it_is = "import os, sys; print(os.getcwd(), os.environ['PORT'], sys.argv[0])";
    check(&[("app.py", where_it_is), ("main.py", "")], "/app 8000 app.py\n");
    check(
        &[("main.py", "import sqlite3, ssl, json; print('main')"), ("requirements.txt", "# none\n\n")],
        "main\n",
    );
    check(
        &[("server.py", "from lib import name; print(name)"), ("lib/__init__.py", "name = 'lib'")],
        "lib\n",
    );
    for files in [&[][..], &[("requirements.txt", "")]] {
        let output = run(PYTHON, &workspace(files), &[]);
        assert_eq!(output.status.code(), Some(66), "{files:?}");
        assert!(stderr(&output).contains("hint: "), "{files:?}: {}", stderr(&output));
    }
}

/// Makes a package that needs nobody's registry: one module, and one command.
const WHEEL: &str = "import zipfile
info = 'greet-1.0.dist-info/'
with zipfile.ZipFile('/tmp/greet-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('greet.py', 'def main(): print(\"greetings\")')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: greet\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\ngreet = greet:main\\n')
    wheel.writestr(info + 'RECORD', '')
";

#[test]
fn python_finds_the_modules_and_the_commands_that_were_installed() {
    let source = workspace(&[
        ("wheel.py", WHEEL),
        ("requirements.txt", "/tmp/greet-1.0-py3-none-any.whl\n"),
        ("app.py", "import subprocess, greet; greet.main(); subprocess.run(['greet'])"),
    ]);
    let script =
        "python3 /workspace/wheel.py && workspace-install && ls -A /deps && python3 /workspace/app.py";
    let output = install_in(PYTHON, &source, script);
    let told = stdout(&output);
    assert!(told.ends_with("greetings\ngreetings\n"), "{told}{}", stderr(&output));
    assert!(told.contains("greet.py\n") && !told.contains("requirements"), "{told}");
    let missing = workspace(&[("requirements.txt", "no-such-package-of-anybody==1\n")]);
    let output = install_in(PYTHON, &missing, "workspace-install");
    assert!(
        !output.status.success() && stderr(&output).contains("no-such-package-of-anybody"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_command_runs_where_the_app_would() {
    let source = workspace(&[("b.js", "console.log(process.cwd(), process.env.PORT)")]);
    assert_eq!(stdout(&run(NODE, &source, &["node", "b.js"])), "/app 3000\n");
}

#[test]
fn nothing_to_start_says_what_to_push() {
    for files in [&[][..], &[("package.json", "{}")], &[("readme.md", "")]] {
        let output = run(NODE, &workspace(files), &[]);
        assert_eq!(output.status.code(), Some(66), "{files:?}");
        assert!(stderr(&output).contains("hint: "), "{files:?}: {}", stderr(&output));
    }
}

#[test]
fn the_app_itself_receives_the_stop_signal() {
    let app =
        "process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); console.log('ready')";
    let python =
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('ready')
while True: time.sleep(1)";
    ends_by_itself(PYTHON, &workspace(&[("app.py", python)]), "app.py");
    for start in ["node index.js", "NAME='a b' node index.js", "cd . && node index.js"] {
        let package = format!(r#"{{"scripts":{{"start":"{start}"}}}}"#);
        let source = workspace(&[("index.js", app), ("package.json", &package)]);
        ends_by_itself(NODE, &source, start);
    }

    fn ends_by_itself(image: &str, source: &TempDir, start: &str) {
        let container = Container::start(image, source, &["--network", "none"]);
        wait_until("the app is ready", || stdout(&docker(&["logs", &container.0])).contains("ready"));
        docker(&["stop", "--time", "20", &container.0]);
        assert_eq!(container.inspect("{{.State.ExitCode}}"), "7", "{start}");
    }
}

#[test]
fn an_install_of_nothing_needs_no_network() {
    for package in ["{}", r#"{"dependencies":{}}"#, r#"{"devDependencies":{"left-pad":"1"}}"#] {
        let output = install(&workspace(&[("package.json", package)]), "workspace-install && ls -A /deps");
        assert_eq!(stdout(&output), "node_modules\n", "{package}: {}", stderr(&output));
    }
}

#[test]
fn an_install_leaves_no_credentials_behind_even_when_it_fails() {
    let source = workspace(&[
        ("package.json", r#"{"dependencies":{"left-pad":"1.3.0"}}"#),
        (".npmrc", "//registry.example/:_authToken=secret\nfetch-retries=0\n"),
    ]);
    let output = install(&source, "workspace-install || ls -A /deps && echo failed");
    assert!(
        ["failed\n", "node_modules\nfailed\n"].contains(&stdout(&output).as_str()),
        "{}",
        stdout(&output)
    );
    assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
}

#[test]
fn a_dependency_on_a_folder_of_the_workspace_is_refused_with_a_hint() {
    for version in ["file:./lib", "./lib", "link:../lib"] {
        let package = format!(r#"{{"dependencies":{{"lib":"{version}"}}}}"#);
        let output = run(NODE, &workspace(&[("package.json", &package), ("index.js", "")]), &[]);
        assert_eq!(output.status.code(), Some(65), "{version}");
        assert!(stderr(&output).contains("hint: "), "{version}: {}", stderr(&output));
    }
}

#[test]
fn static_serves_the_site_and_nothing_that_configures_it() {
    let source = workspace(&[
        ("index.html", "home"),
        ("404.html", "not here"),
        ("m.mjs", ""),
        ("posts/index.html", "posts"),
        ("sp ace/index.html", "space"),
        ("empty/x.txt", "x"),
        (".env", "secret"),
        (".git/config", "secret"),
        ("docker-compose.yml", "secret"),
        ("sub/compose.override.yaml", "secret"),
        (".well-known/security.txt", "contact"),
    ]);
    let container = Container::start(STATIC, &source, &[]);
    let address = container.inspect("{{.NetworkSettings.IPAddress}}");
    wait_until("it listens", || TcpStream::connect((address.as_str(), 8080)).is_ok());

    let check = |path: &str, status: u16, contained: &str| {
        let answer = get(&address, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(contained), "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}: {answer}");
    };
    check("/", 200, "\r\n\r\nhome");
    check("/", 200, "\r\nCache-Control: no-cache\r\n");
    check("/", 200, "\r\nETag: ");
    check("/m.mjs", 200, "\r\nContent-Type: application/javascript");
    // Relative, because nobody tells it below which path it is reached.
    check("/posts?q=1", 301, "\r\nLocation: ./posts/?q=1\r\n");
    check("/sp%20ace", 301, "\r\nLocation: ./sp%20ace/\r\n");
    check("//evil.example/..//posts", 301, "\r\nLocation: ./posts/\r\n");
    check("/posts/", 200, "\r\n\r\nposts");
    check("/.well-known/security.txt", 200, "\r\n\r\ncontact");
    for hidden in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/docker-compose.yml",
        "/Docker-Compose.YML",
        "/sub/compose.override.yaml",
    ] {
        check(hidden, 404, "\r\n\r\nnot here");
    }
    check("/empty/", 404, "\r\n\r\nnot here");
    check("/none", 404, "\r\n\r\nnot here");
    check("/../etc/passwd", 400, "");

    docker(&["stop", "--time", "20", &container.0]);
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0");
}

/// A folder with these files, readable by any user of a container.
fn workspace(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("its mode");
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is inside the folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
    folder
}

/// As strict as an operator may be: nothing but the app's own folder can be written to.
fn options(source: &TempDir) -> Vec<String> {
    let mount = format!("{}:/workspace:ro", source.path().display());
    [
        "--init",
        "--read-only",
        "--tmpfs",
        "/app:exec",
        "--tmpfs",
        "/deps:exec",
        "--tmpfs",
        "/tmp",
        "--volume",
        &mount,
    ]
    .map(String::from)
    .to_vec()
}

fn run(image: &str, source: &TempDir, command: &[&str]) -> Output {
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--network", "none"]).args(options(source)).arg(image).args(command);
    docker.stdin(Stdio::null()).output().expect("docker runs")
}

/// The way the agent installs: without the preparation of a start.
fn install(source: &TempDir, script: &str) -> Output {
    install_in(NODE, source, script)
}

fn install_in(image: &str, source: &TempDir, script: &str) -> Output {
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--network", "none", "--entrypoint", "sh"]).args(options(source));
    docker.args([image, "-c", script]).stdin(Stdio::null()).output().expect("docker runs")
}

struct Container(String);

impl Container {
    fn start(image: &str, source: &TempDir, extra: &[&str]) -> Self {
        let mut docker = Command::new("docker");
        docker.args(["run", "--detach"]).args(options(source)).args(extra).arg(image);
        let output = docker.output().expect("docker runs");
        assert!(output.status.success(), "{}", stderr(&output));
        Self(stdout(&output).trim().to_owned())
    }

    fn inspect(&self, format: &str) -> String {
        stdout(&docker(&["inspect", "--format", format, &self.0])).trim().to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).stdin(Stdio::null()).output().expect("docker runs")
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect((address, 8080)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in UTF-8");
    answer
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 30 s in vain until {what}");
        std::thread::yield_now();
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
