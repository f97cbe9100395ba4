//! What the readers of a compose file have around them: the workspace, its variables and files, the operator's
//! policy, and the warnings that have been given so far.

use std::collections::{BTreeMap, BTreeSet};

use super::Input;
use super::env_file;
use super::interpolate::{InterpolationError, Source, interpolate};
use super::model::Warning;
use super::node::{Node, Value};
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};

/// Of one `.env` or `env_file`, in bytes.
const MAX_ENV_FILE: usize = 1 << 20;
/// Of everything that variables expand to, all files together, in bytes.
const MAX_EXPANDED: usize = 8 << 20;
const MAX_WARNINGS: usize = 100;

pub(super) struct Scope<'a> {
    pub input: &'a Input<'a>,
    /// Of the workspace's `.env`.
    dotenv: BTreeMap<String, String>,
    room: usize,
    warnings: Vec<Warning>,
    more_warnings: usize,
    unset: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub fn new(input: &'a Input<'a>) -> Result<Self, Problem> {
        let mut scope = Self {
            input,
            dotenv: BTreeMap::new(),
            room: MAX_EXPANDED,
            warnings: Vec::new(),
            more_warnings: 0,
            unset: BTreeSet::new(),
        };
        if let Some(text) = (input.files)(".env") {
            scope.dotenv = scope.read_env_file(".env", &text)?;
        } else if (input.paths)(".env") {
            scope.warn_at_line(None, "`.env` is not read: it is no small text file".to_owned());
        }
        Ok(scope)
    }

    /// From the workspace's `.env`, else from the operator. The host's own environment is never seen.
    pub fn variable(&self, name: &str) -> Option<&str> {
        variable(&self.dotenv, self.input, name)
    }

    pub fn warn(&mut self, at: Position, message: impl Into<String>) {
        self.warn_at_line(Some(at.line as usize), message.into());
    }

    fn warn_at_line(&mut self, line: Option<usize>, message: String) {
        let warning = Warning { message, line };
        // What an alias repeats is said once.
        if self.warnings.contains(&warning) {
            return;
        }
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.more_warnings += 1;
        }
    }

    /// In the order of the file.
    pub fn into_warnings(mut self) -> Vec<Warning> {
        self.warnings.sort_by_key(|warning| warning.line);
        if self.more_warnings > 0 {
            let message = format!("and {} more warnings", self.more_warnings);
            self.warnings.push(Warning { message, line: None });
        }
        self.warnings
    }

    /// An error unless the operator's policy allows it. `what` is a clause such as `` `privileged: true` ``.
    pub fn require(
        &self,
        permission: Permission,
        at: Position,
        what: &str,
        instead: &str,
    ) -> Result<(), Problem> {
        if permission.of(self.input.policy).contains(self.input.workspace) {
            return Ok(());
        }
        let (workspace, name) = (self.input.workspace, permission.name());
        let message =
            format!("{what} is refused: the operator's policy does not allow it for workspace `{workspace}`");
        let hint = format!("{instead}; or ask the operator to allow `{name}` for `{workspace}`");
        Err(Problem::at(at, message).hint(hint).by_policy())
    }

    /// Fills in the variables of all texts below `node`, in place.
    pub fn interpolate(&mut self, node: &mut Node) -> Result<(), Problem> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::Text(text) => {
                if text.contains('$') {
                    *text = self.filled_in(text, node.at)?;
                }
                Ok(())
            }
            Value::List(items) => items.iter_mut().try_for_each(|item| self.interpolate(item)),
            Value::Map(map) => {
                map.entries.iter_mut().try_for_each(|entry| self.interpolate(&mut entry.value))
            }
        }
    }

    fn filled_in(&mut self, text: &str, at: Position) -> Result<String, Problem> {
        let mut unset = Vec::new();
        let (dotenv, input) = (&self.dotenv, self.input);
        let mut source = Source {
            lookup: &|name| variable(dotenv, input, name),
            unset: &mut |name| unset.push(name.to_owned()),
            room: &mut self.room,
        };
        let text = interpolate(text, &mut source).map_err(|error| {
            let problem = Problem::at(at, error.to_string());
            match error {
                InterpolationError::Unclosed | InterpolationError::NotAVariable(_) => {
                    problem.hint("a `$` that starts no variable is written `$$`")
                }
                InterpolationError::Required { .. } => {
                    problem.hint("set it in the file `.env` of the workspace")
                }
                InterpolationError::TooDeep | InterpolationError::TooLong => problem,
            }
        })?;
        self.warn_unset(unset, Some(at.line as usize), "");
        Ok(text)
    }

    /// The variables of a file in the syntax of `.env`.
    pub fn read_env_file(&mut self, path: &str, text: &str) -> Result<BTreeMap<String, String>, Problem> {
        if text.len() > MAX_ENV_FILE {
            return Err(Problem::whole(format!("the file is larger than {MAX_ENV_FILE} bytes")).in_file(path));
        }
        self.room = self.room.checked_sub(text.len()).ok_or_else(|| {
            Problem::whole("the files of variables are too large, all together").in_file(path)
        })?;
        let mut unset = Vec::new();
        let (dotenv, input) = (&self.dotenv, self.input);
        let mut source = Source {
            lookup: &|name| variable(dotenv, input, name),
            unset: &mut |name| unset.push(name.to_owned()),
            room: &mut self.room,
        };
        let values = env_file::read(text, &mut source).map_err(|error| {
            Problem::at(Position { line: error.line, column: 1 }, error.to_string()).in_file(path)
        })?;
        self.warn_unset(unset, None, &format!(" in {}", quoted(path)));
        Ok(values)
    }

    /// One warning a variable: people forget one variable, and use it often.
    fn warn_unset(&mut self, names: Vec<String>, line: Option<usize>, place: &str) {
        for name in names {
            if self.unset.insert(name.clone()) {
                let name = quoted(&name);
                let message =
                    format!("the variable {name} is not set{place}: empty text stands in its place");
                self.warn_at_line(line, message);
            }
        }
    }
}

fn variable<'v>(dotenv: &'v BTreeMap<String, String>, input: &'v Input<'_>, name: &str) -> Option<&'v str> {
    dotenv.get(name).or_else(|| input.variables.get(name)).map(String::as_str)
}
