//! `profiles`: which services are started, and which only on request.
//!
//! A service without profiles always is; others are when `COMPOSE_PROFILES`, in the workspace's `.env` or from the
//! operator, names one of theirs, or is `*`.

use std::collections::BTreeSet;

use super::node::{Entry, Value};
use super::problem::{Problem, listed, quoted};
use super::scope::Scope;

pub(super) const VARIABLE: &str = "COMPOSE_PROFILES";

pub(super) struct Profiles {
    active: BTreeSet<String>,
    /// Those that services have.
    named: BTreeSet<String>,
}

impl Profiles {
    pub fn new(scope: &Scope<'_>) -> Self {
        let names = scope.variable(VARIABLE).unwrap_or_default().split(',').map(str::trim);
        let active = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Self { active, named: BTreeSet::new() }
    }

    /// Whether the service is started; if not, with its profiles.
    ///
    /// # Errors
    /// Its profiles are none.
    pub fn start(&mut self, service: &Entry) -> Result<Result<(), Vec<String>>, Problem> {
        let Value::Map(map) = &service.value.value else { return Ok(Ok(())) };
        let Some(node) = map.given("profiles") else { return Ok(Ok(())) };
        let mut own = Vec::new();
        for item in node.list("`profiles`")? {
            let name = item.non_empty_text("a profile")?;
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) {
                return Err(Problem::at(item.at, format!("{} is no name for a profile", quoted(name)))
                    .hint("letters, digits, `_`, `.` and `-`, the first one a letter or digit"));
            }
            own.push(name.to_owned());
        }
        self.named.extend(own.iter().cloned());
        let active = |name: &String| self.active.contains("*") || self.active.contains(name);
        Ok(if own.is_empty() || own.iter().any(active) { Ok(()) } else { Err(own) })
    }

    /// Says which of the active profiles no service has.
    pub fn warn_about_unknown(&self, scope: &mut Scope<'_>) {
        let unknown: Vec<&str> =
            self.active.difference(&self.named).map(String::as_str).filter(|name| *name != "*").collect();
        // The operator may name profiles for all workspaces at once.
        if !unknown.is_empty() && scope.dotenv_has(VARIABLE) {
            let unknown = listed(unknown);
            scope.warn_of_file(".env", format!("`{VARIABLE}`: no service has the profile {unknown}"));
        }
    }
}
