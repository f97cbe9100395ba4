//! A bucket that changes while it is deployed: objects are replaced and vanish between the listing and the fetch. What
//! is live in the end is what the bucket holds in the end, and no release was ever a mixture.

use std::time::Duration;

use cloudyknight_tests::run::{stderr, stdout};
use cloudyknight_tests::{Client, Neighbour, Platform, Visitor, eventually};
use std::process::Stdio;

/// For 12 seconds: every file is overwritten, each time all of them with the same number, and one more comes and goes.
/// Then it says what the bucket holds.
const CHANGES: &str = "
import time
end = time.time() + 12
n = 0
while time.time() < end:
    n += 1
    for file in range(12):
        put('app/%d.txt' % file, (b'%d ' % n) * 200000)
    if n % 2: put('app/flickers.txt', b'%d' % n)
    else: s3.delete_object(Bucket=BUCKET, Key='app/flickers.txt')
    time.sleep(0.15 * (n % 3))
print(n)
";

#[test]
fn objects_that_change_while_they_are_fetched_end_as_the_bucket_has_them() {
    // A window so short that deployments begin in the middle of it all.
    let platform = Platform::builder().setting("quiet_ms", 1).setting("burst_quiet_ms", 1).start();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "the page");
    platform.live("app");
    let visitor = Visitor::at(&platform, "/app/");

    let mut changing = s3.python(CHANGES, &[]);
    let changing = changing.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = changing.expect("python runs").wait_with_output().expect("its output");
    let last = stdout(&output).trim().to_owned();
    assert!(output.status.success() && !last.is_empty(), "{last}{}", stderr(&output));

    let status = platform.live("app");
    let moved = platform.log().matches("the bucket moved on").count();
    assert!(moved >= 3, "the test did not get in the way of any fetch: {moved}");
    let expected = format!("{last} ").repeat(200_000);
    for file in 0..12 {
        let (code, body) = platform.get(&format!("/app/{file}.txt"));
        assert!(
            code == 200 && body == expected,
            "{file}.txt is not of round {last}, but {:?}",
            body.get(..9)
        );
    }
    let flickers = last.parse::<u32>().expect("a number") % 2 == 1;
    assert_eq!(platform.get("/app/flickers.txt").0, if flickers { 200 } else { 404 });
    let state = (status["state"].as_str(), status["deployment"]["outcome"]["result"].as_str());
    assert_eq!(state, (Some("live"), Some("live")));
    let one = || {
        let folders = std::fs::read_dir(platform.source_dir()).ok()?;
        let of_app = folders
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("app."));
        (of_app.count() == 1).then_some(())
    };
    eventually("only the live release's source is kept", Duration::from_secs(20), one);
    let visits = visitor.leave();
    visits.all_answered();
    assert_eq!(visits.bodies, ["the page"]);
    neighbour.is_unhurt();
}
