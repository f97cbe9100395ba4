//! The API and its OpenAPI document say the same: Schemathesis reads the document, asks what it allows and what it does not, and
//! looks at each answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use cloudyknight_tests::run::{run, stderr, stdout};
use cloudyknight_tests::{Api, Client, Platform};

/// Among what test.sh installed.
fn schemathesis() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-api/bin");
    let folder = std::env::var_os("CLOUDYKNIGHT_TEST_API_TOOLS").map_or(usual, PathBuf::from);
    let program = folder.join("schemathesis");
    assert!(program.is_file(), "there is no {}\nhint: ./test.sh installs it", program.display());
    program
}

#[test]
fn the_api_does_what_its_document_says_and_refuses_the_rest() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    // With a release before the one that serves, to go back to and to compare.
    for content in ["one", "two"] {
        platform.s3(Client::Boto3).put("app/index.html", content);
        platform.live("app");
    }
    let url = &platform.variables()["CLOUDYKNIGHT_API"];
    let api = Api::of(&platform);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let mut command = Command::new(schemathesis());
    command
        .current_dir(folder.path())
        .args(["--config-file".as_ref(), config.as_os_str()])
        .args(["run", &format!("{url}/api/v1/openapi.json"), "--url", url])
        .args(["--checks", "all", "--no-color"])
        .args(["--header", &format!("Authorization: Bearer {}", api.operator())]);
    let output = run(&mut command);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "{said}");
    assert_eq!(api.get("/api/v1/platform").expect("an answer").status, 200, "it is as well as before");
}
