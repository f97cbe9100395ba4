//! Processes, machines and hosts come and go; what the bucket holds serves on, or again, and nobody has to ask for it.

use std::process::Command;
use std::time::{Duration, Instant};

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Client, Neighbour, Platform, eventually};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

fn page(platform: &Platform, path: &str) -> Option<String> {
    let answer = cloudyknight_tests::http::get(platform.edge_address(), platform.host(), path).ok()?;
    (answer.status == 200).then_some(answer.body)
}

/// The edge answers, at the latest after this time, which begins now.
#[track_caller]
fn serves_again(platform: &Platform, limit: Duration) {
    let began = Instant::now();
    let says = eventually("the edge serves again", limit, || page(platform, "/app/"));
    assert_eq!(says, "the page", "after {:?}", began.elapsed());
}

#[test]
fn an_edge_that_dies_comes_back_with_its_table_while_nobody_is_there_to_tell_it() {
    let platform = quick();
    platform.s3(Client::Boto3).put("app/index.html", "the page");
    platform.live("app");

    // The agent is there and says nothing.
    let serve = platform.process(Role::Serve);
    kill_process(serve, Signal::STOP).expect("it stops");
    let edge = platform.kill(Role::Edge);
    serves_again(&platform, Duration::from_secs(3));
    assert_ne!(platform.process(Role::Edge), edge);
    kill_process(serve, Signal::CONT).expect("it goes on");

    // The agent is dead, and the supervisor gives it a longer and longer pause.
    for _ in 0..3 {
        let dead = platform.kill(Role::Serve);
        eventually("it is started again", PATIENCE, || (platform.process(Role::Serve) != dead).then_some(()));
    }
    let dead = platform.kill(Role::Serve);
    platform.kill(Role::Edge);
    serves_again(&platform, Duration::from_secs(3));
    assert_eq!(platform.process(Role::Serve), dead, "the edge came back alone");
    let back = || platform.cli(&["status"]).status.success().then_some(());
    eventually("the agent comes back as well", PATIENCE, back);
    platform.s3(Client::Boto3).put("app/index.html", "another page");
    platform.live("app");
    assert_eq!(page(&platform, "/app/").as_deref(), Some("another page"));
}

#[test]
fn a_supervisor_that_dies_is_missed_by_nobody_and_is_followed_by_another() {
    let platform = quick();
    let neighbour = Neighbour::of(&platform);
    let (serve, edge) = (platform.process(Role::Serve), platform.process(Role::Edge));
    let supervisor = platform.kill(Role::Run);
    let began = Instant::now();
    platform.up();
    assert!(began.elapsed() < Duration::from_secs(10), "`up` took {:?}", began.elapsed());
    // `up` is content with those that answer, which do so all the time.
    let another = || (platform.process(Role::Run) != supervisor).then_some(());
    eventually("another supervisor", PATIENCE, another);
    assert_eq!((platform.process(Role::Serve), platform.process(Role::Edge)), (serve, edge), "they work on");
    platform.s3(Client::Boto3).put("app/index.html", "the page");
    platform.live("app");

    // The new supervisor's processes take over from the old one's when those end.
    let serve = platform.kill(Role::Serve);
    let next = || (platform.process(Role::Serve) != serve).then_some(());
    eventually("its own process plays the role", PATIENCE, next);
    eventually("and answers", PATIENCE, || platform.cli(&["status"]).status.success().then_some(()));
    platform.s3(Client::Boto3).put("app/index.html", "another page");
    platform.live("app");
    assert_eq!(page(&platform, "/app/").as_deref(), Some("another page"));
    neighbour.is_unhurt();
}

/// All three processes end at once, as they do when the power goes.
fn power_off(platform: &Platform) {
    let roles = [Role::Run, Role::Serve, Role::Edge];
    let processes: Vec<Pid> = roles.map(|role| platform.process(role)).into();
    for process in &processes {
        kill_process(*process, Signal::KILL).expect("it runs");
    }
    // One that nobody has waited for is still listed, but runs nothing any more.
    let ended = |process: &Pid| {
        let path = format!("/proc/{}/cmdline", process.as_raw_nonzero());
        std::fs::read(path).map_or(true, |words| words.is_empty())
    };
    let gone = || processes.iter().all(ended).then_some(());
    eventually("all are gone", PATIENCE, gone);
}

const STATEFUL: &str = "services:
  app:
    image: workspace-node-ephemeral:latest
    restart: always
    expose: ['3000']
    volumes: ['data:/data']
    entrypoint: ['sh', '-c', 'echo started >> /data/starts; exec node /workspace/index.js']
volumes:
  data: {}
";

const COUNTS_STARTS: &str = "
const starts = () => require('fs').readFileSync('/data/starts', 'utf8').trim().split('\\n').length;
require('http').createServer((_, response) => response.end(`start ${starts()}`)).listen(3000);
";

#[test]
fn a_machine_that_was_restarted_serves_again_what_the_bucket_holds() {
    let platform = quick();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "the page");
    s3.put("stateful/index.js", COUNTS_STARTS);
    s3.put("stateful/docker-compose.yml", STATEFUL);
    platform.live("app");
    platform.live("stateful");
    let starts = || page(&platform, "/stateful/");
    let first = starts();
    assert_eq!(first.as_deref(), Some("start 1"));
    let before = platform.docker().containers();

    power_off(&platform);
    succeeded("docker kill", &run(Command::new("docker").arg("kill").args(&before)));
    std::fs::remove_dir_all(platform.source_dir()).expect("memory forgets");
    assert_eq!(page(&platform, "/app/"), None, "the machine is off");

    platform.up();
    serves_again(&platform, PATIENCE);
    let again = eventually("its volume is still there", PATIENCE, starts);
    assert_eq!(again, "start 2");
    for name in ["app", "stateful"] {
        assert_eq!(platform.live(name)["state"], "live");
        let one = || (platform.docker().containers_of(name).len() == 1).then_some(());
        eventually("one container serves it", PATIENCE, one);
    }
    assert_eq!(platform.docker().containers().len(), before.len());
}

#[test]
fn a_new_host_with_the_old_store_ends_with_the_same_workspaces_live() {
    let old = quick();
    let s3 = old.s3(Client::Boto3);
    s3.put("app/index.html", "the page");
    s3.put("second/index.html", "another page");
    s3.put("broken/docker-compose.yml", "services: [");
    s3.put("gone/index.html", "for a moment");
    let releases = ["app", "second"].map(|name| old.live(name)["release"].clone());
    old.live("gone");
    s3.rm("gone");
    old.removed("gone");
    old.failed("broken");
    old.down();
    assert_eq!(old.docker().containers(), [""; 0]);

    let new = Platform::builder()
        .setting("quiet_ms", 20)
        .setting("burst_quiet_ms", 100)
        .store(&old.home().join("store"))
        .start();
    assert_ne!(new.id(), old.id());
    serves_again(&new, PATIENCE);
    let second = eventually("all of it is live", PATIENCE, || page(&new, "/second/"));
    assert_eq!(second, "another page");
    assert_eq!(["app", "second"].map(|name| new.live(name)["release"].clone()), releases);
    let url = new.status("app")["urls"][0].clone();
    assert_eq!(url, format!("{}/app/", new.url()));
    assert_eq!(new.failed("broken")["state"], "failed");
    let names = new.cli_json(&["ls"])["workspaces"].clone();
    let names: Vec<_> =
        names.as_array().expect("a list").iter().map(|one| one["workspace"].clone()).collect();
    assert_eq!(names, ["app", "broken", "second"]);
    assert_eq!(page(&new, "/gone/"), None);
    // It is a platform like any other: with credentials of its own, that the old ones do not open.
    assert_ne!(new.variables()["AWS_SECRET_ACCESS_KEY"], old.variables()["AWS_SECRET_ACCESS_KEY"]);
    new.s3(Client::Boto3).put("app/index.html", "a newer page");
    new.live("app");
    assert_eq!(page(&new, "/app/").as_deref(), Some("a newer page"));
}

#[test]
fn a_platform_that_starts_before_docker_takes_pushes_and_deploys_them_once_docker_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let platform =
        Platform::builder().setting("docker_host", format!("\"unix://{}\"", socket.display())).start();
    platform.s3(Client::Boto3).put("app/index.html", "the page");
    assert_eq!(page(&platform, "/app/"), None);

    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).expect("a link");
    platform.live("app");
    assert_eq!(page(&platform, "/app/").as_deref(), Some("the page"));
}
