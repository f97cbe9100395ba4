//! Variables in the values of a compose file: `$VAR`, `${VAR}`, `${VAR:-default}` and its relatives.
//!
//! The syntax is the Compose specification's (12-interpolation.md); what it leaves open follows Compose v2: a `$`
//! that no name or brace follows stands for itself, and only what is inside of `${…}` can be wrong.

use super::problem::{quoted, shown};

/// Of defaults inside of defaults.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InterpolationError {
    #[error("`${{` without its closing `}}`")]
    Unclosed,
    #[error(
        "{0} is no variable: write `${{NAME}}`, `${{NAME:-default}}`, `${{NAME:?message}}` or `${{NAME:+replacement}}`"
    )]
    NotAVariable(String),
    #[error("the variable `{name}` is required{}", if .message.is_empty() { String::new() } else { format!(": {}", .message) })]
    Required { name: String, message: String },
    #[error("defaults inside of defaults, more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("the variables of this workspace expand to more text than is allowed")]
    TooLong,
}

/// Where the values come from, and what it may cost.
pub(super) struct Source<'a, 'v> {
    pub lookup: &'a dyn Fn(&str) -> Option<&'v str>,
    /// Told the name of each variable that is not set and has no default; it expands to nothing.
    pub unset: &'a mut dyn FnMut(&str),
    /// How many bytes may still be written; counts down.
    pub room: &'a mut usize,
}

/// `text` with its variables filled in.
pub(super) fn interpolate(text: &str, source: &mut Source<'_, '_>) -> Result<String, InterpolationError> {
    let mut out = String::new();
    expand(text, source, 0, &mut out)?;
    Ok(out)
}

fn expand(
    mut text: &str,
    source: &mut Source<'_, '_>,
    depth: usize,
    out: &mut String,
) -> Result<(), InterpolationError> {
    if depth > MAX_DEPTH {
        return Err(InterpolationError::TooDeep);
    }
    while let Some(dollar) = text.find('$') {
        write(&text[..dollar], source, out)?;
        let rest = &text[dollar + 1..];
        text = if let Some(after) = rest.strip_prefix('$') {
            write("$", source, out)?;
            after
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing_brace(after).ok_or(InterpolationError::Unclosed)?;
            braced(&after[..end], source, depth, out)?;
            &after[end + 1..]
        } else {
            match name_length(rest) {
                0 => {
                    write("$", source, out)?;
                    rest
                }
                length => {
                    plain(&rest[..length], source, out)?;
                    &rest[length..]
                }
            }
        };
    }
    write(text, source, out)
}

/// What stands between the braces of `${…}`.
fn braced(
    inside: &str,
    source: &mut Source<'_, '_>,
    depth: usize,
    out: &mut String,
) -> Result<(), InterpolationError> {
    let (name, operator) = inside.split_at(name_length(inside));
    let not_a_variable = || InterpolationError::NotAVariable(quoted(&format!("${{{inside}}}")));
    if name.is_empty() {
        return Err(not_a_variable());
    }
    let value = (source.lookup)(name);
    let (value, operator) = match operator.strip_prefix(':') {
        Some(operator) => (value.filter(|value| !value.is_empty()), operator),
        None if operator.is_empty() => return plain(name, source, out),
        None => (value, operator),
    };
    let mut operator = operator.chars();
    let (kind, operand) = (operator.next(), operator.as_str());
    match (kind, value) {
        (Some('-' | '?'), Some(value)) => write(value, source, out),
        (Some('-'), None) | (Some('+'), Some(_)) => expand(operand, source, depth + 1, out),
        (Some('+'), None) => Ok(()),
        (Some('?'), None) => {
            let mut message = String::new();
            expand(operand, source, depth + 1, &mut message)?;
            Err(InterpolationError::Required { name: name.to_owned(), message: shown(&message) })
        }
        _ => Err(not_a_variable()),
    }
}

fn plain(name: &str, source: &mut Source<'_, '_>, out: &mut String) -> Result<(), InterpolationError> {
    match (source.lookup)(name) {
        Some(value) => write(value, source, out),
        None => {
            (source.unset)(name);
            Ok(())
        }
    }
}

fn write(text: &str, source: &mut Source<'_, '_>, out: &mut String) -> Result<(), InterpolationError> {
    *source.room = source.room.checked_sub(text.len()).ok_or(InterpolationError::TooLong)?;
    out.push_str(text);
    Ok(())
}

/// How many bytes of a variable's name `text` starts with.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Where the `}` stands that closes a `${` already open, nested ones passed over.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1usize;
    let mut before = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Result<String, InterpolationError>, Vec<String>) {
        let lookup = |name: &str| match name {
            "A" => Some("aa"),
            "_b2" => Some("bb"),
            "EMPTY" => Some(""),
            "DOLLAR" => Some("$A"),
            _ => None,
        };
        let (mut unset, mut room) = (Vec::new(), 1000);
        let mut note = |name: &str| unset.push(name.to_owned());
        let result = interpolate(text, &mut Source { lookup: &lookup, unset: &mut note, room: &mut room });
        (result, unset)
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        let check =
            |text: &str, expected: &str| assert_eq!(run(text), (Ok(expected.to_owned()), vec![]), "{text}");
        check("", "");
        check("plain", "plain");
        check("$A", "aa");
        check("${A}", "aa");
        check("$A-b$A.c", "aa-baa.c");
        check("${A}b$_b2", "aabbb");
        check("$$A $${A} $$$$", "$A ${A} $$");
        check("${A:-x}${A-x}", "aaaa");
        check("${EMPTY:-d}|${EMPTY-d}|${EMPTY:+p}|${EMPTY+p}", "d|||p");
        check("${A:+p}${A+q}${NOPE:+p}${NOPE+q}", "pq");
        check("${NOPE:-a b}${NOPE-}", "a b");
        check("${NOPE:-${A}}", "aa");
        check("${NOPE:-${NOPE:-${NOPE-deep}}}!", "deep!");
        check("${NOPE:-$${x}}", "${x}");
        check("${NOPE:-{\"a\":1}}", "{\"a\":1}");
        check("${A:?needed}${EMPTY?needed}", "aa");
        check("${NOPE:-http://x:80/?a=b}", "http://x:80/?a=b");
        // What a variable holds is not looked into again.
        check("$DOLLAR", "$A");
        // Not a variable, so a dollar is a dollar.
        check("$1 $ a $- $é $", "$1 $ a $- $é $");
    }

    #[test]
    fn an_unset_variable_is_empty_and_reported() {
        assert_eq!(run("<$NOPE${GONE}>"), (Ok("<>".to_owned()), vec!["NOPE".to_owned(), "GONE".to_owned()]));
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        let check =
            |text: &str, expected: &str| assert_eq!(run(text).0.unwrap_err().to_string(), expected, "{text}");
        check("${A", "`${` without its closing `}`");
        check("${A-${B}", "`${` without its closing `}`");
        let syntax = "is no variable: write `${NAME}`, `${NAME:-default}`, `${NAME:?message}` or `${NAME:+replacement}`";
        for text in ["${}", "${1A}", "${A:x}", "${A!}", "${A.b}", "${ A }", "${A }", "${A:}", "${É}"] {
            check(text, &format!("`{text}` {syntax}"));
        }
        check("${NOPE:?must $A}", "the variable `NOPE` is required: must aa");
        check("${EMPTY:?}", "the variable `EMPTY` is required");
        check("${NOPE?}", "the variable `NOPE` is required");
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |levels: usize| "${N:-".repeat(levels) + &"}".repeat(levels);
        assert_eq!(run(&nested(MAX_DEPTH)).0, Ok(String::new()));
        assert_eq!(run(&nested(MAX_DEPTH + 1)).0, Err(InterpolationError::TooDeep));
        assert_eq!(run(&"$A".repeat(500)).0.map(|text| text.len()), Ok(1000));
        assert_eq!(run(&"$A".repeat(501)).0, Err(InterpolationError::TooLong));
    }
}
