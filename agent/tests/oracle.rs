//! Compose files through our reader and through `docker-compose config` 1.29 and 2.26, which must agree where both cover
//! the same element. What `config` prints is a compose file again: both become our model, and that is compared.
//!
//! The cases stand in `oracle/cases/`. A case that the two see differently says with which major version of
//! docker-compose, and why; that they do differ is tested too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cloudyknight_agent::compose::policy::Policy;
use cloudyknight_agent::compose::{Detected, Input, detect, parse};
use tempfile::TempDir;

#[path = "oracle/combinations.rs"]
mod combinations;
#[path = "oracle/reference.rs"]
mod reference;

use reference::Reference;

type Files = BTreeMap<String, String>;

#[derive(Debug)]
struct Case {
    name: String,
    files: Files,
    /// It is wrong, and must be refused.
    refused: bool,
    /// By major version of docker-compose, why it sees this differently.
    differs: BTreeMap<u32, String>,
}

/// `=== name`, then `refused` and `differs from N: why`, then `--- path` before each file.
fn cases(text: &str) -> Vec<Case> {
    let read = |case: &str| {
        let (head, files) = case.split_once("\n--- ").unwrap_or((case, ""));
        let mut lines = head.lines();
        let name = lines.next().unwrap().trim().to_owned();
        let refused = head.lines().any(|line| line == "refused");
        let differs = lines.filter(|line| !line.is_empty() && *line != "refused").map(|line| {
            let line = line.strip_prefix("differs from ").unwrap_or_else(|| panic!("{name}: {line}"));
            let (version, why) = line.split_once(": ").unwrap();
            (version.parse().unwrap(), why.to_owned())
        });
        let differs = differs.collect();
        let files = files.split("\n--- ").map(|file| {
            let (path, text) = file.split_once('\n').unwrap_or((file, ""));
            (path.trim().to_owned(), format!("{text}\n"))
        });
        Case { name, files: files.collect(), refused, differs }
    };
    text.split("\n=== ").skip(1).map(read).collect()
}

/// The model that we make of the files of a workspace, as JSON; or what is wrong with them.
fn ours(files: &Files) -> Outcome {
    let workspace = "myapp".parse().unwrap();
    let text = |path: &str| files.get(path).cloned();
    let folder = |path: &str| files.keys().any(|file| file.starts_with(&format!("{path}/")));
    let paths = |path: &str| path.is_empty() || files.contains_key(path) || folder(path);
    let variables = BTreeMap::new();
    let found = detect(&workspace, &text, &paths, &variables).map_err(|error| error.to_string())?;
    let Detected::Files { names, .. } = found else { return Err("no compose file".to_owned()) };
    let parsed = parse(&Input {
        workspace: &workspace,
        file: &names[0],
        text: &files[&names[0]],
        overrides: &names[1..],
        files: &text,
        paths: &paths,
        variables: &variables,
        policy: &Policy::default(),
    });
    let parsed = parsed.map_err(|error| format!("{error} ({})", error.hint.clone().unwrap_or_default()))?;
    let mut value = serde_json::to_value(parsed.project).unwrap();
    for service in value["services"].as_object_mut().unwrap().values_mut() {
        for list in ["/mounts", "/ports", "/expose", "/isolation/cap_drop"] {
            sort(service.pointer_mut(list));
        }
    }
    Ok(value)
}

/// Of what has no order but a list's.
fn sort(list: Option<&mut serde_json::Value>) {
    if let Some(serde_json::Value::Array(items)) = list {
        items.sort_by_key(ToString::to_string);
    }
}

/// The same, with docker-compose having read the files first.
fn theirs(files: &Files, config: &str, folder: &str) -> Outcome {
    // What is named after the project is named by the platform here.
    let named = |line: &&str| !line.trim().starts_with("name: myapp");
    let text: String = config.lines().filter(named).map(|line| format!("{line}\n")).collect();
    let mut files = files.clone();
    files.retain(|path, _| !path.ends_with(".yml") && !path.ends_with(".yaml"));
    // What it has put in place of variables stays; which services are started, it has decided.
    files.insert(".env".to_owned(), "COMPOSE_PROFILES=*\n".to_owned());
    files.insert("compose.yaml".to_owned(), text.replace(folder, "/workspaces/myapp"));
    ours(&files)
}

/// Why each case that fails does.
fn disagreements(cases: &[Case]) -> Vec<String> {
    let temporary = TempDir::new().unwrap();
    let folders: Vec<PathBuf> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            let folder = temporary.path().join(index.to_string()).join("myapp");
            for (path, text) in &case.files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folder
        })
        .collect();
    let of = |reference: &Reference| disagreements_with(reference, cases, &folders);
    Reference::all().iter().flat_map(of).collect()
}

fn disagreements_with(reference: &Reference, cases: &[Case], folders: &[PathBuf]) -> Vec<String> {
    let version = reference.version;
    let mut failures = Vec::new();
    for ((case, folder), config) in cases.iter().zip(folders).zip(reference.configs(folders)) {
        let ours = ours(&case.files);
        let theirs = config.clone().and_then(|config| {
            let text = theirs(&case.files, &config, folder.to_str().unwrap());
            text.map_err(|error| format!("what it prints cannot be read: {error}"))
        });
        let agree = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(_), Err(_)) => case.refused && config.is_err(),
            _ => false,
        };
        assert_eq!(ours.is_err(), case.refused, "{}: {ours:?}", case.name);
        match (case.differs.get(&version), agree) {
            (None, true) | (Some(_), false) => {}
            (Some(why), true) => {
                failures.push(format!("{}, with {version}: the two agree, and yet: {why}", case.name));
            }
            (None, false) => {
                failures.push(format!("{}, with {version}\n{}", case.name, difference(&ours, &theirs)));
            }
        }
    }
    failures
}

type Outcome = Result<serde_json::Value, String>;

fn difference(ours: &Outcome, theirs: &Outcome) -> String {
    let mut out = String::new();
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => values_that_differ("", ours, theirs, &mut out),
        (ours, theirs) => {
            for (who, outcome) in [("ours", ours), ("theirs", theirs)] {
                let what = outcome.as_ref().map_or_else(|error| error.trim(), |_| "fine");
                out += &format!("  {who}: {what}\n");
            }
        }
    }
    out
}

fn values_that_differ(path: &str, ours: &serde_json::Value, theirs: &serde_json::Value, out: &mut String) {
    let (Some(one), Some(two)) = (ours.as_object(), theirs.as_object()) else {
        if ours != theirs {
            *out += &format!("  {path}\n    ours:   {ours}\n    theirs: {theirs}\n");
        }
        return;
    };
    let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    for key in keys {
        values_that_differ(&format!("{path}.{key}"), &ours[key], &theirs[key], out);
    }
}

fn check(cases: &[Case], at_least: usize) {
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let failures = disagreements(cases);
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n---\n"));
}

#[test]
fn files_are_merged_as_docker_compose_merges_them() {
    check(&cases(include_str!("oracle/cases/merging.txt")), 25);
}

#[test]
fn services_extend_each_other_as_in_docker_compose() {
    check(&cases(include_str!("oracle/cases/extends.txt")), 10);
}

#[test]
fn variables_are_filled_in_as_docker_compose_fills_them_in() {
    check(&cases(include_str!("oracle/cases/variables.txt")), 15);
}

#[test]
fn yaml_and_short_forms_are_read_as_docker_compose_reads_them() {
    check(&cases(include_str!("oracle/cases/forms.txt")), 15);
}

#[test]
fn elements_mean_what_they_mean_to_docker_compose() {
    check(&cases(include_str!("oracle/cases/elements.txt")), 20);
}

#[test]
fn what_only_newer_ones_know_is_read_as_they_do() {
    check(&cases(include_str!("oracle/cases/newer.txt")), 15);
}

#[test]
fn every_form_over_every_other_form_is_merged_as_docker_compose_does() {
    check(&combinations::overriding(), 60);
}

#[test]
fn every_form_inherits_every_other_form_as_in_docker_compose() {
    check(&combinations::extending(), 60);
}
