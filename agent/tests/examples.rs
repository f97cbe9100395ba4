//! Ordinary compose files, modelled on those that people publish: each is read, or refused with exactly the sentence
//! that stands above it, and warns of exactly what stands there.

use std::collections::BTreeMap;

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
    let folder = |path: &str| files.keys().any(|file| file.starts_with(&format!("{path}/")));
    let paths = |path: &str| path.is_empty() || files.contains_key(path) || folder(path);
    let variables = BTreeMap::new();
    let Ok(Detected::Files { names, warnings }) = detect(&workspace, &text, &paths, &variables) else {
        panic!("no compose file")
    };
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
