//! The labels of one middleware: whoever builds it takes the options that it knows, and what is left is told.

use std::collections::BTreeMap;

use super::RouteError;

/// Options by their name in lower case, as Traefik reads them without regard to it.
#[derive(Default)]
pub struct Options(BTreeMap<String, Given>);

struct Given {
    label: String,
    /// The option as it was written: below some there are names, whose case is kept.
    written: String,
    value: String,
}

impl Options {
    pub fn add(&mut self, label: &str, written: &str, value: &str) {
        let given = Given { label: label.to_owned(), written: written.to_owned(), value: value.to_owned() };
        self.0.insert(written.to_ascii_lowercase(), given);
    }

    pub fn text(&mut self, option: &str) -> Option<String> {
        self.0.remove(option).map(|given| given.value)
    }

    /// A comma-separated list.
    pub fn list(&mut self, option: &str) -> Option<Vec<String>> {
        let value = self.text(option)?;
        if value.is_empty() {
            return Some(Vec::new());
        }
        Some(value.split(',').map(|item| item.trim().to_owned()).collect())
    }

    pub fn flag(&mut self, service: &str, option: &str) -> Result<Option<bool>, RouteError> {
        self.read(service, option, "boolean: true or false", boolean)
    }

    pub fn number<T: std::str::FromStr>(
        &mut self,
        service: &str,
        option: &str,
    ) -> Result<Option<T>, RouteError> {
        self.read(service, option, "whole number", |value| value.parse().ok())
    }

    /// Everything below an option, by the names given there.
    pub fn below(&mut self, option: &str) -> BTreeMap<String, String> {
        let prefix = format!("{option}.");
        let keys: Vec<String> = self.0.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        let taken = keys.into_iter().filter_map(|key| self.0.remove(&key));
        taken.map(|given| (given.written[prefix.len()..].to_owned(), given.value)).collect()
    }

    /// The labels of the options that nobody took.
    pub fn left(self) -> impl Iterator<Item = String> {
        self.0.into_values().map(|given| given.label)
    }

    fn read<T>(
        &mut self,
        service: &str,
        option: &str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, RouteError> {
        let Some(Given { label, value, .. }) = self.0.remove(option) else { return Ok(None) };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(RouteError::Value { service: service.to_owned(), label, value, expected }),
        }
    }
}

/// As Go reads one.
pub fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
