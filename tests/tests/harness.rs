//! The stage itself: it must notice what it is there to notice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::Duration;

use cloudyknight_tests::{Client, Platform, eventually};

#[test]
fn a_platform_starts_serves_and_leaves_nothing_behind() {
    let platform = Platform::builder().setting("quiet_ms", 50).start();
    for client in Client::ALL {
        let name = format!("{client:?}").to_lowercase();
        platform.s3(client).put(&format!("{name}/index.html"), format!("from {client:?}"));
        assert_eq!(platform.live(&name)["state"], "live");
        assert_eq!(platform.get(&format!("/{name}/")), (200, format!("from {client:?}")));
        assert_eq!(platform.docker().containers_of(&name).len(), 1);
    }
    let label = platform.docker().inspect(
        &platform.docker().container_of("aws"),
        "{{index .Config.Labels \"cloudyknight.platform\"}}",
    );
    assert_eq!(label, platform.id());
    platform.s3(Client::Boto3).rm_one("boto3/index.html");
    platform.removed("boto3");
    let gone = || (platform.get("/boto3/").0 == 404).then_some(());
    eventually("the route is gone", Duration::from_secs(10), gone);
}

#[test]
fn what_a_platform_leaves_behind_fails_the_test() {
    let platform = Platform::start();
    let home = platform.home().to_owned();
    // A process that bears its home on its command line, and that `down` knows nothing of.
    let mut stray = Command::new("sh");
    stray.args(["-c", "read line"]).arg(&home).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut stray = stray.spawn().expect("sh runs");
    let ended = catch_unwind(AssertUnwindSafe(|| drop(platform)));
    stray.kill().expect("it still ran");
    stray.wait().expect("its end");
    let failure = ended.expect_err("the stray process is noticed");
    let message = failure.downcast_ref::<String>().expect("a message");
    assert!(message.contains(&format!("process sh -c read line {}", home.display())), "{message}");
}
