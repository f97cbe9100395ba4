//! The API and its OpenAPI document say the same: Schemathesis reads the document, asks what it allows and what it does not, and
//! looks at each answer. What it asked and was answered is looked at as well: a check of nothing but refusals would prove little.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Api, Client, Folder, Platform};
use serde_json::{Value, json};

/// Operations that answer nothing well here, and what tests them otherwise.
const NEVER_WELL: &[(&str, &str)] = &[
    ("events", "goes on for a quarter of an hour: live.rs"),
    ("openapi", "is what is read"),
    ("sign_in", "needs a password that is right: access.rs"),
    ("sign_out", "would end the run: access.rs"),
];

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
    let api = Api::of(&platform);
    make_what_is_asked_for(&platform, &api);
    let url = &platform.variables()["CLOUDYKNIGHT_API"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let report = folder.path().join("asked.har");
    let ask = |phases: &str| {
        let mut command = Command::new(schemathesis());
        command
            .current_dir(folder.path())
            .args(["--config-file".as_ref(), config.as_os_str()])
            .args(["run", &format!("{url}/api/v1/openapi.json"), "--url", url])
            .args(["--checks", "all", "--no-color", "--phases", phases])
            // A workspace that was just made is known once the agent has heard of it.
            .args(["--exclude-checks", "ensure_resource_availability"])
            // As often as the API lets one caller ask.
            .args(["--rate-limit", "150/s"])
            .args(["--report", "har", "--report-har-path"])
            .arg(&report)
            .args(["--header", &format!("Authorization: Bearer {}", api.operator())]);
        let output = run(&mut command);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(output.status.success(), "{said}");
        assert_eq!(api.get("/api/v1/platform").expect("an answer").status, 200, "it is as well as before");
    };
    ask("examples,coverage,fuzzing");
    // What is only looked at was there all the time.
    assert_eq!(platform.live("app")["workspace"], "app");
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));

    let document = api.read("/api/v1/openapi.json").expect("the document");
    let answers = answers(&document, &report);
    for (operation, statuses) in &answers {
        println!("{operation}: {statuses:?}");
    }
    let is_excepted = |id: &str| NEVER_WELL.iter().any(|(excepted, _)| *excepted == id);
    let is_well = |statuses: &BTreeMap<u64, usize>| statuses.keys().any(|status| status / 100 == 2);
    let never: Vec<_> =
        answers.iter().filter(|(id, statuses)| !is_well(statuses) && !is_excepted(id)).collect();
    assert!(never.is_empty(), "never answered well: {never:#?}");
    // Who guesses passwords is soon told to wait, and that is as it should be.
    let others = || answers.iter().filter(|(id, _)| *id != "sign_in").map(|(_, statuses)| statuses);
    let all: usize = others().flat_map(BTreeMap::values).sum();
    let too_much: usize = others().filter_map(|statuses| statuses.get(&429)).sum();
    assert!(too_much * 100 <= all, "{too_much} of {all} requests were too much: they tested nothing");

    // Whatever one operation answers is asked of the others. Nothing is sure to be left after that.
    ask("stateful");
}

/// What tests/schemathesis.toml names: a workspace that is only looked at, and others for what changes or ends them; and what
/// was given up on.
fn make_what_is_asked_for(platform: &Platform, api: &Api) {
    let push = |folder: &Folder, name: &str| {
        let dir = folder.path().to_str().expect("UTF-8");
        succeeded(&format!("push {name}"), &platform.cli(&["push", dir, name]));
    };
    let server = "console.log('started');\n\
        require('node:http').createServer((_, answer) => answer.end('one')).listen(process.env.PORT || 3000);\n";
    // Built, so that there is something to say of that; and with a release before the one that serves.
    let built = "FROM workspace-node-ephemeral:latest\nCOPY . /srv\nENTRYPOINT []\nCMD [\"node\", \"/srv/index.js\"]\n";
    let app = Folder::of(&[("Dockerfile", built), ("index.js", server)]);
    push(&app, "app");
    app.replace("index.js", "one", "two");
    push(&app, "app");
    for name in ["changed", "stopped", "deleted"] {
        for content in ["one", "two"] {
            push(&Folder::of(&[("index.html", content)]), name);
        }
    }
    // One can be brought back, and of the other the volume that stayed be deleted.
    let compose = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n    volumes: [data:/data]\nvolumes:\n  data:\n";
    let with_volume =
        Folder::of(&[("docker-compose.yml", compose), ("package.json", "{}"), ("index.js", server)]);
    for name in ["removed", "shed"] {
        push(&with_volume, name);
        succeeded(&format!("rm {name}"), &platform.cli(&["rm", name, "--yes"]));
    }
    // Longer than everything else takes.
    let slow = "FROM workspace-node-ephemeral:latest\nRUN sleep 3000\n";
    let building = Folder::of(&[("Dockerfile", slow), ("index.js", server)]);
    let dir = building.path().to_str().expect("UTF-8");
    let pushed = platform.cli(&["push", dir, "building", "--timeout", "1"]);
    assert_eq!(pushed.status.code(), Some(124), "{}", stderr(&pushed));

    for id in ["replayed", "discarded"] {
        let body = r#"{"version":9,"workspace":"building","action":"teleport"}"#;
        let letter = json!({
            "version": 1,
            "id": id,
            "queue": "commands-dead",
            "at": "2026-11-23T12:00:00Z",
            "kind": "unknown",
            "reason": "neither a command nor a notification",
            "workspaces": ["building"],
            "body": body,
            "body_bytes": body.len(),
        });
        let program = "s3.put_object(Bucket='cloudyknight', Key=sys.argv[1], Body=sys.argv[2].encode())";
        let key = format!("dead-letters/{id}.json");
        let mut put = platform.s3(Client::Boto3).python(program, &[&key, &letter.to_string()]);
        succeeded("a dead letter", &run(&mut put));
    }
    assert_eq!(
        api.read("/api/v1/dead-letters").expect("a list")["dead_letters"].as_array().map(Vec::len),
        Some(2)
    );
}

/// How often each operation of the document was answered with which status, by its id.
fn answers(document: &Value, report: &Path) -> BTreeMap<String, BTreeMap<u64, usize>> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            operations.push((method.to_uppercase(), path.split('/').collect::<Vec<_>>(), id));
        }
    }
    // The one with fewer parameters is meant, where several fit.
    operations.sort_by_key(|(_, pattern, _)| pattern.iter().filter(|part| part.starts_with('{')).count());
    let mut answers: BTreeMap<String, BTreeMap<u64, usize>> =
        operations.iter().map(|(_, _, id)| (id.clone(), BTreeMap::new())).collect();
    let report = std::fs::read(report).expect("Schemathesis has written its report");
    let report: Value = serde_json::from_slice(&report).expect("HAR is JSON");
    for entry in report["log"]["entries"].as_array().expect("entries") {
        let request = &entry["request"];
        let url = request["url"].as_str().expect("a URL");
        let path: Vec<&str> = url.split('?').next().unwrap_or_default().split('/').skip(3).collect();
        let path = [&[""], path.as_slice()].concat();
        let asked = operations
            .iter()
            .find(|(method, pattern, _)| request["method"] == method.as_str() && fits(pattern, &path));
        if let (Some((_, _, id)), Some(status)) = (asked, entry["response"]["status"].as_u64()) {
            *answers.entry(id.clone()).or_default().entry(status).or_default() += 1;
        }
    }
    answers
}

/// Whether a path is one of those. What is called `path` in it may have slashes.
fn fits(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) | (["{path}"], [_, ..]) => true,
        ([part, pattern @ ..], [word, path @ ..]) => {
            (part.starts_with('{') || part == word) && fits(pattern, path)
        }
        _ => false,
    }
}
