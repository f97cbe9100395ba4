//! Compose files of other people: each is read, or refused with exactly the sentence that is expected, and warns of exactly
//! what is expected. Some are modelled on those that people publish, and stand here with what is told of them; others are
//! those of docker-compose 1.29 and of compose-go, the reader of docker-compose 2, out of their own source packages, of which
//! only what is told stands here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloudyknight_agent::compose::policy::Policy;
use cloudyknight_agent::compose::{Detected, Input, detect, parse};

struct Example {
    name: String,
    files: BTreeMap<String, String>,
    /// `refused: …`, or a line `warning: …` for each.
    told: Vec<String>,
}

/// `=== name`, then what is told, then `--- path` before each file.
fn examples(text: &str) -> Vec<Example> {
    let read = |example: &str| {
        let (head, files) = example.split_once("\n--- ").unwrap();
        let mut lines = head.lines().map(str::to_owned);
        let files = files.split("\n--- ").map(|file| {
            let (path, text) = file.split_once('\n').unwrap_or((file, ""));
            (path.trim().to_owned(), format!("{text}\n"))
        });
        Example { name: lines.next().unwrap(), files: files.collect(), told: lines.collect() }
    };
    text.split("\n=== ").skip(1).map(read).collect()
}

/// What a user is told who pushes these files.
fn told(files: &BTreeMap<String, String>) -> Vec<String> {
    let workspace = "myapp".parse().unwrap();
    let text = |path: &str| files.get(path).cloned();
    let paths = |path: &str| is_there(files, path);
    let Ok(Detected::Files { names, warnings }) = detect(&workspace, &text, &paths, &BTreeMap::new()) else {
        panic!("no compose file")
    };
    told_of(files, &names, warnings)
}

fn is_there(files: &BTreeMap<String, String>, path: &str) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || files.contains_key(path) || files.keys().any(|file| file.starts_with(&folder))
}

/// The same where it is known which of them are the compose files.
fn told_of(files: &BTreeMap<String, String>, names: &[String], warnings: Vec<String>) -> Vec<String> {
    told_under(&Policy::default(), files, names, warnings)
}

fn told_under(
    policy: &Policy,
    files: &BTreeMap<String, String>,
    names: &[String],
    warnings: Vec<String>,
) -> Vec<String> {
    let workspace = "myapp".parse().unwrap();
    let text = |path: &str| files.get(path).cloned();
    let paths = |path: &str| is_there(files, path);
    let variables = BTreeMap::new();
    let parsed = parse(&Input {
        workspace: &workspace,
        file: &names[0],
        text: &files[&names[0]],
        overrides: &names[1..],
        files: &text,
        paths: &paths,
        variables: &variables,
        policy,
    });
    match parsed {
        Ok(parsed) => {
            let all = warnings.into_iter().chain(parsed.warnings.iter().map(ToString::to_string));
            all.map(|warning| format!("warning: {warning}")).collect()
        }
        Err(error) => vec![format!("refused: {error}")],
    }
}

#[test]
fn published_examples_are_read_or_refused_with_the_expected_sentence() {
    let examples = examples(include_str!("examples/cases.txt"));
    assert!(examples.len() >= 20, "{}", examples.len());
    let mut wrong = String::new();
    for Example { name, files, told: expected } in &examples {
        let found = told(files);
        if found != *expected {
            wrong += &format!("=== {name}\n{}\n", found.join("\n"));
        }
    }
    assert!(wrong.is_empty(), "what is told of these is:\n{wrong}");
}

/// Where `test.sh` puts the source package of docker-compose 1.29.2 (Apache License 2.0), as PyPI has it.
#[expect(clippy::disallowed_methods, reason = "where the files are is said to the test itself")]
fn published() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-published");
    let folder = std::env::var_os("CLOUDYKNIGHT_TEST_PUBLISHED").map_or(usual, PathBuf::from);
    let fixtures = folder.join("docker-compose-1.29.2/tests/fixtures");
    assert!(fixtures.is_dir(), "there is no {}\nhint: ./test.sh fetches it", fixtures.display());
    fixtures
}

/// All files below a folder that are text, by their paths in it.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in std::fs::read_dir(&one).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), text);
            }
        }
    }
    found
}

#[test]
fn the_files_of_docker_compose_itself_are_read_or_refused_with_the_expected_sentence() {
    let fixtures = published();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let (mut found, mut count) = (String::new(), 0);
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let files = texts(&folder);
        let is_compose =
            |path: &&String| !path.contains('/') && (path.ends_with(".yml") || path.ends_with(".yaml"));
        for file in files.keys().filter(is_compose) {
            let told = told_of(&files, std::slice::from_ref(file), Vec::new());
            count += 1;
            found += &format!("=== {name}/{file}\n");
            told.iter().for_each(|line| found += &format!("{line}\n"));
        }
    }
    assert!(count >= 100, "{count} files");
    agrees(&found, include_str!("examples/docker-compose.txt"));
}

/// Below a heading, what is told of each file.
#[track_caller]
fn agrees(found: &str, expected: &str) {
    let (_, expected) = expected.split_once("\n\n").unwrap();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "the first difference: {differs:#?}\nwhat is told of them is:\n{found}");
}

/// Where `test.sh` puts the source of compose-go 2.4.8 (Apache License 2.0), as Debian has it; on other systems it does not.
#[expect(clippy::disallowed_methods, reason = "where the files are is said to the test itself")]
fn compose_go() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-compose");
    let folder = std::env::var_os("CLOUDYKNIGHT_TEST_COMPOSE").map_or(usual, PathBuf::from);
    let source = folder.join("compose-go-2.4.8");
    if !source.is_dir() {
        eprintln!("there is no {}: ./test.sh fetches it; not read", source.display());
    }
    Some(source).filter(|source| source.is_dir())
}

/// Its example of everything.
const EVERYTHING: &str = "loader/full-example.yml";
const ALL: &str = r#"{"host_namespaces": "*", "host_paths": "*", "devices": "*", "capabilities": "*", "privileged": "*",
    "sysctls": "*", "low_ports": "*", "new_privileges": "*", "docker_socket": "*",
    "external_networks": {"external-network": "*", "my-cool-network": "*"},
    "external_volumes": {"external-volume": "*", "my-cool-volume": "*", "this-is-volume3": "*"}}"#;

#[test]
fn the_files_of_compose_go_are_read_or_refused_with_the_expected_sentence() {
    let Some(source) = compose_go() else { return };
    let is_compose = |path: &String| {
        let ours = path.starts_with("loader/") || path.starts_with("cli/testdata/");
        ours && (path.ends_with(".yml") || path.ends_with(".yaml"))
    };
    let all: Vec<String> = texts(&source).into_keys().filter(is_compose).collect();
    assert!(all.len() >= 40, "{} files", all.len());
    let mut found = String::new();
    for path in all {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let files = texts(&source.join(folder));
        let mut add = |title: &str, policy: &Policy| {
            found += &format!("=== {title}\n");
            let told = told_under(policy, &files, &[file.to_owned()], Vec::new());
            told.iter().for_each(|line| found += &format!("{line}\n"));
        };
        add(&path, &Policy::default());
        if path == EVERYTHING {
            add(
                &format!("{path}, where all that it asks for is allowed"),
                &serde_json::from_str(ALL).unwrap(),
            );
        }
    }
    agrees(&found, include_str!("examples/compose-go.txt"));
}
