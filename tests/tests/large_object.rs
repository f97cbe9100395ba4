//! A workspace that is far too large: the platform takes the object without growing, refuses to deploy it with a clear
//! error, and is well again once it is gone.

use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Client, Neighbour, Platform, Visitor, eventually};

/// A gibibyte that exists nowhere but on its way.
const GIBIBYTE: &str = "
import boto3.s3.transfer as transfer
class Zeroes:
    left = 1 << 30
    def read(self, size=-1):
        size = min(self.left, 1 << 20 if size < 0 else size)
        self.left -= size
        return bytes(size)
config = transfer.TransferConfig(multipart_chunksize=64 << 20, max_concurrency=4)
s3.upload_fileobj(Zeroes(), BUCKET, 'app/huge.bin', Config=config)
print(s3.head_object(Bucket=BUCKET, Key='app/huge.bin')['ContentLength'])
";

/// Of the process, in MiB: the most memory it ever held.
fn most_memory(platform: &Platform) -> u64 {
    let path = format!("/proc/{}/status", platform.process(Role::Serve).as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn a_gibibyte_is_taken_in_bounded_memory_and_refused_in_words() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "the release before");
    let release = platform.live("app")["release"].clone();
    let visitor = Visitor::at(&platform, "/app/");
    let before = most_memory(&platform);

    let size = succeeded("the upload", &run(&mut s3.python(GIBIBYTE, &[])));
    assert_eq!(size.trim(), "1073741824");
    let failed = platform.failed("app");
    let failure = &failed["deployment"]["outcome"];
    assert_eq!(
        failure["message"],
        "could not fetch the source: the workspace holds 1073741842 bytes, and the limit is 536870912"
    );
    let hint = "the source of a workspace is kept in memory; keep large data elsewhere, or raise the setting \
                `max_source_mb`";
    assert_eq!((&failure["hint"], &failed["state"]), (&hint.into(), &"degraded".into()));
    assert!(platform.log().contains("the workspace holds 1073741842 bytes"));
    let grown = most_memory(&platform) - before;
    assert!(grown < 64, "the process grew by {grown} MiB for an object of 1024");

    s3.rm_one("app/huge.bin");
    assert_eq!(platform.live("app")["release"], release);
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["the release before"]);
    let freed = || {
        let output = run(std::process::Command::new("du").args(["-sm"]).arg(platform.home().join("store")));
        let text = succeeded("du", &output);
        (text.split('\t').next()?.parse::<u64>().ok()? < 100).then_some(())
    };
    eventually("the disk is free again", Duration::from_secs(30), freed);
    neighbour.is_unhurt();
}
