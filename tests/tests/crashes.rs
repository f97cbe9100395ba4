//! The platform's process is ended without a word, at every moment of a deployment. Nobody does anything about it: the
//! supervisor starts it again, and what the bucket holds goes live, once, while the edge answers as if nothing had
//! happened.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Api, Client, Neighbour, Platform, Visitor, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Pushes a version: another answer, and another package.json, so that dependencies are installed anew.
const PUSH: &str = r#"
version = sys.argv[1]
put('app/package.json', '{"name": "app", "version": "1.0.%s"}' % version)
put('app/index.js', '''
const server = require('http').createServer((_, response) => response.end('version %s'));
setTimeout(() => server.listen(process.env.PORT), 250);
''' % version)
"#;

/// A platform with a live workspace `app`, which is visited all the time, and a neighbour.
struct Stage<'a> {
    platform: &'a Platform,
    api: Api,
    neighbour: Neighbour<'a>,
    visitor: Visitor,
    version: u32,
}

fn patient() -> Platform {
    Platform::builder().setting("quiet_ms", 500).setting("burst_quiet_ms", 500).start()
}

impl<'a> Stage<'a> {
    fn on(platform: &'a Platform) -> Self {
        succeeded("the first push", &run(&mut platform.s3(Client::Boto3).python(PUSH, &["1"])));
        platform.live("app");
        let (neighbour, visitor) = (Neighbour::of(platform), Visitor::at(platform, "/app/"));
        Self { platform, api: Api::of(platform), neighbour, visitor, version: 1 }
    }

    /// Pushes the next version, ends the process when `moment` has come, and looks at what becomes of it.
    fn crash(&mut self, what: &str, moment: impl FnOnce(&Api)) {
        self.version += 1;
        let s3 = self.platform.s3(Client::Boto3);
        let mut push = s3.python(PUSH, &[&self.version.to_string()]);
        let push = push.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let push = push.expect("python runs");
        moment(&self.api);
        let killed = self.platform.kill(Role::Serve);
        let output = push.wait_with_output().expect("its output");
        assert!(output.status.success(), "{what}: the push: {}{}", stdout(&output), stderr(&output));
        comes_back(self.platform, killed);
        converges(self.platform, what);
        assert_eq!(self.platform.get("/app/"), (200, format!("version {}", self.version)), "{what}");
    }

    fn ends(self) {
        let visits = self.visitor.leave();
        visits.all_answered();
        // An older version may show once more where the crash fell between the switch and its record, no other ever.
        let last = format!("version {}", self.version);
        assert_eq!(visits.bodies.last(), Some(&last));
        self.neighbour.is_unhurt();
    }
}

fn comes_back(platform: &Platform, killed: rustix::process::Pid) {
    let back = || {
        let other = platform.process(Role::Serve) != killed;
        (other && platform.cli(&["status"]).status.success()).then_some(())
    };
    eventually("the supervisor starts the process again", PATIENCE, back);
}

/// The bucket's release of `app` is live, in one container, and nothing of any other attempt is left.
fn converges(platform: &Platform, what: &str) {
    let status = platform.live("app");
    assert_eq!(status["deployment"]["outcome"]["result"], "live", "{what}: {status:#}");
    let alone = || left(platform).is_empty().then_some(());
    let looked =
        std::panic::catch_unwind(|| eventually("nothing else is left", Duration::from_secs(20), alone));
    assert!(looked.is_ok(), "{what}: {:?}", left(platform));
}

/// What should not be there: one container, the source that it mounts and that of the newest deployment, which may be
/// the same, and two sets of networks are.
fn left(platform: &Platform) -> Vec<String> {
    let docker = platform.docker();
    let containers = docker.containers_of("app");
    let passing = [".next-", ".retired-", ".install-"];
    let (Some((name, id)), 1) = (containers.first_key_value(), containers.len()) else {
        return containers.into_keys().map(|name| format!("container {name}")).collect();
    };
    let mut left: Vec<String> = Vec::new();
    if passing.iter().any(|mark| name.contains(mark)) {
        return vec![format!("container {name}")];
    }
    let own = format!("cloudyknight-{}-app-default-", platform.id());
    let networks = docker.networks().into_iter().filter(|name| name.contains("-app-"));
    let (sets, others): (Vec<String>, Vec<String>) = networks.partition(|name| name.starts_with(&own));
    left.extend(others);
    if sets.len() > 2 {
        left.extend(sets);
    }
    let folders = std::fs::read_dir(platform.source_dir()).expect("the source directory is there");
    let folders = folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut folders: Vec<String> = folders.filter(|name| name.starts_with("app.")).collect();
    folders.sort();
    if folders.pop().is_none() {
        left.push("no source at all".to_owned());
    }
    let mounts = docker.inspect(id, "{{json .HostConfig.Mounts}}");
    left.extend(folders.iter().filter(|name| !mounts.contains(*name)).map(|name| format!("folder {name}")));
    left
}

/// Docker's events of a platform's containers, of one kind, as they happen.
struct Happenings(Child, BufReader<std::process::ChildStdout>);

impl Happenings {
    fn of(platform: &Platform, event: &str) -> Self {
        let mut command = Command::new("docker");
        command.args([
            "events",
            "--format",
            "{{.Actor.Attributes.name}}",
            "--filter",
            &format!("event={event}"),
        ]);
        command.args(["--filter", &format!("label=cloudyknight.platform={}", platform.id())]);
        command.args(["--filter", "label=cloudyknight.workspace=app"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("docker runs");
        let lines = BufReader::new(child.stdout.take().expect("it was asked for"));
        Self(child, lines)
    }

    /// Blocks until this many have happened.
    fn wait_for(&mut self, count: usize) {
        for _ in 0..count {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).expect("docker tells") > 0, "docker events ended");
        }
    }
}

impl Drop for Happenings {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_crash_while_a_release_is_prepared_changes_nothing_but_the_time_it_takes() {
    let platform = patient();
    let mut stage = Stage::on(&platform);
    for step in ["settle", "dependencies", "start", "check"] {
        stage.crash(step, |api| {
            let reached = || (api.step("app").as_deref() == Some(step)).then_some(());
            eventually(&format!("the deployment is at the step {step}"), PATIENCE, reached);
        });
    }
    stage.ends();
}

#[test]
fn a_crash_around_the_switch_leaves_one_container_that_serves() {
    let platform = patient();
    let mut stage = Stage::on(&platform);
    // The edge has the new routes, and nobody else knows it yet.
    let switches = || platform.log().matches("new routes in force").count();
    stage.crash("switch", |_| {
        let before = switches();
        let began = Instant::now();
        // Without a pause: the next step follows within milliseconds.
        while switches() == before {
            assert!(began.elapsed() < PATIENCE, "no new routes came into force");
        }
    });
    // The old container's new name, the new container's, the end of the old one.
    // (The first that ends is the one that installs dependencies.)
    for (event, count) in [("rename", 1), ("rename", 2), ("die", 2)] {
        let mut happenings = Happenings::of(&platform, event);
        stage.crash(&format!("{event} {count}"), |_| happenings.wait_for(count));
    }
    stage.ends();
}

#[test]
fn a_crash_at_any_time_changes_nothing_but_the_time_it_takes() {
    use std::hash::{BuildHasher, RandomState};
    let platform = patient();
    let mut stage = Stage::on(&platform);
    for _ in 0..3 {
        let delay = Duration::from_millis(300 + RandomState::new().hash_one(0) % 2500);
        stage.crash(&format!("after {delay:?}"), |_| {
            let began = Instant::now();
            eventually("the time has come", PATIENCE, || (began.elapsed() >= delay).then_some(()));
        });
    }
    stage.ends();
}

/// Eight at once put objects, each knowing which were acknowledged. After the hundredth the server's process is ended by
/// the client itself, in the middle of what the others are sending. Nothing is sent twice.
const PUT_AND_KILL: &str = "
import concurrent.futures, json, os, signal, botocore.config
config = botocore.config.Config(retries={'total_max_attempts': 1}, max_pool_connections=8)
s3 = boto3.client('s3', config=config)
process, round = int(sys.argv[1]), sys.argv[2]
acknowledged = []
def put_some(thread):
    try:
        for n in range(10000):
            key = 'app/%s-%d-%d.txt' % (round, thread, n)
            s3.put_object(Bucket=BUCKET, Key=key, Body=key)
            acknowledged.append(key)
            if len(acknowledged) == 100: os.kill(process, signal.SIGKILL)
    except Exception as error:
        return str(error)
    return 'nobody was ended'
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    ends = list(pool.map(put_some, range(8)))
print(json.dumps([acknowledged, ends]))
";

#[test]
fn whatever_was_acknowledged_before_a_crash_ends_live() {
    let platform = Platform::builder().setting("quiet_ms", 100).setting("burst_quiet_ms", 300).start();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "the page");
    platform.live("app");
    for round in ["first", "second"] {
        let process = platform.process(Role::Serve);
        let id = process.as_raw_nonzero().to_string();
        let told = succeeded("the client", &run(&mut s3.python(PUT_AND_KILL, &[&id, round])));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let keys: Vec<&str> = told[0].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(keys.len() >= 100, "{} were acknowledged; {}", keys.len(), told[1]);
        comes_back(&platform, process);
        converges(&platform, round);
        let mut connection = platform.connection().expect("the edge listens");
        for key in &keys {
            let answer = connection.get(platform.host(), &format!("/{key}")).expect("an answer");
            assert_eq!((answer.status, answer.body.as_str()), (200, *key));
        }
    }
    neighbour.is_unhurt();
}
