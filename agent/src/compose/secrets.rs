//! `secrets` and `configs`: small files that one service finds at a place of its own.
//!
//! What they hold is never in a label, an image, a log or an error: it lies in memory beside the source of the release, and
//! is mounted from there.

use std::collections::BTreeMap;

use super::keys::{self, Keys};
use super::model::{Content, PrivateFile};
use super::node::{Map, Node, Value};
use super::problem::{Position, Problem, listed, quoted};
use super::quantity;
use super::scope::Scope;
use super::volumes::is_name;
use super::workspace_path::inside;

/// Of one service.
const MAX_FILES: usize = 200;
/// Readable by everybody in the container, as in Compose.
const MODE: u32 = 0o444;

/// Which of the two.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its key, at the top level and in a service.
    pub key: &'static str,
    one: &'static str,
    keys: Keys,
    /// Where a file is that says no place of its own.
    folder: &'static str,
}

pub(super) const SECRETS: Kind =
    Kind { key: "secrets", one: "secret", keys: keys::SECRET, folder: "/run/secrets/" };
pub(super) const CONFIGS: Kind = Kind { key: "configs", one: "config", keys: keys::CONFIG, folder: "/" };

/// Those that a compose file declares at its top level.
pub(super) struct Declared {
    kind: Kind,
    contents: BTreeMap<String, Content>,
}

impl Declared {
    pub fn read(root: &Map, kind: Kind, scope: &mut Scope<'_>) -> Result<Self, Problem> {
        let mut contents = BTreeMap::new();
        let entries = match root.given(kind.key) {
            Some(node) => &node.map(&quoted(kind.key))?.entries[..],
            None => &[],
        };
        for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            if !is_name(&entry.key) {
                let message = format!("{} is no name for a {}", quoted(&entry.key), kind.one);
                return Err(Problem::at(entry.key_at, message));
            }
            contents.insert(entry.key.clone(), content(&entry.key, &entry.value, kind, scope)?);
        }
        Ok(Self { kind, contents })
    }

    /// Adds what a service names of them to its files.
    pub fn add_to(
        &self,
        service: &Map,
        files: &mut Vec<PrivateFile>,
        scope: &mut Scope<'_>,
    ) -> Result<(), Problem> {
        let Some(node) = service.given(self.kind.key) else { return Ok(()) };
        for item in node.list(&quoted(self.kind.key))? {
            let file = match &item.value {
                Value::Text(name) => self.file(name, item.at, None)?,
                Value::Map(map) => self.long(map, item.at, scope)?,
                _ => return Err(item.not(&format!("a {}", self.kind.one), "text or a mapping")),
            };
            if files.iter().any(|other| other.target == file.target) {
                let message = format!("something else is already mounted at {}", quoted(&file.target));
                return Err(Problem::at(item.at, message));
            }
            if files.len() == MAX_FILES {
                return Err(Problem::at(item.at, format!("more than {MAX_FILES} secrets and configs")));
            }
            files.push(file);
        }
        Ok(())
    }

    fn long(&self, map: &Map, at: Position, scope: &mut Scope<'_>) -> Result<PrivateFile, Problem> {
        let what = format!("a service's {}", self.kind.one);
        keys::check(map, keys::PRIVATE_FILE, &what, scope)?;
        let source =
            map.given("source").ok_or_else(|| Problem::at(at, format!("{what} without its `source`")))?;
        let target = map.given("target").map(|node| Ok((node.non_empty_text("`target`")?, node.at)));
        let file = self.file(source.text("`source`")?, source.at, target.transpose()?)?;
        let id = |key: &str| -> Result<Option<u32>, Problem> {
            let read = map.given(key).map(|node| node.number(&quoted(key)));
            read.transpose()
        };
        let mode = map.given("mode").map(|node| quantity::mode(node, "`mode`")).transpose()?;
        Ok(PrivateFile { uid: id("uid")?, gid: id("gid")?, mode: mode.unwrap_or(MODE), ..file })
    }

    fn file(
        &self,
        name: &str,
        at: Position,
        target: Option<(&str, Position)>,
    ) -> Result<PrivateFile, Problem> {
        let Some(content) = self.contents.get(name) else {
            let Kind { key, one, .. } = self.kind;
            let names = self.contents.keys().map(String::as_str);
            return Err(Problem::at(at, format!("the {one} {} is not declared", quoted(name))).hint(
                format!("declare it under `{key}:` at the top level; declared there: {}", listed(names)),
            ));
        };
        let (target, at) = target.unwrap_or((name, at));
        let path =
            if target.starts_with('/') { target.to_owned() } else { format!("{}{target}", self.kind.folder) };
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() || parts.contains(&"..") {
            return Err(Problem::at(at, format!("{} is no place for a file", quoted(target))));
        }
        let target = format!("/{}", parts.join("/"));
        Ok(PrivateFile { target, content: content.clone(), uid: None, gid: None, mode: MODE })
    }
}

fn content(name: &str, node: &Node, kind: Kind, scope: &mut Scope<'_>) -> Result<Content, Problem> {
    let Kind { key, one, .. } = kind;
    let place = format!("{one} {}", quoted(name));
    let map = node.map(&place)?;
    keys::check(map, kind.keys, &place, scope)?;
    if let Some(external) = map.given("external").filter(|node| !node.is_trivial()) {
        return Err(Problem::at(
            external.at,
            format!("{place}: external {key} are not supported: no engine here keeps any"),
        )
        .hint("give it a `file` of the workspace, or a variable with `environment`"));
    }
    let sources: Vec<&str> =
        ["file", "environment", "content"].into_iter().filter(|key| map.given(key).is_some()).collect();
    if sources.len() > 1 {
        return Err(Problem::at(
            node.at,
            format!("{place}: `{}` exclude each other", sources.join("` and `")),
        ));
    }
    if let Some(file) = map.given("file") {
        let path = inside(file.non_empty_text("`file`")?, file.at, &place, scope)?;
        if !(scope.input.paths)(&path) {
            return Err(Problem::at(
                file.at,
                format!("{place}: {} does not exist in the workspace", quoted(&path)),
            )
            .hint("upload it"));
        }
        return Ok(Content::File(path));
    }
    if let Some(variable) = map.given("environment") {
        let name = variable.non_empty_text("`environment`")?;
        let value = scope.variable(name).map(str::to_owned);
        return value.map(Content::Text).ok_or_else(|| {
            Problem::at(variable.at, format!("{place}: the variable {} is not set", quoted(name)))
                .hint("set it in the file `.env` of the workspace")
        });
    }
    if let Some(text) = map.given("content") {
        return Ok(Content::Text(text.text("`content`")?.to_owned()));
    }
    Err(Problem::at(node.at, format!("{place} says nothing of what it holds"))
        .hint("give it a `file` of the workspace, or a variable with `environment`"))
}
