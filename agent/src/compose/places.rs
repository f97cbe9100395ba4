//! Where services say what can only be judged outside of the compose file: their images, and their labels.

use std::collections::BTreeMap;

use super::model::ComposeError;
use super::node::{Entry, Value};
use super::problem::{Position, shown};

/// By service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    files: Vec<String>,
    services: BTreeMap<String, OfService>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfService {
    name: Position,
    image: Option<Position>,
    /// With their values. Those of a `label_file` stand where the file is named.
    labels: Vec<(String, String, Position)>,
    label_file: Option<Position>,
}

impl OfService {
    pub fn read(service: &Entry) -> Self {
        let mut places = Self { name: service.key_at, image: None, labels: Vec::new(), label_file: None };
        let Value::Map(map) = &service.value.value else { return places };
        places.image = map.given("image").map(|node| node.at);
        places.label_file = map.given("label_file").map(|node| node.at);
        match map.given("labels").map(|node| &node.value) {
            Some(Value::Map(labels)) => {
                for entry in &labels.entries {
                    let value = match &entry.value.value {
                        Value::Text(text) => text.clone(),
                        _ => String::new(),
                    };
                    places.labels.push((entry.key.clone(), value, entry.key_at));
                }
            }
            Some(Value::List(items)) => {
                for item in items {
                    let Value::Text(text) = &item.value else { continue };
                    let (label, value) = text.split_once('=').unwrap_or((text, ""));
                    places.labels.push((label.to_owned(), value.to_owned(), item.at));
                }
            }
            _ => {}
        }
        places
    }

    /// The label of this name, or the first whose name begins so; rather one whose value holds `reference`.
    fn label(&self, name: &str, reference: Option<&str>) -> Position {
        let begins = |label: &str| {
            let Some((start, rest)) = label.split_at_checked(name.len()) else { return false };
            start.eq_ignore_ascii_case(name) && (rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let candidates = || self.labels.iter().filter(|(label, ..)| begins(label));
        let best =
            reference.and_then(|reference| candidates().find(|(_, value, _)| value.contains(reference)));
        let found = best.or_else(|| candidates().next()).map(|(.., at)| *at);
        found.or(self.label_file).unwrap_or(self.name)
    }
}

impl Places {
    pub(super) fn new(files: &[String], services: BTreeMap<String, OfService>) -> Self {
        Self { files: files.to_vec(), services }
    }

    /// An error that stands where the service names its image.
    pub fn image(&self, service: &str, message: String) -> ComposeError {
        let at = self.services.get(service).map(|places| places.image.unwrap_or(places.name));
        self.error(service, at, message)
    }

    /// One that stands at a label of the service: of this name, or the first whose name begins so; rather one whose value
    /// holds `reference`. `None` for a label that is missing.
    pub fn label(
        &self,
        service: &str,
        label: Option<&str>,
        reference: Option<&str>,
        message: String,
    ) -> ComposeError {
        let place = |places: &OfService| label.map_or(places.name, |label| places.label(label, reference));
        self.error(service, self.services.get(service).map(place), message)
    }

    fn error(&self, service: &str, at: Option<Position>, message: String) -> ComposeError {
        let file = self.files.get(at.map_or(0, |at| usize::from(at.file.0)));
        ComposeError {
            file: file.map(|name| shown(name)).unwrap_or_default(),
            position: at.map(|at| (at.line as usize, at.column as usize)),
            message,
            hint: None,
            service: Some(service.to_owned()),
            policy: false,
        }
    }
}
