//! What servers really emit is understood: every fixture under `fixtures/notifications` says in its folder's
//! `expected.txt` what it means, and nothing else may be read from it. The README there tells where each is from.

// A test may read its fixtures; the code it tests may not.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cloudyknight_core::change::{ChangeKind, Changed};
use cloudyknight_core::dead_letter::{DeadLetter, Kind};
use cloudyknight_core::notification::{self, Parsed};

const SERVERS: [&str; 10] = [
    "aws",
    "aws-eventbridge",
    "aws-sns",
    "ceph",
    "floci",
    "localstack",
    "minio-family",
    "ministack",
    "moto",
    "seaweedfs",
];

fn folder(server: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/notifications").join(server)
}

fn fixtures(server: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder(server)).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// File → what it means, a line each. Lines that begin with `#` are for people.
fn expected(server: &str) -> BTreeMap<String, Vec<String>> {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let table = fs::read_to_string(folder(server).join("expected.txt")).unwrap();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (file, meaning) = line.split_once(' ').unwrap();
        expected.entry(file.to_owned()).or_default().push(meaning.trim_start().to_owned());
    }
    expected
}

/// What each kind of server writes of an object at the first level, with an archive for that object.
#[test]
fn an_archive_marks_its_workspace_in_every_dialect() {
    let check = |server: &str, file: &str, key: &str| {
        let text = fixtures(server)[file].replace(key, "my-app.tar.gz");
        let told = told(&notification::parse(&text, "workspaces").unwrap());
        assert_eq!(told, ["put archive my-app.tar.gz of my-app"], "{server}/{file}");
    };
    for server in ["localstack", "ministack", "moto", "seaweedfs"] {
        check(server, "put-top-level.json", "readme.txt");
    }
    for (server, file) in [("aws", "put.json"), ("aws-eventbridge", "created.json"), ("floci", "put.json")] {
        check(server, file, "app/index.js");
    }
    for file in ["minio-put.json", "rustfs-put.json"] {
        check("minio-family", file, "app%2Findex.js");
    }
}

fn told(parsed: &Parsed) -> Vec<String> {
    let changes = parsed.changes.iter().map(|change| {
        let kind = match change.kind {
            ChangeKind::Put => "put",
            ChangeKind::Delete => "delete",
        };
        match &change.object {
            Changed::File(path) => format!("{kind} {}/{path}", change.workspace),
            Changed::Archive(key) => format!("{kind} archive {key} of {}", change.workspace),
        }
    });
    let ignored = parsed.ignored.iter().map(|ignored| format!("ignored: {}", ignored.why));
    let doubts = parsed.doubts.iter().map(|doubt| format!("doubt: {doubt}"));
    changes.chain(ignored).chain(doubts).collect()
}

#[test]
fn every_fixture_means_what_was_done() {
    let mut wrong = Vec::new();
    for server in SERVERS {
        let mut expected = expected(server);
        for (file, text) in fixtures(server) {
            let wanted = expected.remove(&file).unwrap_or_default();
            let told = match notification::parse(&text, "workspaces") {
                Ok(parsed) => told(&parsed),
                Err(error) => vec![format!("error: {error}")],
            };
            if told != wanted {
                wrong.push(format!("{server}/{file}\n  wanted {wanted:?}\n  told   {told:?}"));
            }
        }
        wrong.extend(expected.keys().map(|file| format!("{server}/{file} is in the table, but not there")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_fixtures_is_read() {
    let folders = fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = folders
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, SERVERS);
}

#[test]
fn fixtures_about_another_bucket_change_nothing() {
    for server in SERVERS {
        for (file, text) in fixtures(server) {
            let parsed = notification::parse(&text, "another").unwrap();
            assert!(parsed.changes.is_empty(), "{server}/{file}: {:?}", parsed.changes);
        }
    }
}

#[test]
fn a_dead_letter_of_any_dialect_names_its_workspaces() {
    for server in SERVERS {
        for (file, text) in fixtures(server) {
            let letter = DeadLetter::of("1", "events-dead", &text, "workspaces", String::new());
            let parsed = notification::parse(&text, "workspaces").unwrap();
            let mut wanted: Vec<_> = parsed.changes.into_iter().map(|change| change.workspace).collect();
            wanted.sort();
            wanted.dedup();
            assert_eq!((letter.kind, letter.workspaces), (Kind::Notification, wanted), "{server}/{file}");
        }
    }
}
