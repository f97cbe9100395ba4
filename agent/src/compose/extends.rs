//! `extends`: a service takes over another one's definition, of the same file or of another one, and its own is
//! merged over it.
//!
//! As in Compose v2, only the definition is taken over: what it refers to (volumes, networks, services) must be
//! there in the file that extends. A file sees its own services, and not those that it includes or overrides.

use std::collections::HashMap;

use super::keys;
use super::load::{Document, Loader, Site};
use super::merge;
use super::node::{Entry, Map, Node, Value};
use super::problem::{Position, Problem, listed, quoted};
use super::rebase;

/// Of services that extend services that extend services.
const MAX_CHAIN: usize = 32;

/// The services of the files that are concerned, by the file's path; each is done once.
type Books = HashMap<String, HashMap<String, Map>>;

struct Extends<'n> {
    file: Option<(&'n str, Position)>,
    service: &'n str,
    at: Position,
}

impl Loader<'_, '_> {
    /// Replaces each service of a document that extends another one by what both mean together.
    pub fn extend(&mut self, file: &str, map: &mut Map, site: &Site) -> Result<(), Problem> {
        let Some(Node { value: Value::Map(services), .. }) = map.get_mut("services") else { return Ok(()) };
        let extends = |entry: &Entry| match &entry.value.value {
            Value::Map(service) => service.get("extends").is_some(),
            _ => false,
        };
        if !services.entries.iter().any(extends) {
            return Ok(());
        }
        for entry in &services.entries {
            self.budget.pay(&entry.value, entry.key_at)?;
        }
        let mut books = Books::from([(file.to_owned(), book(services))]);
        for entry in services.entries.iter_mut().filter(|entry| extends(entry)) {
            let mut chain = Vec::new();
            let service = self.extended(file, &entry.key, &mut books, site, &mut chain);
            entry.value.value = Value::Map(service.map_err(|problem| problem.of_service(&entry.key))?);
        }
        Ok(())
    }

    /// The service with all that it inherits; its tags are still in it.
    fn extended(
        &mut self,
        file: &str,
        name: &str,
        books: &mut Books,
        site: &Site,
        chain: &mut Vec<(String, String)>,
    ) -> Result<Map, Problem> {
        let mut own = books[file][name].clone();
        let Some(entry) = own.remove("extends").filter(|entry| !entry.value.is_null()) else {
            return Ok(own);
        };
        chain.push((file.to_owned(), name.to_owned()));
        let Extends { file: other, service, at } = self.read_extends(&entry.value)?;
        let other = match other {
            None => file.to_owned(),
            Some((path, at)) => self.open(path, at, books, site)?,
        };
        if !books[&other].contains_key(service) {
            return Err(missing(service, &other, &books[&other], at));
        }
        if chain.iter().any(|(file, name)| *file == other && name == service) {
            let circle: Vec<String> =
                chain.iter().map(|(_, name)| quoted(name)).chain([quoted(service)]).collect();
            return Err(Problem::at(at, format!("`extends` goes in a circle: {}", circle.join(" → ")))
                .hint("remove one of these `extends`"));
        }
        if chain.len() >= MAX_CHAIN {
            return Err(Problem::at(at, format!("`extends` over more than {MAX_CHAIN} services")));
        }
        let mut base = self.extended(&other, service, books, site, chain)?;
        self.budget.pay(&Node { at, value: Value::Map(base.clone()) }, at)?;
        merge::settle(&mut base);
        let merged = merge::services(name, base, own)?;
        if let Some(book) = books.get_mut(file) {
            book.insert(name.to_owned(), merged.clone());
        }
        chain.pop();
        Ok(merged)
    }

    fn read_extends<'n>(&mut self, node: &'n Node) -> Result<Extends<'n>, Problem> {
        let map = match &node.value {
            Value::Map(map) => map,
            Value::Text(_) => {
                let service = node.non_empty_text("`extends`")?;
                return Ok(Extends { file: None, service, at: node.at });
            }
            _ => return Err(node.not("`extends`", "the name of a service or a mapping")),
        };
        keys::check(map, keys::EXTENDS, "`extends`", self.scope)?;
        let file = map.given("file").map(|node| Ok((node.non_empty_text("`file`")?, node.at))).transpose()?;
        let service = map.given("service").ok_or_else(|| {
            Problem::at(node.at, "`extends` without its `service`").hint("write `extends: {service: name}`")
        })?;
        Ok(Extends { file, service: service.non_empty_text("`service`")?, at: service.at })
    }

    /// Reads the services of another file, unless that is done; returns its path.
    fn open(&mut self, path: &str, at: Position, books: &mut Books, site: &Site) -> Result<String, Problem> {
        let (path, text) = self.named_text(path, at, "`extends`")?;
        if books.contains_key(&path) {
            return Ok(path);
        }
        let own = Site { folder: rebase::folder_of(&path).to_owned(), variables: site.variables.clone() };
        let mut whole = Map::default();
        for document in self.documents(&path, &text)? {
            let Document { map, .. } = self.prepared(document, &own)?;
            whole = merge::files(whole, map)?;
            merge::settle(&mut whole);
        }
        let services = match whole.get("services") {
            Some(Node { value: Value::Map(services), .. }) => book(services),
            _ => HashMap::new(),
        };
        books.insert(path.clone(), services);
        Ok(path)
    }
}

/// A service that is no mapping is left out: its reader refuses it.
fn book(services: &Map) -> HashMap<String, Map> {
    let entries = services.entries.iter().filter_map(|entry| match &entry.value.value {
        Value::Map(service) => Some((entry.key.clone(), service.clone())),
        Value::Null => Some((entry.key.clone(), Map::default())),
        _ => None,
    });
    entries.collect()
}

fn missing(service: &str, file: &str, book: &HashMap<String, Map>, at: Position) -> Problem {
    let mut names: Vec<&str> = book.keys().map(String::as_str).collect();
    names.sort_unstable();
    let hint = match keys::nearest(service, names.iter().copied()) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => format!("its services: {}; another file is named with `file`", listed(names)),
    };
    Problem::at(at, format!("`extends`: there is no service {} in {}", quoted(service), quoted(file)))
        .hint(hint)
}
