//! One story, told on everything that a platform can stand on, with every client: what is pushed goes live, what is
//! broken does not, and whatever happens to the notifications or to the agent, the end is what the bucket holds.
//!
//! The names say where: test.sh chooses by them. SeaweedFS tells nobody of changes, so there the sweep is what finds
//! them, and the chapters about notifications are not told.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::replay::Replay;
use cloudyknight_tests::{Api, Backend, Client, Deployments, Folder, Platform, Visitor, eventually};
use serde_json::json;

#[test]
fn the_story_on_embedded_with_aws() {
    tell(&Backend::Embedded, Client::Aws);
}

#[test]
fn the_story_on_embedded_with_rclone() {
    tell(&Backend::Embedded, Client::Rclone);
}

#[test]
fn the_story_on_embedded_with_boto3() {
    tell(&Backend::Embedded, Client::Boto3);
}

#[test]
fn the_story_on_localstack_with_aws() {
    tell(&Backend::localstack(), Client::Aws);
}

#[test]
fn the_story_on_localstack_with_rclone() {
    tell(&Backend::localstack(), Client::Rclone);
}

#[test]
fn the_story_on_localstack_with_boto3() {
    tell(&Backend::localstack(), Client::Boto3);
}

#[test]
fn the_story_on_moto_with_aws() {
    tell(&Backend::moto(), Client::Aws);
}

#[test]
fn the_story_on_moto_with_rclone() {
    tell(&Backend::moto(), Client::Rclone);
}

#[test]
fn the_story_on_moto_with_boto3() {
    tell(&Backend::moto(), Client::Boto3);
}

#[test]
fn the_story_on_ministack_with_aws() {
    tell(&Backend::ministack(), Client::Aws);
}

#[test]
fn the_story_on_ministack_with_rclone() {
    tell(&Backend::ministack(), Client::Rclone);
}

#[test]
fn the_story_on_ministack_with_boto3() {
    tell(&Backend::ministack(), Client::Boto3);
}

/// Through the functions as `infra/deploy.sh` deploys them.
#[test]
fn the_story_on_ministack_as_deployed_with_aws() {
    tell(&Backend::deployed(), Client::Aws);
}

#[test]
fn the_story_on_seaweedfs_with_aws() {
    tell(&Backend::seaweedfs(), Client::Aws);
}

#[test]
fn the_story_on_seaweedfs_with_rclone() {
    tell(&Backend::seaweedfs(), Client::Rclone);
}

#[test]
fn the_story_on_seaweedfs_with_boto3() {
    tell(&Backend::seaweedfs(), Client::Boto3);
}

const PATIENCE: Duration = Duration::from_secs(60);
const BURST: usize = 300;

fn tell(backend: &Backend, client: Client) {
    let _line = Line::of(backend, client);
    // Where nobody tells of changes, the sweep is all there is; elsewhere it must not be what finds the first ones.
    let sweep = if backend.sends_notifications() { 15 } else { 1 };
    let platform = Platform::builder().backend(backend).setting("quiet_ms", 100);
    let platform = match backend.is_swept_elsewhere() {
        true => platform,
        false => platform.setting("sweep_interval_s", sweep),
    };
    let platform = platform.start();
    let story = Story { platform: &platform, backend, client, api: Api::of(&platform) };
    story.a_push_goes_live();
    let visitor = Visitor::at(&platform, "/app/");
    story.a_change_goes_live();
    story.a_burst_is_at_most_two_deployments_and_complete();
    story.what_is_deleted_is_gone();
    story.a_broken_release_leaves_the_previous_one_serving();
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["one", "two", "three"]);
    if backend.sends_notifications() {
        story.notifications_that_come_again_and_in_another_order_change_nothing();
        story.what_a_lost_notification_was_about_is_found_by_the_sweep();
    }
    story.an_agent_killed_amid_a_deployment_finishes_it();
}

struct Story<'a> {
    platform: &'a Platform,
    backend: &'a Backend,
    client: Client,
    api: Api,
}

/// An app that says one thing.
fn app(words: &str) -> String {
    format!("require('http').createServer((_, answer) => answer.end('{words}')).listen(process.env.PORT);\n")
}

impl Story<'_> {
    fn a_push_goes_live(&self) {
        let folder = Folder::of(&[("package.json", r#"{"name": "app"}"#), ("index.js", &app("one"))]);
        self.platform.s3(self.client).sync(folder.path(), "app");
        let status = self.platform.live("app");
        self.says("one");
        let found_by = status["deployment"]["cause"]["kind"].clone();
        assert_eq!(found_by == "sweep", !self.backend.sends_notifications(), "{status:#}");
    }

    fn a_change_goes_live(&self) {
        self.deploys("two");
    }

    fn a_burst_is_at_most_two_deployments_and_complete(&self) {
        let site = Folder::of(&[("index.html", "many")]);
        for n in 1..BURST {
            site.write(&format!("files/{}/{n}.txt", n % 7), format!("file {n}"));
        }
        let deployments = Deployments::of(self.platform, "site");
        self.platform.s3(self.client).sync(site.path(), "site");
        self.platform.live("site");
        let deployments = deployments.seen();
        assert!((1..=2).contains(&deployments.len()), "{deployments:?}");
        let mut connection = self.platform.connection().expect("the edge listens");
        for n in 1..BURST {
            let path = format!("/site/files/{}/{n}.txt", n % 7);
            let answer = connection.get(self.platform.host(), &path).expect("an answer");
            assert_eq!((answer.status, answer.body), (200, format!("file {n}")), "{path}");
        }
    }

    fn what_is_deleted_is_gone(&self) {
        self.platform.s3(self.client).rm_one("site/files/1/1.txt");
        self.platform.live("site");
        assert_eq!(self.platform.get("/site/files/1/1.txt").0, 404);
        assert_eq!(self.platform.get("/site/files/2/2.txt").0, 200);
        self.platform.s3(self.client).rm("site");
        self.platform.removed("site");
        self.serves_no("site");
    }

    fn a_broken_release_leaves_the_previous_one_serving(&self) {
        self.put("app/index.js", "throw new Error('this cannot start');\n");
        let status = self.platform.failed("app");
        assert!(status.to_string().contains("this cannot start"), "the reason is told: {status:#}");
        self.says("two");
        self.deploys("three");
    }

    fn notifications_that_come_again_and_in_another_order_change_nothing(&self) {
        let replay = Replay::of(self.platform, self.backend);
        let told = replay.told_of(4, || {
            self.put("gone/index.html", "for a moment");
            self.put("app/index.js", &app("four"));
            self.put("app/index.js", &app("five"));
            self.platform.s3(self.client).rm_one("gone/index.html");
        });
        let reversed: Vec<String> = told.iter().rev().cloned().collect();
        replay.tell(&reversed);
        self.platform.live("app");
        self.says("five");
        let unchanged = || {
            let container = self.platform.docker().container_of("app");
            (self.platform.status("app")["deployment"]["id"].clone(), container)
        };
        eventually("the container before is gone", PATIENCE, || {
            (self.platform.docker().containers_of("app").len() == 1).then_some(())
        });
        let before = unchanged();

        replay.tell(&[&told[..], &reversed, &told].concat());
        assert_eq!(unchanged(), before);
        self.says("five");
        self.serves_no("gone");
    }

    fn what_a_lost_notification_was_about_is_found_by_the_sweep(&self) {
        Replay::of(self.platform, self.backend).silence();
        self.put("app/index.js", &app("six"));
        self.is_swept();
        self.platform.live("app");
        self.says("six");
        let status = self.platform.status("app");
        assert_eq!(status["deployment"]["cause"], json!({"kind": "sweep"}), "{status:#}");
    }

    fn an_agent_killed_amid_a_deployment_finishes_it(&self) {
        let visitor = Visitor::at(self.platform, "/app/");
        self.put("app/index.js", &app("last"));
        self.is_swept();
        eventually("a container is being started", PATIENCE, || {
            self.api.step("app").is_some_and(|step| ["start", "check"].contains(&step.as_str())).then_some(())
        });
        let killed = self.platform.kill(Role::Serve);
        eventually("the supervisor starts the process again", PATIENCE, || {
            let other = self.platform.process(Role::Serve) != killed;
            (other && self.platform.cli(&["status"]).status.success()).then_some(())
        });
        self.platform.live("app");
        self.says("last");
        let visits = visitor.leave();
        visits.all_answered();
        assert_eq!(visits.bodies.last().map(String::as_str), Some("last"));
        eventually("one container is left", PATIENCE, || {
            (self.platform.docker().containers_of("app").len() == 1).then_some(())
        });
    }

    /// Nobody tells of changes any more. What is deployed sweeps on a schedule of its own, and for the test now.
    #[track_caller]
    fn is_swept(&self) {
        if let Backend::Deployed(stack) = self.backend {
            assert_eq!(stack.cloud.sweep()["drifted"], json!(["app"]));
        }
    }

    /// Changes what the app says, and sees it live.
    #[track_caller]
    fn deploys(&self, words: &str) {
        self.put("app/index.js", &app(words));
        self.platform.live("app");
        self.says(words);
    }

    #[track_caller]
    fn put(&self, key: &str, content: &str) {
        let folder = Folder::new();
        self.platform.s3(self.client).cp(&folder.write("file", content), key);
    }

    #[track_caller]
    fn says(&self, words: &str) {
        assert_eq!(self.platform.get("/app/"), (200, words.to_owned()));
    }

    fn serves_no(&self, workspace: &str) {
        let gone = || (self.platform.get(&format!("/{workspace}/")).0 == 404).then_some(());
        eventually("the route is gone", PATIENCE, gone);
    }
}

/// What test.sh prints in the end: a line for each story that was told.
struct Line {
    backend: &'static str,
    client: String,
    began: Instant,
}

impl Line {
    fn of(backend: &Backend, client: Client) -> Self {
        let way = if let Backend::Deployed(_) = backend { "-as-deployed" } else { "" };
        let client = format!("{client:?}{way}").to_lowercase();
        Self { backend: backend.name(), client, began: Instant::now() }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { "FAILED" } else { "passed" };
        let Self { backend, client, began } = self;
        let line = format!("{backend} {client} {outcome} {}\n", began.elapsed().as_secs());
        print!("{line}");
        if let Some(report) = std::env::var_os("CLOUDYKNIGHT_TEST_REPORT") {
            let file = OpenOptions::new().append(true).open(report);
            file.and_then(|mut file| file.write_all(line.as_bytes())).expect("test.sh made the file");
        }
    }
}
