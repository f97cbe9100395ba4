//! Folders that can be no workspace, and one that wants to be left alone: said where people look, and nothing else.

use std::time::Duration;

use cloudyknight_tests::run::{stderr, stdout, succeeded};
use cloudyknight_tests::{Client, Neighbour, Platform, eventually};
use serde_json::json;

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start()
}

#[test]
fn a_folder_that_is_no_dns_label_is_shown_and_hurts_nothing() {
    let platform = quick();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    let before = platform.docker().containers();
    let long = "x".repeat(64);
    for folder in ["My_App", "..", "-dash", "caf\u{e9}", &long] {
        s3.put(&format!("{folder}/index.html"), "never served");
    }
    s3.put("alone.html", "in no folder");
    let all = platform.cli_json(&["status"]);
    let invalid = all["invalid"].as_array().expect("a list");
    let told: Vec<_> = invalid.iter().map(|one| (&one["folder"], &one["message"])).collect();
    let (hyphen, too_long) = (
        "`-dash` is no DNS label: it starts or ends with `-`",
        format!("`{long}` is longer than the 63 characters of a DNS label"),
    );
    let character =
        |name: &str, found| format!("`{name}` is no DNS label: {found:?} is not one of a-z, 0-9 and `-`");
    assert_eq!(
        told,
        [
            (&json!("-dash"), &json!(hyphen)),
            (&json!(".."), &json!(character("..", '.'))),
            (&json!("My_App"), &json!(character("My_App", 'M'))),
            (&json!("caf\u{e9}"), &json!(character("caf\u{e9}", '\u{e9}'))),
            (&json!(long), &json!(too_long)),
        ]
    );
    let output = platform.cli(&["status"]);
    let words = stderr(&output);
    assert!(
        words.contains("warning: the folder \"My_App\" is no workspace: `My_App` is no DNS label"),
        "{words}"
    );
    assert!(words.contains("hint: rename the folder: 1 to 63 of a-z, 0-9 and `-`"), "{words}");
    let logged = || platform.log().contains("records that deploy nothing, which may surprise").then_some(());
    eventually("the log warns", Duration::from_secs(10), logged);
    assert!(!platform.cli(&["status", "My_App"]).status.success(), "there is no such workspace");
    let workspaces = all["workspaces"].as_array().expect("a list");
    assert_eq!(workspaces.len(), 1, "only the neighbour: {all:#}");
    assert_eq!(platform.docker().containers(), before);
    assert_eq!(platform.get("/My_App/").0, 404);
    neighbour.is_unhurt();
}

#[test]
fn a_workspace_that_asks_for_it_is_left_alone_until_it_no_longer_does() {
    let platform = quick();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("quiet/.nomonitor", "");
    s3.put("quiet/index.html", "one");
    let ignored = |name: &str| {
        let output = platform.cli(&["wait", name, "--json"]);
        let status: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(status["state"], "ignored", "{status:#}");
    };
    ignored("quiet");
    assert_eq!(platform.docker().containers_of("quiet").len(), 0);
    assert_eq!(platform.get("/quiet/").0, 404);
    let shown = succeeded("status", &platform.cli(&["status", "quiet"]));
    assert!(shown.contains("it holds `.nomonitor` and is left alone"), "{shown}");

    s3.rm_one("quiet/.nomonitor");
    platform.live("quiet");
    assert_eq!(platform.get("/quiet/"), (200, "one".to_owned()));
    let container = platform.docker().container_of("quiet");

    // What runs is left alone as well, whatever comes.
    s3.put("quiet/.nomonitor", "");
    ignored("quiet");
    s3.put("quiet/index.html", "two");
    ignored("quiet");
    assert_eq!(platform.docker().container_of("quiet"), container);
    assert_eq!(platform.get("/quiet/"), (200, "one".to_owned()));
    neighbour.is_unhurt();
}
