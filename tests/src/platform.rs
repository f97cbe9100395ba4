//! A platform of its own for one test: own home, own addresses, the built binary. When the test is done it is told to
//! go, and whatever it leaves behind is a failure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::addresses::Addresses;
use crate::backend::Backend;
use crate::client::{self, Client, S3};
use crate::docker::Docker;
use crate::http::{self, Answer, Connection};
use crate::leftovers::{self, Traces};
use crate::run::{run, stderr, stdout, succeeded};
use crate::wait::eventually;

pub struct Platform {
    binary: PathBuf,
    home: PathBuf,
    addresses: Addresses,
    environment: Vec<(String, String)>,
    /// What `cloudyknight env` says.
    variables: BTreeMap<String, String>,
    docker: Docker,
    /// The home of the S3 clients, with nothing in it.
    clients: TempDir,
}

/// The processes of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Keeps the other two alive.
    Run,
    /// S3, queues, functions, agent, API.
    Serve,
    Edge,
    /// Keeps the mounted folder.
    Mount,
}

#[derive(Default)]
pub struct Builder {
    settings: String,
    tables: String,
    environment: Vec<(String, String)>,
    store: Option<PathBuf>,
    ingest: bool,
    open: bool,
    policy: Option<String>,
}

/// How long `wait` waits: longer than a first installation of dependencies takes on a busy machine.
const PATIENCE: &str = "180";

impl Platform {
    /// One with the default settings.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs the binary for this platform.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        run(&mut self.cli_command(arguments))
    }

    /// The binary for this platform, to be run as the test likes.
    pub fn cli_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.binary);
        command.args(arguments);
        command
    }

    /// What the binary prints as JSON; it must succeed.
    #[track_caller]
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat());
        parse(&succeeded(&format!("cloudyknight {}", arguments.join(" ")), &output))
    }

    pub fn status(&self, workspace: &str) -> Value {
        self.cli_json(&["status", workspace])
    }

    /// Waits until the bucket's release is live, and answers the status. A failed one is a failure of the test.
    #[track_caller]
    pub fn live(&self, workspace: &str) -> Value {
        let output = self.cli(&["wait", workspace, "--timeout", PATIENCE, "--json"]);
        let status = parse(&succeeded(&format!("waiting for `{workspace}`"), &output));
        assert_eq!(status["state"], "live", "{status:#}");
        status
    }

    /// Waits until the bucket's release has failed, and answers the status; `wait` must say so by its exit code.
    #[track_caller]
    pub fn failed(&self, workspace: &str) -> Value {
        let output = self.cli(&["wait", workspace, "--timeout", PATIENCE, "--json"]);
        let (out, err) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "`wait` on a broken release: {out}{err}");
        let status = parse(&out);
        assert_eq!(status["deployment"]["outcome"]["result"], "failed", "{status:#}");
        status
    }

    /// Waits until nothing of the workspace is left.
    #[track_caller]
    pub fn removed(&self, workspace: &str) {
        let output = self.cli(&["wait", workspace, "--timeout", PATIENCE, "--json"]);
        let status = parse(&succeeded(&format!("waiting for the end of `{workspace}`"), &output));
        assert_eq!(status["state"], "removed", "{status:#}");
    }

    /// The bucket `workspaces`, through one of the real clients.
    pub fn s3(&self, client: Client) -> S3 {
        S3::new(client, &self.variables, self.clients.path())
    }

    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The id that the labels of its containers bear.
    pub fn id(&self) -> &str {
        &self.variables["CLOUDYKNIGHT_PLATFORM"]
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where it keeps the source of what runs, in memory.
    pub fn source_dir(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("cloudyknight-{}", self.id()))
    }

    /// What `cloudyknight env` says: endpoints and credentials.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The edge as people call it, such as `http://localhost:20123`.
    pub fn url(&self) -> &str {
        &self.variables["CLOUDYKNIGHT_URL"]
    }

    /// A path of the edge, as people call it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// The edge's host and port, as a `Host` header.
    pub fn host(&self) -> &str {
        self.url().strip_prefix("http://").expect("the edge speaks HTTP")
    }

    /// The address that the edge listens on.
    pub fn edge_address(&self) -> &str {
        &self.addresses.edge
    }

    /// The port of the edge, with its colon: what follows a host name in a URL.
    pub fn edge_port(&self) -> &str {
        self.edge_address().strip_prefix("127.0.0.1").expect("it listens on the loopback")
    }

    /// What the edge answers, as status and body.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_as(self.host(), path)
    }

    /// The same for another host than the edge's own.
    #[track_caller]
    pub fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let answer = http::get(self.edge_address(), host, path);
        let Answer { status, body, .. } =
            answer.unwrap_or_else(|error| panic!("GET {path} at {host}: {error}"));
        (status, body)
    }

    /// Where it takes the notifications of other servers, if it was asked to.
    pub fn ingest_address(&self) -> &str {
        &self.addresses.ingest
    }

    /// A connection to the edge.
    pub fn connection(&self) -> std::io::Result<Connection> {
        Connection::open(self.edge_address())
    }

    /// Starts it (again). The home and the addresses stay the same.
    #[track_caller]
    pub fn up(&self) {
        let output = self.try_up();
        succeeded("cloudyknight up", &output);
    }

    /// The same, and it may fail.
    pub fn try_up(&self) -> Output {
        self.cli(&self.starting())
    }

    /// Starts it as the last words of another program's command line.
    pub fn try_up_within(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(Path::new(program));
        run(command.args(arguments).arg(&self.binary).args(self.starting()))
    }

    fn starting(&self) -> [&str; 7] {
        let Addresses { s3, edge, api, .. } = &self.addresses;
        ["up", "--s3-listen", s3, "--edge-listen", edge, "--api-listen", api]
    }

    /// Asks it for its endpoints and its id, once it is up.
    #[track_caller]
    pub fn learn(&mut self) {
        let variables = self.cli_json(&["env"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.variables = variables
            .as_object()
            .expect("an object of variables")
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        self.docker = Docker::of(self.id());
    }

    /// Changes one of its settings, for the next start.
    #[track_caller]
    pub fn configure(&self, name: &str, value: impl Display) {
        let path = self.home.join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let others = text.lines().filter(|line| !line.starts_with(&format!("{name} = ")));
        let lines: Vec<String> =
            std::iter::once(format!("{name} = {value}")).chain(others.map(str::to_owned)).collect();
        std::fs::create_dir_all(&self.home).expect("the home is made");
        std::fs::write(&path, lines.join("\n") + "\n").expect("the settings are written");
    }

    /// Puts another policy in the place of the one there is.
    #[track_caller]
    pub fn set_policy(&self, text: &str) {
        std::fs::create_dir_all(&self.home).expect("the home is made");
        std::fs::write(self.home.join("policy.toml"), text).expect("the policy is written");
    }

    /// Stops it; data stays.
    #[track_caller]
    pub fn down(&self) {
        succeeded("cloudyknight down", &self.cli(&["down"]));
    }

    /// The process that plays a role now.
    pub fn process(&self, role: Role) -> Pid {
        let file = match role {
            Role::Run => "run.lock",
            Role::Serve => "serve.lock",
            Role::Edge => "edge.lock",
            Role::Mount => "mount.lock",
        };
        let path = self.home.join("run").join(file);
        eventually("a process says its id", Duration::from_secs(10), || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.trim().parse().ok().and_then(Pid::from_raw)
        })
    }

    /// Ends a process without a word (SIGKILL), and answers which it was.
    #[track_caller]
    pub fn kill(&self, role: Role) -> Pid {
        self.signal(role, Signal::KILL)
    }

    /// Asks a process to end in order (SIGTERM), and answers which it was.
    #[track_caller]
    pub fn end(&self, role: Role) -> Pid {
        self.signal(role, Signal::TERM)
    }

    fn signal(&self, role: Role, signal: Signal) -> Pid {
        let process = self.process(role);
        kill_process(process, signal).unwrap_or_else(|error| panic!("ending {role:?}: {error}"));
        process
    }

    /// A folder to mount its workspaces at, which is gone with it.
    pub fn mount_dir(&self) -> PathBuf {
        self.clients.path().join("workspaces")
    }

    /// Where its workspaces are mounted now.
    pub fn mounts(&self) -> Vec<String> {
        leftovers::mounts(self.id())
    }

    /// How many deployments its history tells of.
    #[track_caller]
    pub fn deployments_of(&self, workspace: &str) -> usize {
        let history = self.cli_json(&["history", workspace]);
        history["deployments"].as_array().map_or(0, Vec::len)
    }

    /// All that its processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log/platform.log")).unwrap_or_default()
    }

    /// A command without the settings and credentials of other platforms.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let other = name.to_str().is_some_and(|name| {
                ["CLOUDYKNIGHT_", "AWS_", "RCLONE_"].iter().any(|prefix| name.starts_with(prefix))
            });
            if other {
                command.env_remove(name);
            }
        }
        command.env("CLOUDYKNIGHT_HOME", &self.home);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Builder {
    /// A setting of `config.toml`, its value in TOML: `.setting("quiet_ms", 50)`, `.setting("domain", "\"a.example\"")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push_str(&format!("{name} = {value}\n"));
        self
    }

    /// Stands on this.
    #[must_use]
    pub fn backend(mut self, backend: &Backend) -> Self {
        for (name, value) in backend.settings() {
            self = self.setting(&name, value);
        }
        for (name, value) in backend.variables() {
            self = self.variable(name, value);
        }
        self
    }

    /// Takes the notifications of other servers.
    #[must_use]
    pub fn ingest(mut self) -> Self {
        self.ingest = true;
        self
    }

    /// S3, the API and the webhook listen on all addresses of the machine: whatever keeps a container from them then is
    /// not that they are on the loopback.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The operator's policy.
    #[must_use]
    pub fn policy(mut self, text: &str) -> Self {
        self.policy = Some(text.to_owned());
        self
    }

    /// A table of `config.toml`, such as `[variables]` and what follows.
    #[must_use]
    pub fn table(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// A variable for the processes of the platform.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Begins with a store that another platform left: a copy of its folder.
    #[must_use]
    pub fn store(mut self, from: &Path) -> Self {
        self.store = Some(from.to_owned());
        self
    }

    /// With the rclone that test.sh installs: one on the path may be too old to mount with.
    #[must_use]
    pub fn rclone(self) -> Self {
        let rclone = client::find("rclone");
        self.variable("CLOUDYKNIGHT_RCLONE", rclone.to_str().expect("paths of tests are UTF-8"))
    }

    #[track_caller]
    pub fn start(self) -> Platform {
        let mut platform = self.prepare();
        platform.up();
        platform.learn();
        platform
    }

    /// All but the start.
    pub fn prepare(self) -> Platform {
        // Short, because sockets lie in it, and their paths may not be long.
        let home =
            tempfile::Builder::new().prefix("ck-").tempdir_in("/tmp").expect("a temporary folder").keep();
        let mut addresses = Addresses::claim();
        if self.open {
            addresses.open();
        }
        let mut settings = self.settings;
        if self.ingest {
            settings.push_str(&format!("ingest_listen = {:?}\n", addresses.ingest));
        }
        let config = format!("{settings}{}", self.tables);
        if !config.is_empty() {
            std::fs::write(home.join("config.toml"), config).expect("the settings are written");
        }
        if let Some(policy) = &self.policy {
            std::fs::write(home.join("policy.toml"), policy).expect("the policy is written");
        }
        if let Some(store) = &self.store {
            succeeded(
                "copying the store",
                &run(Command::new("cp").arg("-R").arg(store).arg(home.join("store"))),
            );
        }
        // For most of them the platform makes its home itself, as for everybody who starts it for the first time.
        let _ = std::fs::remove_dir(&home);
        Platform {
            binary: binary(),
            home,
            addresses,
            environment: self.environment,
            variables: BTreeMap::new(),
            docker: Docker::of("unknown"),
            clients: tempfile::tempdir().expect("a temporary folder"),
        }
    }
}

/// The one that was built: test.sh says where, and cargo's own place is where it is otherwise.
fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/cloudyknight");
    let binary = std::env::var_os("CLOUDYKNIGHT_TEST_BIN").map_or(built, PathBuf::from);
    assert!(
        binary.is_file(),
        "there is no {}\nhint: `cargo build` makes it; CLOUDYKNIGHT_TEST_BIN names another; ./test.sh does both",
        binary.display()
    );
    binary
}

#[track_caller]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

impl Drop for Platform {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the end of the platform's log\n{}\n---", end.join("\n"));
        }
        let known = self.variables.contains_key("CLOUDYKNIGHT_PLATFORM");
        let source = if known { self.source_dir() } else { PathBuf::new() };
        let output = self.cli(&["down", "--purge", "--yes"]);
        // Not the edge's: somebody else's router may listen there.
        let addresses = vec![self.addresses.s3.clone(), self.addresses.api.clone()];
        let traces = Traces { docker: &self.docker, home: &self.home, source, addresses };
        let left = traces.left();
        let words = format!("{}{}", stdout(&output), stderr(&output));
        if failed {
            eprintln!("{words}left behind: {left:?}");
            return;
        }
        assert!(output.status.success(), "cloudyknight down --purge: {words}");
        assert_eq!(left, Vec::<String>::new(), "`down --purge` leaves nothing behind: {words}");
    }
}
