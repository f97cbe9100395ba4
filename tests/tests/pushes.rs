//! One push, one deployment: bursts are put together, and what goes live is complete.

use std::process::Command;

use cloudyknight_tests::{Client, Deployments, Folder, Platform, run};

const FILES: usize = 2_000;

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
    let deployments = Deployments::of(&platform, "many");
    platform.s3(client).sync(site.path(), "many");
    platform.live("many");
    let deployments = deployments.seen();
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
