//! What is wrong with a compose file, and where: the error that every reader below [`parse`](super::parse) returns.
//!
//! A reader knows the position and the words; `parse` knows the name of the file and makes a
//! [`ComposeError`] of both.

use super::model::ComposeError;

/// One of the compose files that were read, by its place in the order of reading. The first one is the main file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub u16);

/// File, line and column; the latter two are 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub file: FileId,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    /// `None`: the file of the position, or else the main compose file.
    file: Option<String>,
    position: Option<Position>,
    message: String,
    hint: Option<String>,
    service: Option<String>,
    policy: bool,
}

impl Problem {
    pub fn at(position: Position, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Details {
            file: None,
            position: Some(position),
            message,
            hint: None,
            service: None,
            policy: false,
        }))
    }

    /// About the file as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        let mut problem = Self::at(Position { file: FileId::default(), line: 1, column: 1 }, message);
        problem.0.position = None;
        problem
    }

    /// In another file of the workspace than the compose file.
    pub fn in_file(mut self, file: &str) -> Self {
        self.0.file = Some(shown(file));
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub fn of_service(mut self, service: &str) -> Self {
        self.0.service.get_or_insert_with(|| service.to_owned());
        self
    }

    /// Not wrong in itself: the operator's policy forbids it.
    pub fn by_policy(mut self) -> Self {
        self.0.policy = true;
        self
    }

    /// `files` are the names of the compose files, by [`FileId`].
    pub fn into_error(self, files: &[String]) -> ComposeError {
        let Details { file: other, position, message, hint, service, policy } = *self.0;
        let file = position.map_or(FileId::default(), |position| position.file);
        let named = || files.get(usize::from(file.0)).map(|name| shown(name)).unwrap_or_default();
        ComposeError {
            file: other.unwrap_or_else(named),
            position: position.map(|position| (position.line as usize, position.column as usize)),
            message,
            hint,
            service,
            policy,
        }
    }
}

/// What a user wrote, between backticks, as [`shown`].
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// What a user wrote, fit for one line of a terminal: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let shown: String = text.chars().take(LONGEST).flat_map(escaped).collect();
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("{shown}{more}")
}

fn escaped(c: char) -> Vec<char> {
    // Format characters such as U+202E turn a terminal's text around as control characters do.
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || turns { c.escape_debug().collect() } else { vec![c] }
}

/// Names for a hint: `a, b, c`, at most twenty of them.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 20;
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(MOST).map(quoted).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") + more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_wrote_cannot_play_with_the_terminal() {
        assert_eq!(quoted("web"), "`web`");
        assert_eq!(quoted("a\n\u{1b}[2Jb\u{202e}"), "`a\\n\\u{1b}[2Jb\\u{202e}`");
        assert_eq!(quoted(&"x".repeat(81)), format!("`{}…`", "x".repeat(80)));
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert!(listed(["a"; 21]).ends_with("`a`, …"));
    }
}
