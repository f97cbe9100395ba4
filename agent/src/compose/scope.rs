//! What the readers of compose files have around them: the workspace, its variables and files, the operator's
//! policy, and the warnings that have been given so far.

use std::collections::{BTreeMap, BTreeSet};

use super::Input;
use super::env_file::{self, Format};
use super::interpolate::{InterpolationError, Source, interpolate};
use super::model::Warning;
use super::node::{Node, Value};
use super::policy::Permission;
use super::problem::{FileId, Position, Problem, quoted, shown};
use super::variables::Variables;

/// Of one `.env` or `env_file`, in bytes.
const MAX_ENV_FILE: usize = 1 << 20;
/// Of everything that variables expand to, all files together, in bytes.
const MAX_EXPANDED: usize = 8 << 20;
const MAX_WARNINGS: usize = 100;

const DOTENV: &str = ".env";

pub(super) struct Scope<'a> {
    pub input: &'a Input<'a>,
    /// The names of the compose files that were read, by [`FileId`].
    files: Vec<String>,
    variables: Variables,
    /// The names that `.env` gives a value.
    dotenv: BTreeSet<String>,
    room: usize,
    warnings: Vec<(Option<Position>, Warning)>,
    more_warnings: usize,
    unset: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub fn new(input: &'a Input<'a>) -> Self {
        Self {
            input,
            files: vec![input.file.to_owned()],
            variables: Variables::default().or(input.variables.clone()),
            dotenv: BTreeSet::new(),
            room: MAX_EXPANDED,
            warnings: Vec::new(),
            more_warnings: 0,
            unset: BTreeSet::new(),
        }
    }

    /// Reads the `.env` of the workspace, and of the folder that the main compose file stands in.
    pub fn read_dotenv(&mut self, folder: &str) -> Result<(), Problem> {
        let mut dotenv = BTreeMap::new();
        if !folder.is_empty() {
            dotenv = self.dotenv(&format!("{folder}/{DOTENV}"))?;
        }
        dotenv.extend(self.dotenv(DOTENV)?);
        self.dotenv = dotenv.keys().cloned().collect();
        self.variables = self.variables.under(dotenv);
        Ok(())
    }

    fn dotenv(&mut self, path: &str) -> Result<BTreeMap<String, String>, Problem> {
        if let Some(text) = (self.input.files)(path) {
            return self.read_env_file(path, &text, Format::Usual, &self.variables.clone());
        }
        if (self.input.paths)(path) {
            self.warn_of(None, None, format!("{} is not read: it is no small text file", quoted(path)));
        }
        Ok(BTreeMap::new())
    }

    /// From the workspace's `.env`, else from the operator. The host's own environment is never seen.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name)
    }

    /// Whether the workspace itself sets the variable, in its `.env`.
    pub fn dotenv_has(&self, name: &str) -> bool {
        self.dotenv.contains(name)
    }

    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Sets a variable that no file and no operator can set otherwise.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables = self.variables.under(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    }

    /// Takes a compose file into the list of those that errors can name.
    pub fn file_id(&mut self, name: &str) -> FileId {
        let index = self.files.iter().position(|file| file == name).unwrap_or_else(|| {
            self.files.push(name.to_owned());
            self.files.len() - 1
        });
        FileId(u16::try_from(index).unwrap_or(u16::MAX))
    }

    pub fn file(&self, id: FileId) -> &str {
        self.files.get(usize::from(id.0)).map_or("", String::as_str)
    }

    pub fn files(&self) -> &[String] {
        &self.files
    }

    pub fn warn(&mut self, at: Position, message: impl Into<String>) {
        let file = shown(self.file(at.file));
        self.warn_of(Some(at), Some(file), message.into());
    }

    /// About a file as a whole.
    pub fn warn_of_file(&mut self, file: &str, message: impl Into<String>) {
        self.warn_of(None, Some(shown(file)), message.into());
    }

    fn warn_of(&mut self, at: Option<Position>, file: Option<String>, message: String) {
        let warning = Warning { message, file, line: at.map(|at| at.line as usize) };
        // What an alias repeats is said once.
        if self.warnings.iter().any(|(_, other)| *other == warning) {
            return;
        }
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push((at, warning));
        } else {
            self.more_warnings += 1;
        }
    }

    /// In the order of the files and their lines.
    pub fn into_warnings(mut self) -> Vec<Warning> {
        self.warnings.sort_by_key(|(at, _)| at.map(|at| (at.file, at.line)));
        let mut warnings: Vec<Warning> = self.warnings.into_iter().map(|(_, warning)| warning).collect();
        if self.more_warnings > 0 {
            let message = format!("and {} more warnings", self.more_warnings);
            warnings.push(Warning { message, file: None, line: None });
        }
        warnings
    }

    /// An error unless the operator's policy allows it. `what` is a clause such as `` `privileged: true` ``.
    pub fn require(
        &self,
        permission: Permission,
        at: Position,
        what: &str,
        instead: &str,
    ) -> Result<(), Problem> {
        let allowed = permission.of(self.input.policy).contains(self.input.workspace);
        if allowed { Ok(()) } else { Err(self.refused(permission.name(), at, what, instead)) }
    }

    /// The same, where the policy may allow single ones of a kind: capabilities, devices, paths.
    pub fn require_named(
        &self,
        permission: Permission,
        name: &str,
        at: Position,
        what: &str,
        instead: &str,
    ) -> Result<(), Problem> {
        let allowed = permission.allows(self.input.policy, name, self.input.workspace);
        if allowed { Ok(()) } else { Err(self.refused(permission.name(), at, what, instead)) }
    }

    /// The sentence of a refusal, and who can change it where.
    pub fn refused(&self, permission: &str, at: Position, what: &str, instead: &str) -> Problem {
        let (workspace, policy) = (self.input.workspace, self.input.policy);
        let message =
            format!("{what} is refused: the operator's policy does not allow it for workspace `{workspace}`");
        let hint = format!("{instead}; or {}", policy.how_to_allow(permission, workspace));
        Problem::at(at, message).hint(hint).by_policy()
    }

    /// Fills in the variables of all texts below `node`, in place.
    pub fn interpolate(&mut self, node: &mut Node, variables: &Variables) -> Result<(), Problem> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::Text(text) => {
                if text.contains('$') {
                    *text = self.filled_in(text, node.at, variables)?;
                }
                Ok(())
            }
            Value::List(items) => items.iter_mut().try_for_each(|item| self.interpolate(item, variables)),
            Value::Map(map) => {
                map.entries.iter_mut().try_for_each(|entry| self.interpolate(&mut entry.value, variables))
            }
        }
    }

    fn filled_in(&mut self, text: &str, at: Position, variables: &Variables) -> Result<String, Problem> {
        let mut unset = Vec::new();
        let mut source = Source {
            lookup: &|name| variables.get(name),
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
        self.warn_unset(unset, Some(at), None);
        Ok(text)
    }

    /// The variables of a file in the syntax of `.env`, or of another format. Its own see `variables`.
    pub fn read_env_file(
        &mut self,
        path: &str,
        text: &str,
        format: Format,
        variables: &Variables,
    ) -> Result<BTreeMap<String, String>, Problem> {
        if text.len() > MAX_ENV_FILE {
            return Err(Problem::whole(format!("the file is larger than {MAX_ENV_FILE} bytes")).in_file(path));
        }
        self.room = self.room.checked_sub(text.len()).ok_or_else(|| {
            Problem::whole("the files of variables are too large, all together").in_file(path)
        })?;
        let mut unset = Vec::new();
        let mut source = Source {
            lookup: &|name| variables.get(name),
            unset: &mut |name| unset.push(name.to_owned()),
            room: &mut self.room,
        };
        let values = env_file::read(text, format, &mut source).map_err(|error| {
            let at = Position { file: FileId::default(), line: error.line, column: 1 };
            Problem::at(at, error.to_string()).in_file(path)
        })?;
        self.warn_unset(unset, None, Some(path));
        Ok(values)
    }

    /// One warning a variable: people forget one variable, and use it often.
    fn warn_unset(&mut self, names: Vec<String>, at: Option<Position>, file: Option<&str>) {
        for name in names {
            if self.unset.insert(name.clone()) {
                let message =
                    format!("the variable {} is not set: empty text stands in its place", quoted(&name));
                let file = file.map(shown).or_else(|| at.map(|at| shown(self.file(at.file))));
                self.warn_of(at, file, message);
            }
        }
    }
}
