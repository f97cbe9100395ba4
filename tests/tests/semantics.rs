//! `docs/semantics.md` names the tests of each promise: they must exist, and each promise must have some.

use std::collections::BTreeMap;
use std::path::Path;

/// The names of tests in the list items of one section: file → names. An item is `- `file`: `name`, `name``, and may go
/// on below, indented.
fn named(section: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut file = None;
    for line in section.lines() {
        let is_item = line.starts_with("- `");
        let mut quoted = line.split('`').skip(1).step_by(2);
        if is_item {
            file = quoted.next();
        } else if !line.starts_with("  ") {
            file = None;
        }
        if let Some(file) = file {
            files.entry(file).or_default().extend(quoted);
        }
    }
    files
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/semantics.md")).expect("docs/semantics.md");
    let promises: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert!(promises.len() >= 9, "{} promises", promises.len());
    for promise in promises {
        let title = promise.lines().next().unwrap_or_default();
        let files = named(promise);
        assert!(files.values().flatten().count() >= 2, "no tests hold `{title}`: {files:?}");
        for (file, names) in files {
            let source = std::fs::read_to_string(root.join(file));
            let source = source.unwrap_or_else(|error| panic!("`{title}` names {file}: {error}"));
            assert!(!names.is_empty(), "`{title}` names no test of {file}");
            for name in names {
                let test = source.contains(&format!("fn {name}("));
                assert!(test, "`{title}` names `{name}`, which is not in {file}");
            }
        }
    }
}
