//! `cloudyknight schema`: what each command prints with `--json`, as JSON Schema (2020-12), made from the types that are
//! printed; and the same for people, which is docs/json.md.

use std::collections::BTreeMap;
use std::process::ExitCode;

use cloudyknight_core::difference::Difference;
use cloudyknight_core::history;
use cloudyknight_core::status::WorkspaceStatus;
use cloudyknight_core::volume::Volumes;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    audit, cancel, completions, config, doctor, down, forget, logs, ls, man, migrate, mount, new, open, push,
    status, token, unmount, up, volumes,
};
use crate::errors::{self, hinted};
use crate::suggest;

/// What one command prints.
struct Printed {
    /// As it is typed.
    command: &'static str,
    /// One document a line, as they come; otherwise it is one.
    lines: bool,
    schema: fn() -> Schema,
}

/// A type, and those that it is made of.
struct Schema {
    name: String,
    schema: Value,
    parts: BTreeMap<String, Value>,
}

const fn one<T: ToSchema>(command: &'static str) -> Printed {
    Printed { command, lines: false, schema: of::<T> }
}

const fn lines<T: ToSchema>(command: &'static str) -> Printed {
    Printed { command, lines: true, schema: of::<T> }
}

/// In the order of the document.
const COMMANDS: &[Printed] = &[
    one::<WorkspaceStatus>("push"),
    one::<push::Plan>("push --dry-run"),
    lines::<push::watch::Pushed>("push --watch"),
    one::<new::Templates>("new"),
    one::<new::Made>("new DIR"),
    one::<WorkspaceStatus>("wait"),
    one::<WorkspaceStatus>("retry"),
    one::<cancel::Cancelled>("cancel"),
    one::<open::Opened>("open"),
    one::<status::Workspaces>("ls"),
    one::<ls::WorkspaceFiles>("ls NAME"),
    one::<status::Workspaces>("status"),
    one::<status::WorkspaceDetails>("status NAME"),
    lines::<WorkspaceStatus>("status --watch"),
    lines::<logs::Line>("logs"),
    one::<history::Told>("history"),
    one::<Difference>("diff"),
    one::<Volumes>("volumes"),
    one::<volumes::VolumeDeleted>("volumes rm"),
    one::<cloudyknight_agent::policy::Told>("policy"),
    one::<audit::Audit>("audit"),
    one::<WorkspaceStatus>("rollback"),
    one::<WorkspaceStatus>("unpin"),
    one::<WorkspaceStatus>("restart"),
    one::<WorkspaceStatus>("stop"),
    one::<WorkspaceStatus>("start"),
    one::<WorkspaceStatus>("rm"),
    one::<WorkspaceStatus>("restore"),
    one::<forget::Forgotten>("forget"),
    one::<up::Started>("up"),
    one::<down::Stopped>("down"),
    one::<doctor::Diagnosis>("doctor"),
    one::<mount::Mounted>("mount"),
    one::<unmount::Unmounted>("unmount"),
    one::<migrate::Migrated>("migrate"),
    one::<token::CreatedToken>("token create"),
    one::<token::Tokens>("token ls"),
    one::<token::TokenDeleted>("token rm"),
    one::<super::env::Variables>("env"),
    one::<config::Settings>("config"),
    one::<config::SettingsPath>("config path"),
    one::<completions::Completions>("completions"),
    one::<man::Page>("man"),
    one::<man::Pages>("man DIR"),
];

/// What any of them prints on stderr when it could not do what it was asked.
const ERROR: Printed = one::<errors::Told>("error");

pub fn run(command: &[String], markdown: bool) -> anyhow::Result<ExitCode> {
    if markdown {
        return super::print(self::markdown().as_bytes());
    }
    let command = command.join(" ");
    let text = if command.is_empty() {
        let all = COMMANDS.iter().chain([&ERROR]).map(|one| {
            let told = json!({ "lines": one.lines, "schema": document(&(one.schema)()) });
            (one.command.to_owned(), told)
        });
        Value::Object(all.collect())
    } else {
        let found = COMMANDS.iter().chain([&ERROR]).find(|one| one.command == command).ok_or_else(|| {
            let known = COMMANDS.iter().map(|one| one.command);
            let hint = suggest::hint(&command, known, "`cloudyknight schema` tells of all commands");
            hinted(format!("there is no schema of `{command}`"), hint)
        })?;
        document(&(found.schema)())
    };
    super::print(format!("{text:#}\n").as_bytes())
}

fn of<T: ToSchema>() -> Schema {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let value = |schema| serde_json::to_value(schema).expect("a schema is plain data");
    Schema {
        name: T::name().into_owned(),
        schema: value(T::schema()),
        parts: parts.into_iter().map(|(name, part)| (name, value(part))).collect(),
    }
}

/// As a document of its own.
fn document(Schema { name, schema, parts }: &Schema) -> Value {
    let mut document = Map::new();
    document.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("title".into(), json!(name));
    if let Value::Object(schema) = schema {
        document.extend(schema.clone());
    }
    if !parts.is_empty() {
        document.insert("$defs".into(), json!(parts));
    }
    let mut document = Value::Object(document);
    point(&mut document);
    document
}

/// OpenAPI keeps the parts elsewhere.
fn point(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get_mut("$ref") {
                *to = to.replace("#/components/schemas/", "#/$defs/");
            }
            map.values_mut().for_each(point);
        }
        Value::Array(all) => all.iter_mut().for_each(point),
        _ => {}
    }
}

/// docs/json.md.
fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let mut types: BTreeMap<String, Value> = BTreeMap::new();
    let all: Vec<(&Printed, Schema)> = COMMANDS.iter().map(|one| (one, (one.schema)())).collect();
    for (printed, Schema { name, schema, parts }) in all {
        let lines = if printed.lines { ", one a line" } else { "" };
        text.push_str(&format!("| `{}` | {}{lines} |\n", printed.command, link(&name)));
        types.insert(name, schema);
        types.extend(parts);
    }
    let error = (ERROR.schema)();
    types.insert(error.name, error.schema);
    text.push_str("\n## Types\n");
    for (name, schema) in &types {
        text.push_str(&format!("\n### {name}\n\n"));
        describe(&mut text, schema);
    }
    text
}

const HEAD: &str = "\
# What commands print with `--json`

Made from the code by `cloudyknight schema --markdown`; a test sees to it that it stays so, and another holds what each command
prints against its schema, on a platform that runs. `cloudyknight schema COMMAND` prints the JSON Schema (2020-12) of one
command, `cloudyknight schema` those of all.

One document on stdout, or one a line where a command goes on. What may be absent is not marked as required; fields may be
added, and none is taken away or changes its meaning without another `version`. Times are RFC 3339 in UTC, sizes bytes, and
durations milliseconds. A command that could not do what it was asked says so in one line on stderr, an [Error](#error)
(`cloudyknight schema error`). One that did it, and has nothing good to tell, does so on stdout alone: a deployment that failed
by its status, `doctor` by its findings, `migrate` by what was refused. The exit code is not 0 in both cases:

| code | |
| --- | --- |
| 0 | it is done |
| 1 | it failed, or what it found is not well; a setting that makes no sense is such a failure |
| 2 | the command line makes no sense |
| 78 | the same of the settings, where `run` and `ingest` are told by them: starting again would not help |
| 124 | it did not end in the time that `--timeout` gives |

`run` and `ingest` go on and print their log, and `schema` prints JSON in any case.

| command | prints |
| --- | --- |
";

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn describe(text: &mut String, schema: &Value) {
    if let Some(words) = schema["description"].as_str() {
        text.push_str(&format!("{}\n\n", plain(words)));
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        for variant in variants {
            let (mut bases, mut fields) = (Vec::new(), Vec::new());
            collect(variant, &mut bases, &mut fields);
            let words = variant["description"].as_str().map(plain).unwrap_or_default();
            let bases = bases.iter().map(|base| format!("all of {base}"));
            let all = fields.iter().map(|(name, field, _)| format!("`{name}`: {}", kind(field))).chain(bases);
            let all = all.collect::<Vec<_>>().join(", ");
            let what = if all.is_empty() { kind(variant) } else { all };
            text.push_str(format!("- {what}. {words}").trim_end());
            text.push('\n');
        }
        return;
    }
    let (mut bases, mut fields) = (Vec::new(), Vec::new());
    collect(schema, &mut bases, &mut fields);
    for base in bases {
        text.push_str(&format!("All of {base}, and:\n\n"));
    }
    if fields.is_empty() {
        text.push_str(&format!("{}\n", kind(schema)));
        return;
    }
    text.push_str("| field | | |\n| --- | --- | --- |\n");
    for (name, field, required) in fields {
        let words = field["description"].as_str().map(plain).unwrap_or_default();
        let optional = if required { "" } else { ", may be absent" };
        text.push_str(format!("| `{name}` | {}{optional} | {words} |", kind(&field)).trim_end());
        text.push('\n');
    }
}

/// What a type is made of: others that it has all of, and fields of its own.
fn collect(schema: &Value, bases: &mut Vec<String>, fields: &mut Vec<(String, Value, bool)>) {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part["$ref"].as_str() {
            Some(to) => bases.push(link(last(to))),
            None => collect(part, bases, fields),
        }
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields.push((name.clone(), field.clone(), required.contains(&json!(name))));
    }
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// What a value is, in words.
fn kind(schema: &Value) -> String {
    if let Some(to) = schema["$ref"].as_str() {
        return link(last(to));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(several) = schema[several].as_array() {
            return several.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let named = |name: &str| match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        name => name.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(named).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

/// Without what only Rust's own documentation makes something of.
fn plain(words: &str) -> String {
    let words = words.replace("\n\n", " ").replace('\n', " ").replace("[`", "`").replace("`]", "`");
    words.replace("crate::", "").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_code_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        let hint = "hint: cloudyknight schema --markdown > docs/json.md";
        assert!(there == markdown(), "docs/json.md is not what the code says\n{hint}");
    }

    #[test]
    fn no_two_types_have_one_name_and_every_reference_leads_somewhere() {
        let mut types: BTreeMap<String, Value> = BTreeMap::new();
        for printed in COMMANDS {
            let Schema { name, schema, parts } = (printed.schema)();
            let text = document(&Schema { name: name.clone(), schema: schema.clone(), parts: parts.clone() });
            for reference in text.to_string().split("\"#/$defs/").skip(1) {
                let to = reference.split('"').next().unwrap_or_default();
                assert!(parts.contains_key(to), "{}: nothing is called {to}", printed.command);
            }
            for (name, schema) in parts.into_iter().chain([(name, schema)]) {
                let known = types.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*known, schema, "{name}");
            }
        }
    }
}
