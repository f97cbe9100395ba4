//! `include`: other compose files of the workspace, each with its own project directory and variables, whose
//! services, networks, volumes, configs and secrets are taken in.
//!
//! Nothing is merged with what the including file says: the same name for two things is an error, unless both say
//! the same (two files may include a third). What is included can be changed by an override file.

use std::collections::{BTreeMap, HashMap};

use super::env_file::Format;
use super::keys;
use super::load::{Loader, Site};
use super::node::{Entry, Map, Node, Value};
use super::problem::{Position, Problem, quoted};
use super::rebase;
use super::variables::Variables;
use super::workspace_path;

/// Of files that include files that include files.
const MAX_DEPTH: usize = 16;

/// What is taken in; anything else of an included file means nothing to the including one.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// One entry of `include`, its paths as the file gives them.
struct Include<'n> {
    /// Files that are merged; the first one decides on the project directory.
    paths: Vec<(&'n str, Position)>,
    project_directory: Option<(&'n str, Position)>,
    env_files: Option<Vec<(&'n str, Position)>>,
}

impl Loader<'_, '_> {
    /// Takes what a document includes into it.
    pub fn include(&mut self, map: &mut Map, site: &Site, chain: &mut Vec<String>) -> Result<(), Problem> {
        let Some(entry) = map.remove("include").filter(|entry| !entry.value.is_null()) else { return Ok(()) };
        if chain.len() > MAX_DEPTH {
            return Err(Problem::at(entry.key_at, format!("`include` more than {MAX_DEPTH} files deep")));
        }
        for item in entry.value.list("`include`")? {
            let include = self.read_include(item)?;
            let (first, included) = self.included(&include, site, chain)?;
            take_in(map, included, &first, item.at)?;
        }
        Ok(())
    }

    fn read_include<'n>(&mut self, item: &'n Node) -> Result<Include<'n>, Problem> {
        let Value::Map(map) = &item.value else {
            let paths = vec![(item.non_empty_text("an entry of `include`")?, item.at)];
            return Ok(Include { paths, project_directory: None, env_files: None });
        };
        keys::check(map, keys::INCLUDE, "`include`", self.scope)?;
        let paths = map.given("path").map(|node| node.texts("`path`")).transpose()?.unwrap_or_default();
        if paths.is_empty() || paths.iter().any(|(path, _)| path.is_empty()) {
            return Err(Problem::at(item.at, "an entry of `include` without its `path`")
                .hint("write `- path: ./folder/compose.yaml`"));
        }
        let text = |node: &'n Node| Ok((node.non_empty_text("`project_directory`")?, node.at));
        let project_directory = map.given("project_directory").map(text).transpose()?;
        let env_files = map.given("env_file").map(|node| node.texts("`env_file`")).transpose()?;
        Ok(Include { paths, project_directory, env_files })
    }

    /// The path of the first file, and what all of it means.
    fn included(
        &mut self,
        include: &Include<'_>,
        site: &Site,
        chain: &mut Vec<String>,
    ) -> Result<(String, Map), Problem> {
        let mut files = Vec::new();
        for (path, at) in &include.paths {
            files.push((self.named_text(path, *at, "`include`")?, *at));
        }
        let ((first, _), first_at) = &files[0];
        if chain.contains(first) {
            let circle: Vec<String> = chain.iter().chain([first]).map(|file| quoted(file)).collect();
            return Err(Problem::at(
                *first_at,
                format!("`include` goes in a circle: {}", circle.join(" → ")),
            )
            .hint("a file that both need can be included by a third one"));
        }
        let first = first.clone();
        let folder = match include.project_directory {
            Some((path, at)) => workspace_path::inside(path, at, "`project_directory`", self.scope)?,
            None => rebase::folder_of(&first).to_owned(),
        };
        let own = self.own_variables(include, &folder, &site.variables)?;
        let site = Site { folder, variables: site.variables.or(own.clone()) };
        let mut documents = Vec::new();
        for ((path, text), _) in &files {
            documents.extend(self.documents(path, text)?);
        }
        chain.push(first.clone());
        let mut map = self.model(documents, &site, chain)?;
        chain.pop();
        self.check_included(&map)?;
        hand_on(&mut map, &own, self.scope.variables());
        Ok((first, map))
    }

    /// From the entry's `env_file`, or else from the `.env` of the project directory.
    fn own_variables(
        &mut self,
        include: &Include<'_>,
        folder: &str,
        outer: &Variables,
    ) -> Result<BTreeMap<String, String>, Problem> {
        let mut own = BTreeMap::new();
        let Some(files) = &include.env_files else {
            let path = if folder.is_empty() { ".env".to_owned() } else { format!("{folder}/.env") };
            if let Some(text) = self.text(&path) {
                own = self.scope.read_env_file(&path, &text, Format::Usual, outer)?;
            }
            return Ok(own);
        };
        // The customary way to say: none.
        for (path, at) in files.iter().filter(|(path, _)| *path != "/dev/null") {
            let (path, text) = self.named_text(path, *at, "`include`: `env_file`")?;
            let seen = outer.or(own.clone());
            own.extend(self.scope.read_env_file(&path, &text, Format::Usual, &seen)?);
        }
        Ok(own)
    }

    /// What an included file says beside its sections has no effect, or is a mistake.
    fn check_included(&mut self, map: &Map) -> Result<(), Problem> {
        keys::check(map, keys::PROJECT, "top level", self.scope)?;
        for entry in &map.entries {
            if matches!(entry.key.as_str(), "name" | keys::CLOUDYKNIGHT) && !entry.value.is_trivial() {
                let message = format!("{} has no effect in an included file", quoted(&entry.key));
                self.scope.warn(entry.key_at, message);
            }
        }
        Ok(())
    }
}

/// A name alone in `environment` or `args` asks for a variable, which only the included file may have.
fn hand_on(map: &mut Map, own: &BTreeMap<String, String>, outer: &Variables) {
    let given = |name: &str| own.get(name).filter(|_| outer.get(name).is_none());
    let fill = |node: &mut Node| match &mut node.value {
        Value::Map(map) => {
            for entry in map.entries.iter_mut().filter(|entry| entry.value.is_null()) {
                if let Some(value) = given(&entry.key) {
                    entry.value = Node::text_at(entry.key_at, value);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                if let Value::Text(text) = &mut item.value
                    && let Some(value) = given(text)
                {
                    *text = format!("{text}={value}");
                }
            }
        }
        Value::Null | Value::Text(_) => {}
    };
    let Some(Node { value: Value::Map(services), .. }) = map.get_mut("services") else { return };
    for service in &mut services.entries {
        let Value::Map(service) = &mut service.value.value else { continue };
        if let Some(environment) = service.get_mut("environment") {
            fill(environment);
        }
        if let Some(Node { value: Value::Map(build), .. }) = service.get_mut("build")
            && let Some(args) = build.get_mut("args")
        {
            fill(args);
        }
    }
}

fn take_in(map: &mut Map, included: Map, file: &str, at: Position) -> Result<(), Problem> {
    for section in included.entries.into_iter().filter(|entry| SECTIONS.contains(&entry.key.as_str())) {
        let Entry { key: section, key_at, value, .. } = section;
        if value.is_null() {
            continue;
        }
        let Value::Map(new) = value.value else { return Err(value.not(&quoted(&section), "a mapping")) };
        let own = match map.get_mut(&section) {
            Some(node) if !node.is_null() => node,
            _ => {
                map.remove(&section);
                let value = Node { at, value: Value::Map(Map::default()) };
                map.entries.push(Entry { key: section.clone(), key_at, value, tag: None });
                match map.get_mut(&section) {
                    Some(node) => node,
                    None => continue,
                }
            }
        };
        let Value::Map(own) = &mut own.value else { return Err(own.not(&quoted(&section), "a mapping")) };
        let known: HashMap<String, usize> =
            own.entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        for entry in new.entries {
            let Some(other) = known.get(&entry.key).map(|index| &own.entries[*index]) else {
                own.entries.push(entry);
                continue;
            };
            if !other.value.same(&entry.value) {
                let name = quoted(&format!("{section}.{}", entry.key));
                return Err(Problem::at(
                    other.key_at,
                    format!("{name} is already what {} includes, and says something else", quoted(file)),
                )
                .hint("give it another name; an override file can change what is included"));
            }
        }
    }
    Ok(())
}
