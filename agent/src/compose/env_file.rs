//! Files of variables, `.env` and `env_file`: `KEY=value` a line, with comments, quotes, `export` and variables.
//!
//! The syntax follows Compose v2, with one difference: text after a closing quote is an error here and is lost
//! there. Errors name the line and never the value: these files hold secrets.

use std::collections::BTreeMap;

use super::interpolate::{InterpolationError, Source, interpolate};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mistake}")]
pub(super) struct EnvFileError {
    /// 1-based.
    pub line: u32,
    pub mistake: Mistake,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("`KEY=value` is expected here")]
    Key,
    #[error("a quote ({0}) is opened here and never closed")]
    Unclosed(char),
    #[error("there is text after the closing quote")]
    AfterQuote,
    #[error("a NUL character")]
    Nul,
    #[error("{0}")]
    Interpolation(InterpolationError),
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// As a shell would, nearly: quotes, escapes, comments, variables.
    Usual,
    /// `format: raw`, as `docker run --env-file` reads it: what stands behind the `=` is the value.
    Raw,
}

/// The variables of a file. Its lines see the lines before them, and `source`. A key without a value takes its
/// value from `source`, and is absent when that has none.
pub(super) fn read(
    text: &str,
    format: Format,
    source: &mut Source<'_, '_>,
) -> Result<BTreeMap<String, String>, EnvFileError> {
    match format {
        Format::Usual => usual(text, source),
        Format::Raw => raw(text, source),
    }
}

fn raw(text: &str, source: &Source<'_, '_>) -> Result<BTreeMap<String, String>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values = BTreeMap::new();
    for (line, at) in text.lines().zip(1..) {
        let line = line.trim_start();
        let wrong = |mistake| EnvFileError { line: at, mistake };
        if line.contains('\0') {
            return Err(wrong(Mistake::Nul));
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(wrong(Mistake::Key));
        }
        if let Some(value) = value.or_else(|| (source.lookup)(key)) {
            values.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(values)
}

fn usual(text: &str, source: &mut Source<'_, '_>) -> Result<BTreeMap<String, String>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Lines { rest: text, line: 0 };
    let mut values = BTreeMap::new();
    while let Some(line) = lines.next() {
        let at = lines.line;
        let wrong = |mistake| EnvFileError { line: at, mistake };
        if line.contains('\0') {
            return Err(wrong(Mistake::Nul));
        }
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (key, value) = match line.find(['=', ':']) {
            Some(end) => (line[..end].trim_end(), Some(line[end + 1..].trim_start())),
            None => (line.trim_end(), None),
        };
        if !is_key(key) {
            return Err(wrong(Mistake::Key));
        }
        let value = match value {
            Some(value) => Some(lines.value(value, &values, source).map_err(wrong)?),
            None => (source.lookup)(key).map(str::to_owned),
        };
        if let Some(value) = value {
            values.insert(key.to_owned(), value);
        }
    }
    Ok(values)
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && !key.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '#'))
}

struct Lines<'t> {
    rest: &'t str,
    /// Of the line taken last, 1-based.
    line: u32,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        (self.rest, self.line) = (rest, self.line.saturating_add(1));
        Some(line)
    }

    /// What stands behind the `=`; takes more lines when a quote goes over them.
    fn value(
        &mut self,
        value: &str,
        values: &BTreeMap<String, String>,
        source: &mut Source<'_, '_>,
    ) -> Result<String, Mistake> {
        let raw = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let raw = self.quoted(&value[1..], quote)?;
                if quote == '\'' {
                    return Ok(raw.replace("\\'", "'"));
                }
                unescaped(&raw)
            }
            _ => without_comment(value).to_owned(),
        };
        let lookup = |name: &str| values.get(name).map(String::as_str).or_else(|| (source.lookup)(name));
        let mut source = Source { lookup: &lookup, unset: &mut *source.unset, room: &mut *source.room };
        interpolate(&raw, &mut source).map_err(Mistake::Interpolation)
    }

    /// What stands before the closing quote, its escapes still in it.
    fn quoted(&mut self, first: &str, quote: char) -> Result<String, Mistake> {
        let mut raw = String::new();
        let mut line = first;
        loop {
            if let Some(end) = closing_quote(line, quote) {
                raw.push_str(&line[..end]);
                let after = line[end + 1..].trim();
                let clean = after.is_empty() || after.starts_with('#');
                return if clean { Ok(raw) } else { Err(Mistake::AfterQuote) };
            }
            raw.push_str(line);
            raw.push('\n');
            line = match self.next() {
                Some(next) if next.contains('\0') => return Err(Mistake::Nul),
                Some(next) => next.strip_suffix('\r').unwrap_or(next),
                None => return Err(Mistake::Unclosed(quote)),
            };
        }
    }
}

fn closing_quote(line: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(index),
            _ => {}
        }
    }
    None
}

/// The escapes of a double-quoted value. `\$` becomes `$$`, which stands for a dollar once variables are filled in.
fn unescaped(raw: &str) -> String {
    let mut out = String::new();
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('$')) => out.push_str("$$"),
            ('\\', Some(c @ ('"' | '\\' | '\''))) => out.push(c),
            ('\\', Some(c)) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    out
}

fn without_comment(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = value.match_indices('#').find(|(index, _)| value[..*index].ends_with([' ', '\t']));
    comment.map_or(value, |(index, _)| &value[..index]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Vec<(String, String)>, String> {
        let lookup = |name: &str| (name == "OUT").then_some("out");
        let mut room = 1000;
        let mut source = Source { lookup: &lookup, unset: &mut |_| {}, room: &mut room };
        let values =
            read(text, Format::Usual, &mut source).map_err(|error| format!("{}: {error}", error.line))?;
        Ok(values.into_iter().collect())
    }

    #[test]
    fn a_raw_file_is_taken_as_it_stands() {
        let lookup = |name: &str| (name == "OUT").then_some("out");
        let run = |text: &str| {
            let mut room = 1000;
            let mut source = Source { lookup: &lookup, unset: &mut |_| {}, room: &mut room };
            read(text, Format::Raw, &mut source).map_err(|error| format!("{}: {error}", error.line))
        };
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = run(text).unwrap();
            let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("K='a' #b\n", &[("K", "'a' #b")]);
        check("K=$OUT ${NO}\\n\r\n", &[("K", "$OUT ${NO}\\n")]);
        check("\u{feff}# c\n\n  K= v \nOUT\nNO\nA=b=c", &[("A", "b=c"), ("K", " v "), ("OUT", "out")]);
        for wrong in ["=x", "A B=x", "export A=x"] {
            assert_eq!(run(&format!("A=1\n{wrong}")).unwrap_err(), "2: `KEY=value` is expected here");
        }
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        let check = |text: &str, expected: &str| {
            assert_eq!(run(text), Ok(vec![("K".to_owned(), expected.to_owned())]), "{text}");
        };
        check("K=v", "v");
        check("export K=v", "v");
        check("  K = v  ", "v");
        check("K: v", "v");
        check("K=", "");
        check("K=a=b:c", "a=b:c");
        check("K=a#b #c", "a#b");
        check("K= # c", "");
        check("K=a\"b it's", "a\"b it's");
        check("K=a\\nb", "a\\nb");
        check("K='l$OUT\\n' # c", "l$OUT\\n");
        check("K='a\\'b'", "a'b");
        check("K=\"d$OUT\\n\\t\\$x\\\"\"", "dout\n\t$x\"");
        check("K=\"a\\zb\"", "a\\zb");
        check("K=\"l1\r\nl2\"", "l1\nl2");
        check("K='l1\nl2'\r\n", "l1\nl2");
        check("K=u${OUT}-${NO:-def}", "uout-def");
        check("K=$1 $", "$1 $");
        check("# c\n\n\u{20}\nK=v\n#", "v");
        check("K=1\nK=2", "2");
        check("OTHER\nK=v", "v");
    }

    #[test]
    fn a_line_sees_the_lines_before_it_and_a_bare_key_what_is_outside() {
        let pairs = |list: &[(&str, &str)]| {
            Ok(list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(run("A=1\nB=$A$OUT\nOUT"), pairs(&[("A", "1"), ("B", "1out"), ("OUT", "out")]));
    }

    #[test]
    fn mistakes_name_their_line_and_not_the_value() {
        let check = |text: &str, expected: &str| assert_eq!(run(text), Err(expected.to_owned()), "{text}");
        check("A=1\nBAD LINE secret", "2: `KEY=value` is expected here");
        check("=secret", "1: `KEY=value` is expected here");
        check("A=1\n\nB=\"secret\nmore", "3: a quote (\") is opened here and never closed");
        check("A='x' secret", "1: there is text after the closing quote");
        check("A=${OUT", "1: `${` without its closing `}`");
        check("A=${NOPE:?set it}", "1: the variable `NOPE` is required: set it");
        check("A=b\0c", "1: a NUL character");
    }

    #[test]
    fn what_variables_expand_to_is_bounded() {
        let bomb: String = (1..40).map(|n| format!("A{n}=$A{m}$A{m}\n", m = n - 1)).collect();
        let error = run(&format!("A0=aaaaaaaaaa\n{bomb}")).unwrap_err();
        assert!(error.contains("more text than is allowed"), "{error}");
    }
}
