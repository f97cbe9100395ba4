//! Which files a list of patterns means: a `.dockerignore`, and `ignore` and `include` of a compose file. Pure.
//!
//! The patterns are Docker's: `*` and `?` stay within a folder, `**` crosses any number of them, a pattern that means a folder
//! means all that is in it, `!` takes back what an earlier line meant, and the last line that says something counts.

use std::fmt;

/// A list of patterns, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// It began with `!`.
    exception: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    /// `?`: anything but a `/`.
    One,
    /// `*`: any run of anything but a `/`.
    Run,
    /// `**/`: nothing, or any folders.
    Folders,
    /// `**` at the end: anything.
    Rest,
    /// `[a-z]`, `[^a-z]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PatternError {
    pub pattern: String,
    /// 1-based, where it is one of a file.
    pub line: Option<usize>,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "`{}` is no pattern", self.pattern.escape_debug())
    }
}

impl Patterns {
    /// Reads a file of them: one a line, `#` begins a comment.
    pub fn of_file(text: &str) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..) {
            if line.starts_with('#') {
                continue;
            }
            let pattern = Pattern::read(line);
            let wrong = || PatternError { pattern: line.to_owned(), line: Some(number) };
            patterns.extend(pattern.map_err(|()| wrong())?);
        }
        Ok(Self(patterns))
    }

    /// Reads patterns that stand by themselves.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for line in lines {
            let wrong = |()| PatternError { pattern: line.to_owned(), line: None };
            patterns.extend(Pattern::read(line).map_err(wrong)?);
        }
        Ok(Self(patterns))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they mean this path, or a folder that it lies in.
    pub fn mean(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        let all: Vec<&str> = std::iter::once(path).chain(above).collect();
        self.0.iter().fold(false, |meant, pattern| {
            // Only what would change the answer is asked.
            let turns = pattern.exception == meant && all.iter().any(|path| pattern.fits(path));
            if turns { !meant } else { meant }
        })
    }
}

impl Pattern {
    /// `None` for a line that says nothing.
    fn read(line: &str) -> Result<Option<Self>, ()> {
        let line = line.trim();
        let (exception, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if line.is_empty() {
            return Ok(None);
        }
        if text.is_empty() {
            return Err(());
        }
        Ok(Some(Self { exception, pieces: pieces(&clean(text))? }))
    }

    /// Whether it means exactly this path. From the end of both: which rest of the path each rest of the pattern fits, so
    /// that no pattern takes long.
    fn fits(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let mut rest: Vec<bool> = vec![false; path.len() + 1];
        rest[path.len()] = true;
        for piece in self.pieces.iter().rev() {
            let mut fits = vec![false; path.len() + 1];
            // Whether what follows the piece fits after some `/` from here on.
            let mut after_folder = false;
            for at in (0..=path.len()).rev() {
                let c = path.get(at).copied();
                let next = |all: &[bool]| all.get(at + 1).copied().unwrap_or(false);
                after_folder |= c == Some('/') && next(&rest);
                fits[at] = match piece {
                    Piece::Char(wanted) => c == Some(*wanted) && next(&rest),
                    Piece::One => c.is_some_and(|c| c != '/') && next(&rest),
                    Piece::Run => rest[at] || c.is_some_and(|c| c != '/') && next(&fits),
                    Piece::Folders => rest[at] || after_folder,
                    Piece::Rest => true,
                    Piece::Class { negated, ranges } => {
                        let within = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                        c.is_some_and(|c| within(c) != *negated) && next(&rest)
                    }
                };
            }
            rest = fits;
        }
        rest[0]
    }
}

/// The path without what says nothing in it: `.`, doubled slashes, a slash at either end, and `..` with what it takes back.
fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            // Above the top there is nothing.
            ".." if text.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn pieces(text: &str) -> Result<Vec<Piece>, ()> {
    let mut pieces = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                // More of them say no more.
                while rest.next_if_eq(&'*').is_some() {}
                rest.next_if_eq(&'/');
                if rest.peek().is_none() { Piece::Rest } else { Piece::Folders }
            }
            '*' => Piece::Run,
            '?' => Piece::One,
            '\\' => Piece::Char(rest.next().ok_or(())?),
            '[' => class(&mut rest)?,
            c => Piece::Char(c),
        });
    }
    Ok(pieces)
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Piece, ()> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match rest.next().ok_or(())? {
            ']' if ranges.is_empty() => return Err(()),
            ']' => return Ok(Piece::Class { negated, ranges }),
            '\\' => rest.next().ok_or(())?,
            c => c,
        };
        let to = if rest.next_if_eq(&'-').is_some() {
            match rest.next().ok_or(())? {
                ']' => return Err(()),
                '\\' => rest.next().ok_or(())?,
                c => c,
            }
        } else {
            from
        };
        if to < from {
            return Err(());
        }
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_docker_means_by_them() {
        let check = |text: &str, meant: &[&str], others: &[&str]| {
            let patterns = Patterns::of_file(text).unwrap();
            for path in meant {
                assert!(patterns.mean(path), "{text:?} means {path}");
            }
            for path in others {
                assert!(!patterns.mean(path), "{text:?} does not mean {path}");
            }
        };
        check("", &[], &["a"]);
        check("# a\n\n   \n", &[], &["a", "# a"]);
        check("a", &["a", "a/b", "a/b/c"], &["b", "b/a", "ab"]);
        check("/a/", &["a", "a/b"], &["b/a"]);
        check("  ./a//b/../c  ", &["a/c", "a/c/d"], &["a/b", "a"]);
        check("\u{feff}a\r\nb\r\n", &["a", "b"], &["c"]);
        check("*.md", &["x.md", ".md", "x.md/y"], &["a/x.md", "xmd", "x.mdx"]);
        check("*", &["a", "a/b"], &[]);
        check("*/temp*", &["a/temp", "a/temp1", "a/temp1/x"], &["temp", "a/b/temp"]);
        check("*/*/temp*", &["a/b/temp"], &["a/temp"]);
        check("temp?", &["tempa", "tempb/x"], &["temp", "tempab", "temp/x"]);
        check("**/*.go", &["a.go", "a/b.go", "a/b/c.go"], &["a.gox", "go"]);
        check("**", &["a", "a/b"], &[]);
        check("a/**", &["a/b", "a/b/c"], &["a", "ab"]);
        check("a/**/b", &["a/b", "a/x/b", "a/x/y/b", "a/b/c"], &["a/xb", "b"]);
        check("**/node_modules", &["node_modules/x", "a/b/node_modules/c"], &["a/node_modules2"]);
        check("a**b", &["ab", "ax/b"], &["axb"]);
        check("[a-c]x", &["ax", "cx/y"], &["dx", "x"]);
        check("[^a-c]x", &["dx"], &["ax"]);
        check(r"[\]]", &["]"], &["a"]);
        check(r"\*", &["*"], &["a"]);
        check(r"\!a", &["!a"], &["a"]);
        check("a.b$", &["a.b$"], &["axb$"]);
        check("ä?", &["äö"], &["ä"]);
        // The last line that says something counts.
        check("*.md\n!README.md", &["x.md"], &["README.md"]);
        check("*.md\n!README*.md\nREADME-secret.md", &["x.md", "README-secret.md"], &["README-x.md"]);
        check("*.md\nREADME-secret.md\n!README*.md", &["x.md"], &["README-secret.md"]);
        check("*\n!src\n! doc/b", &["a", "x/src", "doc/a"], &["src", "src/x/y", "doc/b"]);
        check("!a", &[], &["a"]);
        check("a\n!a/b\na/b/c", &["a/x", "a/b/c/d"], &["a/b", "a/b/x"]);
        check("..", &[], &["a"]);
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_line() {
        let check = |text: &str, line: usize| {
            let error = Patterns::of_file(text).expect_err(text);
            assert_eq!(error.line, Some(line), "{error}");
        };
        check("a\n!", 2);
        check("[", 1);
        check("a[]b", 1);
        check("[b-a]", 1);
        check("x\\", 1);
        check("[a-", 1);
        check("[a-]", 1);
        assert_eq!(Patterns::of(["[a"]).unwrap_err().to_string(), "`[a` is no pattern");
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = "**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b".repeat(8);
        let path = "a".repeat(3000);
        assert!(!Patterns::of([pattern.as_str()]).unwrap().mean(&path));
    }
}
