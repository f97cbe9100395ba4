//! A command written as one text, split into words the way a shell quotes them; nothing is expanded.

/// The words, and the first of them that only a shell would understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub words: Vec<String>,
    pub operator: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordsError {
    #[error("a quote ({0}) is opened and never closed")]
    Unclosed(char),
    #[error("a `\\` stands at the end, with nothing to escape")]
    Backslash,
}

pub(super) fn split(text: &str) -> Result<Words, WordsError> {
    let (mut words, mut operator) = (Vec::new(), None);
    // `None` between two words: `''` is a word, a blank is none.
    let mut word: Option<String> = None;
    let mut bare = true;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => finish(&mut word, &mut bare, &mut words, &mut operator),
            '\'' | '"' => {
                bare = false;
                quote(c, &mut chars, word.get_or_insert_default())?;
            }
            '\\' => {
                bare = false;
                match chars.next().ok_or(WordsError::Backslash)? {
                    // A line that goes on in the next one.
                    '\n' => {}
                    escaped => word.get_or_insert_default().push(escaped),
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut bare, &mut words, &mut operator);
    Ok(Words { words, operator })
}

fn quote(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), WordsError> {
    loop {
        match chars.next().ok_or(WordsError::Unclosed(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next().ok_or(WordsError::Unclosed(quote))? {
                '\n' => {}
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                // As in a shell: in front of anything else a backslash is one.
                other => word.extend(['\\', other]),
            },
            c => word.push(c),
        }
    }
}

fn finish(
    word: &mut Option<String>,
    bare: &mut bool,
    words: &mut Vec<String>,
    operator: &mut Option<String>,
) {
    if let Some(word) = word.take() {
        let shell_only = *bare && (word.chars().all(|c| "|&;<>".contains(c)) || word.ends_with(';'));
        if shell_only && operator.is_none() {
            *operator = Some(word.clone());
        }
        words.push(word);
    }
    *bare = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_quotes_them() {
        let check =
            |text: &str, expected: &[&str]| assert_eq!(split(text).unwrap().words, expected, "{text}");
        check("", &[]);
        check("  \n ", &[]);
        check("npm start", &["npm", "start"]);
        check(
            "sh -c \"echo $A \\\"q\\\" x\" 'si ng' a\\ b \"\"",
            &["sh", "-c", "echo $A \"q\" x", "si ng", "a b", ""],
        );
        check("x --a=\"b c\"'d'e", &["x", "--a=b cde"]);
        check("a''b \"x'y\" 'x\"y' 'a\\b'", &["ab", "x'y", "x\"y", "a\\b"]);
        check("printf \"a\\n\" \"\\$x\\\\\"", &["printf", "a\\n", "$x\\"]);
        check("foo \\\n  --bar", &["foo", "--bar"]);
        check("a\tb\nc", &["a", "b", "c"]);
    }

    #[test]
    fn what_only_a_shell_understands_is_told() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(split(text).unwrap().operator.as_deref(), expected, "{text}");
        };
        check("a && b || c", Some("&&"));
        check("a; b", Some("a;"));
        check("a > b", Some(">"));
        check("sh -c 'a && b'", None);
        check("a '&&' b", None);
        check("curl http://x/?a=1&b=2", None);
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert_eq!(split("a 'b"), Err(WordsError::Unclosed('\'')));
        assert_eq!(split("a \"b\\"), Err(WordsError::Unclosed('"')));
        assert_eq!(split("a \\"), Err(WordsError::Backslash));
    }
}
