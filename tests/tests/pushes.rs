//! One push, one deployment: bursts are put together, and what goes live is complete.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use cloudyknight_tests::http::Connection;
use cloudyknight_tests::{Client, Folder, Platform, run};
use serde_json::Value;

const FILES: usize = 2_000;
const LOOK_AGAIN: Duration = Duration::from_millis(30);

#[test]
fn a_push_of_2000_files_with_aws_s3_sync_is_at_most_two_deployments_and_complete() {
    check(Client::Aws);
}

#[test]
fn a_push_of_2000_files_with_boto3_is_at_most_two_deployments_and_complete() {
    check(Client::Boto3);
}

#[test]
fn a_push_of_2000_files_with_rclone_is_at_most_two_deployments_and_complete() {
    check(Client::Rclone);
}

fn check(client: Client) {
    let platform = Platform::start();
    let site = Folder::of(&[("index.html", "many\n")]);
    for n in 1..FILES {
        site.write(&format!("files/{}/{n}.txt", n % 37), format!("file {n} of the push"));
    }
    let (done, asked_to_end) = mpsc::channel::<()>();
    let deployments = std::thread::scope(|scope| {
        let observed = &platform;
        let seen = scope.spawn(move || deployments_seen(observed, &asked_to_end));
        platform.s3(client).sync(site.path(), "many");
        platform.live("many");
        drop(done);
        seen.join().expect("the observer does not panic")
    });
    assert!((1..=2).contains(&deployments.len()), "{client:?}: {deployments:?}");

    let container = platform.docker().container_of("many");
    let digests = "find . -type f -exec sha256sum {} + | sort -k 2";
    let pushed = Command::new("sh").args(["-c", digests]).current_dir(site.path()).output().expect("sh runs");
    let pushed = run::succeeded("sha256sum", &pushed);
    assert_eq!(pushed.lines().count(), FILES);
    let live = platform.docker().shell(&container, &format!("cd /workspace && {digests}"));
    assert!(live == pushed, "{client:?}: the live release is not what was pushed");
    assert_eq!(platform.get("/many/files/1/1999.txt"), (200, "file 1999 of the push".to_owned()));
}

/// Every deployment of the workspace that got as far as fetching, seen through the API until it is time to end.
fn deployments_seen(platform: &Platform, asked_to_end: &mpsc::Receiver<()>) -> BTreeSet<String> {
    let api =
        platform.variables()["CLOUDYKNIGHT_API"].strip_prefix("http://").expect("it speaks HTTP").to_owned();
    let token = format!("Bearer {}", platform.variables()["CLOUDYKNIGHT_TOKEN"]);
    let mut connection = Connection::open(&api).expect("the API answers");
    let mut seen = BTreeSet::new();
    loop {
        let headers = [("authorization", token.as_str())];
        let answer = connection.request("GET", &api, "/api/v1/workspaces/many", &headers, b"");
        let answer = answer.expect("the API answers");
        if answer.status == 200 {
            let status: Value = serde_json::from_str(&answer.body).expect("JSON");
            let deployment = &status["deployment"];
            let steps = deployment["steps"].as_array().into_iter().flatten();
            if steps.into_iter().any(|step| step["name"] == "fetch") {
                seen.insert(deployment["id"].as_str().unwrap_or_default().to_owned());
            }
        }
        if asked_to_end.recv_timeout(LOOK_AGAIN) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return seen;
        }
    }
}
