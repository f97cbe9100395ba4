//! Whole compose files through [`parse`](super::parse): what becomes of them, what is refused, and with which words.

use std::collections::BTreeMap;

use super::model::{ComposeError, Project, Service};
use super::policy::Policy;
use super::{Input, Parsed, parse};

mod elements;
mod extending;
mod hostile;
mod including;
mod meaning;
mod merging;
mod mistakes;
mod permissions;
mod places;
mod profiles;
mod published;
mod refusals;
mod requests;
mod warnings;

/// A workspace named `myapp`, around a compose file.
struct Workspace {
    files: BTreeMap<&'static str, &'static str>,
    variables: BTreeMap<String, String>,
    policy: Policy,
    overrides: Vec<String>,
}

impl Workspace {
    fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            variables: BTreeMap::new(),
            policy: Policy::default(),
            overrides: Vec::new(),
        }
    }

    fn file(mut self, path: &'static str, text: &'static str) -> Self {
        self.files.insert(path, text);
        self
    }

    /// A compose file that is merged over the one that is parsed.
    fn overriding(mut self, path: &'static str, text: &'static str) -> Self {
        self.overrides.push(path.to_owned());
        self.file(path, text)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// As it stands in the operator's configuration.
    fn policy(mut self, json: &str) -> Self {
        self.policy = serde_json::from_str(json).unwrap();
        self
    }

    fn parse(&self, text: &str) -> Result<Parsed, ComposeError> {
        self.parse_as("docker-compose.yml", text)
    }

    fn parse_as(&self, file: &str, text: &str) -> Result<Parsed, ComposeError> {
        let folder = |path: &str| self.files.keys().any(|file| file.starts_with(&format!("{path}/")));
        parse(&Input {
            workspace: &"myapp".parse().unwrap(),
            file,
            text,
            overrides: &self.overrides,
            files: &|path| match path {
                _ if path == file => Some(text.to_owned()),
                _ => self.files.get(path).map(|text| (*text).to_owned()),
            },
            paths: &|path| path == file || self.files.contains_key(path) || folder(path),
            variables: &self.variables,
            policy: &self.policy,
        })
    }

    /// The project of a file without mistakes and without warnings.
    fn project(&self, text: &str) -> Project {
        let parsed = self.parse(text).unwrap_or_else(|error| panic!("{error}\n{:?}\n{text}", error.hint));
        assert_eq!(parsed.warnings, [], "{text}");
        parsed.project
    }

    /// The service `a` that has, beside an image, these lines.
    fn service(&self, lines: &str) -> Service {
        self.project(&with_service(lines)).services.remove("a").unwrap()
    }

    /// The error, and its hint below it.
    fn error(&self, text: &str) -> String {
        let error = self.parse(text).expect_err(text);
        match &error.hint {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        }
    }

    /// As [`Workspace::error`], for lines of a service that has an image; they start in line 4.
    fn service_error(&self, lines: &str) -> String {
        self.error(&with_service(lines))
    }
}

/// The lines of a service `a`, below its image.
fn with_service(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("services:\n  a:\n    image: x\n{indented}")
}
