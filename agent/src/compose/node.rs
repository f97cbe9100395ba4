//! The tree of a compose file: what is left of YAML once anchors, aliases and merge keys are gone.
//!
//! Scalars stay text, as they stand in the file (`3.10` is not 3.1); each reader turns them into what it needs.

use std::collections::HashMap;

use super::problem::{Position, Problem, quoted};

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands in the file; for an alias, where what it stands for does.
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

/// In the order of the file; no key twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Position,
    pub value: Node,
    /// How the value meets the one that it overrides.
    pub tag: Option<Tag>,
}

/// What Compose's own YAML tags ask of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// `!reset`: takes away what is overridden, and the value itself.
    Reset,
    /// `!override`: stands in place of what is overridden, without being merged with it.
    Override,
}

impl Value {
    pub fn is_text(&self, wanted: &str) -> bool {
        matches!(self, Self::Text(text) if text == wanted)
    }
}

impl Map {
    /// Takes the entry out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// As [`Map::get`], but a key without a value counts as absent, as in Compose.
    pub fn given(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|node| !node.is_null())
    }
}

impl Node {
    pub fn text_at(at: Position, text: impl Into<String>) -> Self {
        Self { at, value: Value::Text(text.into()) }
    }

    pub fn null_at(at: Position) -> Self {
        Self { at, value: Value::Null }
    }

    /// Says the same, wherever it stands. The order of a mapping says nothing.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Text(one), Value::Text(two)) => one == two,
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Value::Map(one), Value::Map(two)) => {
                let two: HashMap<&str, &Self> =
                    two.entries.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
                let found =
                    |entry: &Entry| two.get(entry.key.as_str()).is_some_and(|value| entry.value.same(value));
                one.entries.len() == two.len() && one.entries.iter().all(found)
            }
            _ => false,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Asks for nothing: absent, false, or an empty collection.
    pub fn is_trivial(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty() || text.eq_ignore_ascii_case("false"),
            Value::List(items) => items.is_empty(),
            Value::Map(map) => map.entries.is_empty(),
        }
    }

    /// `what` is how the error calls this node, such as `` `image` ``.
    pub fn text(&self, what: &str) -> Result<&str, Problem> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.not(what, "text")),
        }
    }

    pub fn non_empty_text(&self, what: &str) -> Result<&str, Problem> {
        match self.text(what)? {
            "" => Err(Problem::at(self.at, format!("{what} is empty"))),
            text => Ok(text),
        }
    }

    pub fn list(&self, what: &str) -> Result<&[Self], Problem> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.not(what, "a list")),
        }
    }

    pub fn map(&self, what: &str) -> Result<&Map, Problem> {
        match &self.value {
            Value::Map(map) => Ok(map),
            _ => Err(self.not(what, "a mapping")),
        }
    }

    /// One text or a list of texts, each with its position.
    pub fn texts(&self, what: &str) -> Result<Vec<(&str, Position)>, Problem> {
        match &self.value {
            Value::Text(text) => Ok(vec![(text, self.at)]),
            Value::List(items) => items.iter().map(|item| Ok((item.text(what)?, item.at))).collect(),
            _ => Err(self.not(what, "text or a list of texts")),
        }
    }

    pub fn boolean(&self, what: &str) -> Result<bool, Problem> {
        let Value::Text(text) = &self.value else { return Err(self.not(what, "true or false")) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(Problem::at(self.at, format!("{what} must be true or false, not {}", quoted(text)))),
        }
    }

    pub fn number(&self, what: &str) -> Result<u32, Problem> {
        let Value::Text(text) = &self.value else { return Err(self.not(what, "a whole number")) };
        let wrong = || Problem::at(self.at, format!("{what} must be a whole number, not {}", quoted(text)));
        text.parse().map_err(|_| wrong())
    }

    /// The error for a node of the wrong kind.
    pub fn not(&self, what: &str, wanted: &str) -> Problem {
        let found = match &self.value {
            Value::Null => "nothing",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        Problem::at(self.at, format!("{what} must be {wanted}, not {found}"))
    }
}
