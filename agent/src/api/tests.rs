//! The API as its document tells it: nothing is left out, and everything is said in words.

use std::path::Path;

use super::*;

#[test]
fn no_route_is_left_out_of_the_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut bare = text.lines().filter(|line| line.contains(".route("));
        // Only those that `routes!` adds are in the document, and those it cannot leave out.
        let allowed = |line: &str| line.contains("\"/health\"") || path.ends_with("tests.rs");
        assert!(bare.all(allowed), "{}: add it with `.routes(routes!(…))`", path.display());
    }
}

#[test]
fn every_operation_is_told_in_words() {
    let (_, mut document) = endpoints().split_for_parts();
    assert!(document.paths.paths.len() > 20);
    for (path, item) in &mut document.paths.paths {
        for operation in document::operations(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            let told = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
            assert!(told(&operation.summary) && told(&operation.description), "{path} {id}: what it does");
            assert!(operation.tags.as_ref().is_some_and(|tags| tags.len() == 1), "{path} {id}: its tag");
            let mut statuses = operation.responses.responses.keys();
            assert!(statuses.any(|status| status.starts_with('2')), "{path} {id}: how it ends well");
            let in_path = path.matches('{').count();
            let parameters = operation.parameters.clone().unwrap_or_default();
            let mut named = 0;
            for parameter in parameters {
                let utoipa::openapi::RefOr::T(parameter) = parameter else { continue };
                assert!(told(&parameter.description), "{path} {id}: what `{}` is", parameter.name);
                named += usize::from(path.contains(&format!("{{{}}}", parameter.name)));
            }
            assert_eq!(named, in_path, "{path} {id}: what its path holds");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let (_, mut document) = endpoints().split_for_parts();
    let mut names = std::collections::BTreeSet::new();
    for item in document.paths.paths.values_mut() {
        for operation in document::operations(item) {
            let name = operation.operation_id.clone().unwrap_or_default();
            assert!(names.insert(name.clone()), "two are called `{name}`: say `operation_id`");
        }
    }
}

#[test]
fn every_schema_that_is_named_is_there() {
    let (_, document) = endpoints().split_for_parts();
    let schemas = document.components.clone().unwrap().schemas;
    let text = document.to_json().unwrap();
    for named in text.split("\"#/components/schemas/").skip(1) {
        let name = named.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
