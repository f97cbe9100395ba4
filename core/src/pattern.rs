//! Regular expressions as Traefik's labels write them, which is as Go reads them: RE2. The crate `regex` is of the same
//! family (linear in the text, whatever the pattern), but differs in some words, which are translated here:
//!
//! - `\d`, `\w`, `\s` and `\b` are about ASCII in Go, and about all of Unicode in the crate;
//! - `{` that begins no repetition is a brace, and inside of a class `[`, `&` and `~` are only themselves;
//! - `\Q…\E` quotes, and `\` before any sign that is no letter or digit takes its meaning away.
//!
//! Patterns come from anyone who may write to the bucket: their length and what they compile to are bounded.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// A pattern that can be asked. Equal texts are equal patterns.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a pattern of {0} bytes is longer than {max} bytes", max = Pattern::MAX_LENGTH)]
    Length(usize),
    #[error("the pattern `{pattern}` is too large once it is compiled")]
    Size { pattern: String },
    #[error("`{pattern}` is no regular expression: {why}")]
    Syntax { pattern: String, why: String },
}

impl Pattern {
    /// Longer patterns are not read.
    pub const MAX_LENGTH: usize = 1024;
    /// Bytes of the compiled program: with a text of 64 KiB, the longest that comes, still far below a second.
    const MAX_COMPILED: usize = 128 * 1024;

    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(PatternError::Length(text.len()));
        }
        let built =
            RegexBuilder::new(&translated(text)).size_limit(Self::MAX_COMPILED).nest_limit(50).build();
        match built {
            Ok(regex) => Ok(Self { text: text.to_owned(), regex }),
            Err(regex::Error::CompiledTooBig(_)) => Err(PatternError::Size { pattern: text.to_owned() }),
            Err(error) => {
                // The crate draws a picture; its last line says what is wrong.
                let words = error.to_string();
                let last = words.lines().last().unwrap_or_default();
                let why = last.strip_prefix("error: ").unwrap_or(last).to_owned();
                Err(PatternError::Syntax { pattern: text.to_owned(), why })
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.regex.find(text).map(|found| found.as_str())
    }

    /// Every match replaced; `$1`, `${1}` and `${name}` stand for what a group matched, `$$` for a dollar.
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        self.regex.replace_all(text, replacement).into_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

/// The same pattern in the crate's words.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    // Inside of `[…]`, and whether a `]` would still be its first sign.
    let (mut class, mut first) = (false, false);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\\' {
            if let Some(quoted) = after.strip_prefix('Q') {
                let (literal, following) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                out.push_str(&regex::escape(literal));
                rest = following;
            } else {
                rest = escape(after, class, &mut out);
            }
            first = false;
            continue;
        }
        rest = after;
        if class {
            match c {
                ']' if !first => {
                    class = false;
                    out.push(']');
                }
                '[' if posix(rest).is_some() => {
                    let name = posix(rest).unwrap_or_default();
                    out.push('[');
                    out.push_str(name);
                    rest = &rest[name.len()..];
                }
                '[' | ']' | '&' | '~' => out.extend(['\\', c]),
                '^' if first => {
                    out.push('^');
                    // `[^]…]` begins with a bracket that is only itself.
                    continue;
                }
                c => out.push(c),
            }
            first = false;
            continue;
        }
        match c {
            '[' => {
                class = true;
                first = true;
                out.push('[');
            }
            '{' if !is_repetition(rest) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

/// What follows a backslash. Gives what is left.
fn escape<'p>(after: &'p str, class: bool, out: &mut String) -> &'p str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return "";
    };
    match (c, class) {
        ('d', _) => out.push_str("[0-9]"),
        ('D', _) => out.push_str("[^0-9]"),
        ('w', _) => out.push_str("[0-9A-Za-z_]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('s', _) => out.push_str("[\\t\\n\\f\\r ]"),
        ('S', _) => out.push_str("[^\\t\\n\\f\\r ]"),
        ('b', false) => out.push_str("(?-u:\\b)"),
        ('B', false) => out.push_str("(?-u:\\B)"),
        (c, _) if c.is_ascii() && !c.is_ascii_alphanumeric() => {
            if is_special(c) {
                out.push('\\');
            }
            out.push(c);
        }
        (c, _) => out.extend(['\\', c]),
    }
    &after[c.len_utf8()..]
}

fn is_special(c: char) -> bool {
    "\\.+*?()|[]{}^$#&-~".contains(c)
}

/// The rest of `[:alpha:]`, after its first bracket.
fn posix(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix(':')?;
    let end = name.find(":]")?;
    let plain = name[..end].bytes().all(|b| b.is_ascii_lowercase() || b == b'^');
    plain.then(|| &rest[..end + 3])
}

/// Whether `{` is followed by `n}`, `n,}` or `n,m}`.
fn is_repetition(rest: &str) -> bool {
    let Some((bounds, _)) = rest.split_once('}') else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match bounds.split_once(',') {
        None => number(bounds),
        Some((low, high)) => number(low) && (high.is_empty() || number(high)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(compiled.is_match(text), expected, "{pattern} on {text}: {}", translated(pattern));
    }

    #[test]
    fn classes_of_letters_and_digits_are_about_ascii() {
        check(r"^\d+$", "12", true);
        check(r"^\d+$", "١٢", false);
        check(r"^\w+$", "aZ_0", true);
        check(r"^\w+$", "é", false);
        check(r"^[\w.-]+$", "a.b-c", true);
        check(r"^[^\s/]+$", "a b", false);
        check(r"\bapi\b", "/api/", true);
        check(r"\bapi\b", "/apis/", false);
    }

    #[test]
    fn braces_and_brackets_that_mean_nothing_are_themselves() {
        check(r"^/{id}$", "/{id}", true);
        check(r"^a{2,3}$", "aaa", true);
        check(r"^a{,3}$", "a{,3}", true);
        check(r"^[a[b]$", "[", true);
        check(r"^[]a]$", "]", true);
        check(r"^[^]a]$", "]", false);
        check(r"^[a&&b]$", "&", true);
        check(r"^[[:alpha:]]+$", "abc", true);
        check(r"^\/a\_\<$", "/a_<", true);
        check(r"^\Qa.b\E.$", "a.bc", true);
    }

    #[test]
    fn groups_are_put_into_replacements() {
        let pattern = Pattern::new("^/(?P<a>[a-z]+)/(.*)").unwrap();
        assert_eq!(pattern.replace_all("/x/y", "/${2}/${a}-$$1"), "/y/x-$1");
        assert_eq!(Pattern::new("a*").unwrap().replace_all("baaac", "x"), "xbxcx");
    }

    #[test]
    fn hostile_patterns_are_refused_or_cheap() {
        let refused = |pattern: &str| Pattern::new(pattern).unwrap_err();
        assert!(matches!(refused(&"a".repeat(2000)), PatternError::Length(2000)));
        assert!(matches!(refused("(((a{100}){100}){100})"), PatternError::Size { .. }));
        assert!(matches!(refused(&"(".repeat(200)), PatternError::Syntax { .. }));
        assert_eq!(refused("a(b").to_string(), "`a(b` is no regular expression: unclosed group");
        // What makes other engines try for ever.
        check("^(a+)+$", &format!("{}b", "a".repeat(50_000)), false);
        check("(.*a){12}b", &"a".repeat(20_000), false);
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(
            words in prop::collection::vec(
                prop::sample::select(vec!["[", "]", "^", "\\", "Q", "E", "{", "}", "1", ",", "a", "é", "(", ")", "?", ":", "&&", "~", "-", "d", "[:alpha:]"]),
                0..30,
            ),
        ) {
            if let Ok(pattern) = Pattern::new(&words.concat()) {
                pattern.is_match("a1é[]");
            }
        }
    }
}
