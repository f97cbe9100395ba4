//! The table of `docs/compose.md`: every element of the specification's own schema, and that what the table says of it is
//! what happens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Workspace;
use crate::compose::keys::{self, Effect, Keys};
use crate::compose::model::Warning;

/// `agent/tests/fixtures/README.md` says where it is from.
const SCHEMA: &str = include_str!("../../../tests/fixtures/compose-spec.json");
/// What is written there stands for itself, and is tested here.
pub(super) const SAMPLES: &str = include_str!("../../../tests/fixtures/compose-elements.json");
const PAGE: &str = include_str!("../../../../docs/compose.md");

/// Which of our tables tells of the keys below a path.
const TABLES: &[(&str, Keys)] = &[
    ("", keys::PROJECT),
    ("include.[]", keys::INCLUDE),
    ("services.*", keys::SERVICE),
    ("services.*.blkio_config", keys::BLKIO),
    ("services.*.blkio_config.device_read_bps.[]", keys::BLKIO_RATE),
    ("services.*.blkio_config.device_read_iops.[]", keys::BLKIO_RATE),
    ("services.*.blkio_config.device_write_bps.[]", keys::BLKIO_RATE),
    ("services.*.blkio_config.device_write_iops.[]", keys::BLKIO_RATE),
    ("services.*.blkio_config.weight_device.[]", keys::BLKIO_WEIGHT),
    ("services.*.build", keys::BUILD),
    ("services.*.configs.[]", keys::PRIVATE_FILE),
    ("services.*.depends_on.*", keys::DEPENDS_ON),
    ("services.*.deploy", keys::DEPLOY),
    ("services.*.deploy.resources", keys::RESOURCES),
    ("services.*.deploy.resources.limits", keys::LIMITS),
    ("services.*.deploy.resources.reservations", keys::RESERVATIONS),
    ("services.*.deploy.restart_policy", keys::RESTART_POLICY),
    ("services.*.deploy.update_config", keys::UPDATE_CONFIG),
    ("services.*.develop", keys::DEVELOP),
    ("services.*.develop.watch.[]", keys::WATCH),
    ("services.*.develop.watch.[].exec", keys::HOOK),
    ("services.*.env_file.[]", keys::ENV_FILE),
    ("services.*.extends", keys::EXTENDS),
    ("services.*.healthcheck", keys::HEALTHCHECK),
    ("services.*.logging", keys::LOGGING),
    ("services.*.networks.*", keys::SERVICE_NETWORK),
    ("services.*.ports.[]", keys::PORT),
    ("services.*.post_start.[]", keys::HOOK),
    ("services.*.pre_stop.[]", keys::HOOK),
    ("services.*.secrets.[]", keys::PRIVATE_FILE),
    ("services.*.ulimits.*", keys::ULIMIT),
    ("services.*.volumes.[]", keys::MOUNT),
    ("services.*.volumes.[].bind", keys::MOUNT_BIND),
    ("services.*.volumes.[].tmpfs", keys::MOUNT_TMPFS),
    ("services.*.volumes.[].volume", keys::MOUNT_VOLUME),
    ("networks.*", keys::NETWORK),
    ("volumes.*", keys::VOLUME),
    ("secrets.*", keys::SECRET),
    ("configs.*", keys::CONFIG),
];

/// Every path of the schema: `*` stands for a name that people choose, `[]` for an entry of a list.
pub(super) fn paths() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut found = BTreeSet::new();
    walk(&schema, &schema, "", &mut Vec::new(), &mut found);
    found
}

fn join(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn walk(schema: &Value, node: &Value, path: &str, within: &mut Vec<String>, found: &mut BTreeSet<String>) {
    if let Some(name) = node["$ref"].as_str().and_then(|name| name.rsplit('/').next())
        && !within.iter().any(|other| other == name)
    {
        within.push(name.to_owned());
        walk(schema, &schema["definitions"][name], path, within, found);
        within.pop();
    }
    for one in ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| node[*key].as_array()).flatten() {
        walk(schema, one, path, within, found);
    }
    for (key, below) in node["properties"].as_object().into_iter().flatten() {
        let path = join(path, key);
        walk(schema, below, &path, within, found);
        found.insert(path);
    }
    let named = node["patternProperties"].as_object().into_iter().flatten();
    for (_, below) in named.filter(|(pattern, _)| *pattern != "^x-") {
        walk(schema, below, &join(path, "*"), within, found);
    }
    for (key, part) in [("additionalProperties", "*"), ("items", "[]")] {
        if node[key].is_object() {
            walk(schema, &node[key], &join(path, part), within, found);
        }
    }
}

/// What becomes of an element. Below what is refused or has no effect, everything is.
pub(super) fn effect(path: &str) -> Effect {
    let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut above = parent;
    while !above.is_empty() {
        let (up, last) = above.rsplit_once('.').unwrap_or(("", above));
        if !matches!(last, "*" | "[]")
            && let effect @ (Effect::Allowed(_)
            | Effect::AllowedPartly(..)
            | Effect::AllowedByName(..)
            | Effect::Ignored(_)
            | Effect::Unsupported(_)) = effect(above)
        {
            return effect;
        }
        above = up;
    }
    let table = TABLES.iter().find(|(path, _)| *path == parent);
    let (_, keys) = table.unwrap_or_else(|| panic!("no table tells of what stands below `{parent}`"));
    let found = keys.iter().find(|(name, _)| *name == key);
    found.unwrap_or_else(|| panic!("the table of `{parent}` does not tell of `{key}`")).1
}

fn outcome(effect: Effect) -> (&'static str, String) {
    match effect {
        Effect::Read => ("supported", String::new()),
        Effect::Partly(note) => ("supported", note.to_owned()),
        Effect::Allowed(permission) => ("refused by policy", format!("allowed by `{}`", permission.name())),
        Effect::AllowedPartly(permission, note) => {
            ("refused by policy", format!("allowed by `{}`; {note}", permission.name()))
        }
        Effect::AllowedByName(setting, "") => {
            ("refused by policy", format!("allowed by its name in `{setting}`"))
        }
        Effect::AllowedByName(setting, note) => {
            ("refused by policy", format!("allowed by its name in `{setting}`; {note}"))
        }
        Effect::Ignored(why) => ("not supported", format!("a warning: {why}")),
        Effect::Unsupported(hint) => ("not supported", format!("an error: {hint}")),
    }
}

fn table() -> String {
    let mut text = String::from("| element | outcome | |\n| --- | --- | --- |\n");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in paths() {
        let (outcome, note) = outcome(effect(&path));
        *counts.entry(outcome).or_default() += 1;
        let note = note.replace('|', "\\|");
        text.push_str(&format!("| `{path}` | {outcome} | {note} |\n"));
    }
    let sum: usize = counts.values().sum();
    let counted: Vec<String> = counts.iter().map(|(outcome, number)| format!("{number} {outcome}")).collect();
    format!("{sum} elements: {}.\n\n{text}", counted.join(", "))
}

#[test]
fn our_tables_tell_of_every_element_of_the_schema_and_of_no_other() {
    let paths = paths();
    assert!(paths.len() > 300, "the walk sees the whole schema: {}", paths.len());
    for path in &paths {
        effect(path);
    }
    // What implementations know beside the schema.
    let beside = [""];
    for (parent, keys) in TABLES {
        for (key, _) in *keys {
            let path = join(parent, key);
            assert!(paths.contains(&path) || beside.contains(&path.as_str()), "`{path}` is no element");
        }
    }
}

#[test]
fn the_page_shows_the_table_as_it_is() {
    let (_, rest) = PAGE.split_once("<!-- table -->\n").expect("the page has a place for the table");
    assert_eq!(rest.trim(), table().trim(), "`write_the_page` writes it anew");
}

#[test]
#[ignore = "writes docs/compose.md"]
fn write_the_page() {
    let (text, _) = PAGE.split_once("<!-- table -->\n").expect("the page has a place for the table");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compose.md");
    std::fs::write(page, format!("{text}<!-- table -->\n{}", table())).expect("the page is written");
}

/// The paths of the schema that occur in a document.
fn occurring(document: &Value, path: &str, all: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(map) => {
            for (key, below) in map {
                let (named, free) = (join(path, key), join(path, "*"));
                let path = if all.contains(&named) { named } else { free };
                found.insert(path.clone());
                occurring(below, &path, all, found);
            }
        }
        Value::Array(items) => {
            items.iter().for_each(|item| occurring(item, &join(path, "[]"), all, found));
        }
        _ => {}
    }
}

fn workspace() -> Workspace {
    let files = ["Dockerfile", "web/Dockerfile", "f.txt", "src/a.js"];
    let workspace = files.into_iter().fold(Workspace::new(), |workspace, path| workspace.file(path, "A=b\n"));
    workspace
        .file("base.yaml", "services: {base: {image: x}}\n")
        .file("more.yaml", "services: {more: {image: x}}\n")
        .variable("TOKEN", "t")
}

/// A policy.
pub(super) const ALL_ALLOWED: &str = r#"{"privileged": "*", "host_namespaces": "*", "devices": "*",
    "capabilities": "*", "new_privileges": "*", "docker_socket": "*", "host_paths": "*", "low_ports": "*",
    "sysctls": "*", "external_networks": {"n": "*"}, "external_volumes": {"v": "*"}}"#;

fn everything_allowed() -> Workspace {
    workspace().policy(ALL_ALLOWED)
}

/// The setting that allows an element which policy refuses.
pub(super) fn setting(path: &str) -> Option<&'static str> {
    match effect(path) {
        Effect::Allowed(permission) | Effect::AllowedPartly(permission, _) => Some(permission.name()),
        Effect::AllowedByName(setting, _) => Some(setting),
        _ => None,
    }
}

#[test]
fn each_element_does_what_the_table_says() {
    let all = paths();
    let samples: Value = serde_json::from_str(SAMPLES).expect("the samples are JSON");
    let list = |kind: &str| samples[kind].as_array().expect(kind).clone();
    let mut shown = BTreeSet::new();
    for document in list("supported") {
        let parsed = workspace().parse(&document.to_string());
        let parsed = parsed.unwrap_or_else(|error| panic!("{error} {:?}\n{document}", error.hint));
        assert_eq!(parsed.warnings, [], "{document}");
        occurring(&document, "", &all, &mut shown);
    }
    for (path, document) in samples["policy"].as_object().expect("policy") {
        let error = workspace().parse(&document.to_string()).expect_err(path);
        assert!(error.policy, "{path}: {error}");
        let setting = setting(path).expect("a setting");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains(setting)), "{path}: {:?}", error.hint);
        let allowed = everything_allowed().parse(&document.to_string());
        let allowed = allowed.unwrap_or_else(|error| panic!("{path}: {error}"));
        // Said of what is allowed, and obeyed all the same.
        let unguarded = |one: &&Warning| !one.message.starts_with("the firewall does not cover");
        assert_eq!(allowed.warnings.iter().find(unguarded), None, "{path}");
        occurring(document, "", &all, &mut shown);
    }
    for (path, document) in samples["warned"].as_object().expect("warned") {
        let parsed = everything_allowed().parse(&document.to_string());
        let parsed = parsed.unwrap_or_else(|error| panic!("{path}: {error}"));
        let key = format!("`{}` has no effect", path.rsplit('.').next().unwrap_or_default());
        let told = |message: &str| message.contains(&key);
        assert!(
            parsed.warnings.iter().any(|one| told(&one.message) && one.line.is_some()),
            "{path}: {:?}",
            parsed.warnings
        );
        occurring(document, "", &all, &mut shown);
    }
    for (path, document) in samples["refused"].as_object().expect("refused") {
        let error = everything_allowed().parse(&document.to_string()).expect_err(path);
        let key = path.rsplit('.').next().unwrap_or_default();
        assert!(error.message.contains("not supported") && error.message.contains(key), "{path}: {error}");
        assert!(error.position.is_some() && error.hint.is_some(), "{path}");
    }
    // None is left out: what is refused or has no effect as a whole needs no sample of what stands below it.
    let told = |kind: &str, path: &str| samples[kind].get(path).is_some();
    let whole = |path: &str| {
        let mut above = path;
        loop {
            if told("warned", above) || told("refused", above) || told("policy", above) {
                return true;
            }
            let Some((up, _)) = above.rsplit_once('.') else { return false };
            above = up;
        }
    };
    let missing: Vec<&String> = all
        .iter()
        .filter(|path| match effect(path) {
            Effect::Read | Effect::Partly(_) => !shown.contains(*path),
            _ => !whole(path),
        })
        .collect();
    assert!(missing.is_empty(), "no sample shows {missing:#?}");
}
