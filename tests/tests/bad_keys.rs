//! Keys that are no usual paths. Those that can be files are, with what was put there; the others are warnings in the
//! status; and whatever a key says, nothing is written outside of the release's folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cloudyknight_tests::run::{run, stderr, succeeded};
use cloudyknight_tests::{Client, Neighbour, Platform, eventually};
use serde_json::Value;

/// Puts each key, with the key itself for its content.
const PUT_ALL: &str = "
import json
for key in json.loads(sys.argv[1]): put(key, key.encode())
";

fn files() -> Vec<String> {
    let mut keys: Vec<String> = [
        "index.html",
        "with space.txt",
        "a+b.txt",
        "100%.txt",
        "%2e%2e%2fescape.txt",
        "new\nline.txt",
        "tab\tand\"quotes'.txt",
        "caf\u{e9}/\u{4f60}\u{597d}/\u{1f980}.txt",
        "-rf",
        "...",
        "back\\slash\\..\\x",
        "a/b/c/d.txt",
        "\u{202e}reversed.txt",
        "$(touch pwned);`id`&",
    ]
    .map(str::to_owned)
    .into();
    // 1,024 bytes with the workspace's name: the longest that S3 allows.
    let mut longest = String::from("long");
    while longest.len() < 1024 - "keys/".len() - 2 {
        longest.push('/');
        let rest = 1024 - "keys/".len() - longest.len();
        longest.push_str(&"n".repeat(rest.min(255)));
    }
    assert_eq!("keys/".len() + longest.len(), 1024);
    keys.push(longest);
    keys
}

fn left_out() -> Vec<(String, &'static str)> {
    vec![
        ("a/../../../b".to_owned(), "it has `.` or `..` for a folder name"),
        ("../neighbour/index.html".to_owned(), "it has `.` or `..` for a folder name"),
        ("./dot".to_owned(), "it has `.` or `..` for a folder name"),
        ("a//b".to_owned(), "it has an empty folder name"),
        ("/etc/passwd".to_owned(), "it has an empty folder name"),
        ("content/".to_owned(), "it has an empty folder name"),
        (format!("{}.txt", "x".repeat(252)), "a name in it is longer than 255 bytes"),
        ("both".to_owned(), "other objects need a folder of this name"),
    ]
}

/// Path below `root` → content, of every file.
fn contents(root: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it is below").to_str().expect("UTF-8").to_owned();
                all.insert(name, std::fs::read_to_string(&path).expect("a file"));
            }
        }
    }
    all
}

/// The same, as the app sees it: names and contents, each with its length, so that no name can pretend to be two.
const READ_ALL: &str = "
const fs = require('fs'), path = require('path');
const all = {};
const walk = (folder) => fs.readdirSync(folder, { withFileTypes: true }).forEach((entry) => {
  const file = path.join(folder, entry.name);
  if (entry.isDirectory()) walk(file); else all[path.relative('/workspace', file)] = fs.readFileSync(file, 'utf8');
});
walk('/workspace');
console.log(JSON.stringify(all));
";

#[test]
fn keys_that_can_be_files_are_files_and_the_others_are_warnings() {
    let platform = Platform::builder().setting("quiet_ms", 50).setting("burst_quiet_ms", 300).start();
    let neighbour = Neighbour::of(&platform);
    let mut keys = files();
    keys.extend(left_out().into_iter().map(|(key, _)| key));
    keys.push("both/inside.txt".to_owned());
    let keys: Vec<String> = keys.iter().map(|key| format!("keys/{key}")).collect();
    let s3 = platform.s3(Client::Boto3);
    let arguments = serde_json::to_string(&keys).expect("plain data");
    succeeded("the keys are put", &run(&mut s3.python(PUT_ALL, &[&arguments])));
    // The app that reads its own source; its command is no key of the test.
    let compose = "services:\n  app:\n    image: workspace-node-ephemeral:latest\n    expose: ['3000']\n    \
                   working_dir: /\n    entrypoint: [node, -e, \"require('http').createServer((_, r) => \
                   r.end('up')).listen(3000)\"]\n";
    s3.put("keys/docker-compose.yml", compose);
    let status = platform.live("keys");

    let mut expected: BTreeMap<String, String> =
        files().into_iter().map(|key| (key.clone(), format!("keys/{key}"))).collect();
    expected.insert("both/inside.txt".to_owned(), "keys/both/inside.txt".to_owned());
    expected.insert("docker-compose.yml".to_owned(), compose.to_owned());
    let one = || (platform.docker().containers_of("keys").len() == 1).then_some(());
    eventually("the release before is cleared away", Duration::from_secs(20), one);
    let container = platform.docker().container_of("keys");
    let quoted = READ_ALL.replace('\'', "'\\''");
    let seen = platform.docker().shell(&container, &format!("node -e '{quoted}'"));
    let seen: BTreeMap<String, String> = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen, expected);

    let warnings = status["warnings"].as_array().expect("a list");
    let mut told: Vec<&str> = warnings.iter().filter_map(Value::as_str).collect();
    told.sort_unstable();
    let warning =
        |(key, why): (String, _)| format!("the object {key:?} can be no file and is left out: {why}");
    let mut warned: Vec<String> = left_out().into_iter().map(warning).collect();
    warned.sort();
    assert_eq!(told, warned);

    // Two releases, and not one file more.
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let folders = std::fs::read_dir(platform.source_dir()).expect("it is there");
    let mut folders: Vec<_> = folders.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let [keys, other] = folders.as_slice() else { panic!("two folders: {folders:?}") };
    assert!(name(keys).starts_with("keys.") && name(other).starts_with("neighbour."), "{folders:?}");
    assert_eq!(contents(keys), expected);
    assert_eq!(contents(other).keys().collect::<Vec<_>>(), ["index.html"]);
    let outside = ["b", "etc", "escape.txt", "pwned"].map(|name| Path::new("/dev/shm").join(name));
    assert!(outside.iter().all(|path| !path.exists()), "nothing beside the source directory: {outside:?}");
    neighbour.is_unhurt();
}

#[test]
fn a_key_of_more_than_1024_bytes_is_refused_and_changes_nothing() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    let key = format!("neighbour/{}", "x/".repeat(600));
    let refused = run(&mut s3.python("put(sys.argv[1], b'x')", &[&key]));
    assert!(!refused.status.success() && stderr(&refused).contains("KeyTooLong"), "{refused:?}");
    assert_eq!(s3.ls("neighbour/"), ["neighbour/index.html"]);
    neighbour.is_unhurt();
}
