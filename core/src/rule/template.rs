//! The patterns of Traefik v2: text with `{name}` and `{name:pattern}` in it, as gorilla/mux reads them.

use crate::pattern::{Pattern, PatternError};

/// What a template is about decides what `{name}` alone stands for, and where a match ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Host,
    Path,
    PathPrefix,
    Query,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum TemplateError {
    Braces,
    Pattern(PatternError),
}

pub(super) fn is_template(text: &str) -> bool {
    text.contains(['{', '}'])
}

pub(super) fn compile(template: &str, of: Of) -> Result<Pattern, TemplateError> {
    let mut pattern = String::from("^");
    let mut rest = template;
    while let Some(open) = rest.find(['{', '}']) {
        let length = group(&rest[open..]).ok_or(TemplateError::Braces)?;
        quote(&rest[..open], &mut pattern);
        let inside = &rest[open + 1..open + length - 1];
        let (name, wanted) = inside.split_once(':').unwrap_or((inside, of.usual()));
        if name.is_empty() || wanted.is_empty() {
            return Err(TemplateError::Braces);
        }
        pattern.push_str("(?:");
        pattern.push_str(wanted);
        pattern.push(')');
        rest = &rest[open + length..];
    }
    quote(rest, &mut pattern);
    if of != Of::PathPrefix {
        pattern.push('$');
    }
    Pattern::new(&pattern).map_err(TemplateError::Pattern)
}

impl Of {
    fn usual(self) -> &'static str {
        match self {
            Self::Host => "[^.]+",
            Self::Path | Self::PathPrefix => "[^/]+",
            Self::Query => ".*",
        }
    }
}

/// How long the group is that the text begins with, its braces included.
fn group(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn quote(text: &str, into: &mut String) {
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            into.push('\\');
        }
        into.push(c);
    }
}
