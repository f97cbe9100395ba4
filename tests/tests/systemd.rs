//! What the units in `infra/systemd` keep from the platform, and what it does without. The units themselves are checked
//! by `systemd-analyze`, where `.ci/run` runs it.

use cloudyknight_tests::run::succeeded;
use cloudyknight_tests::{Client, Folder, Platform};

/// As under `ProcSubset=pid`: no `/proc/meminfo`, nothing of the machine but its processes.
const ONLY_PROCESSES: &str =
    "mount -t proc -o subset=pid proc /proc && test ! -e /proc/meminfo && exec \"$@\"";

#[test]
fn a_platform_that_sees_only_processes_in_proc_starts_and_deploys() {
    let mut platform = Platform::builder().setting("quiet_ms", 50).prepare();
    let started = platform.try_up_within("unshare", &["--mount", "sh", "-c", ONLY_PROCESSES, "sh"]);
    succeeded("cloudyknight up", &started);
    platform.learn();
    let site = Folder::of(&[("index.html", "hello")]);
    platform.s3(Client::Aws).sync(site.path(), "site");
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "hello".to_owned()));
}
