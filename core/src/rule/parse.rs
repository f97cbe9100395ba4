//! The grammar of rules: text → expression, or the column and the reason why not. Labels come from anyone who
//! may write to the bucket, so length and depth are bounded and every refusal names what was expected.
//!
//! ```text
//! any     = all { "||" all }
//! all     = unary { "&&" unary }
//! unary   = "!" unary | "(" any ")" | matcher
//! matcher = name "(" string { "," string } ")"
//! string  = "`" … "`"  |  '"' … '"'   (with \" and \\)
//! ```

use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{opt, preceded};
use winnow::error::ParserError;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any, take_while};

use super::{Expression, Rule, as_sent, canonical_host};

/// Why a text is no rule. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("column {column}: expected {expected}, found {found}")]
    Syntax { column: usize, expected: &'static str, found: String },
    #[error("column {column}: the matcher `{name}` is not supported yet; Host, Path and PathPrefix are")]
    Unsupported { column: usize, name: String },
    #[error("column {column}: there is no matcher `{name}`; expected Host, Path or PathPrefix")]
    Unknown { column: usize, name: String },
    #[error("column {column}: patterns such as `{value}` are not supported yet; write the {matcher} out")]
    Pattern { column: usize, matcher: &'static str, value: String },
    #[error("column {column}: `{path}` is no path: expected it to start with `/`")]
    Path { column: usize, path: String },
    #[error("column {column}: `{host}` is no host name: expected ASCII letters, digits, `-` and `.`")]
    Host { column: usize, host: String },
    #[error("column {column}: nested deeper than {} levels", Rule::MAX_DEPTH)]
    Depth { column: usize },
    #[error("a rule of {length} bytes is longer than {} bytes", Rule::MAX_LENGTH)]
    Length { length: usize },
}

/// Matchers of Traefik, v2 and v3, that are understood to be matchers but not evaluated.
const UNSUPPORTED: [&str; 12] = [
    "ClientIP",
    "Header",
    "HeaderRegexp",
    "Headers",
    "HeadersRegexp",
    "HostHeader",
    "HostRegexp",
    "HostSNI",
    "Method",
    "PathRegexp",
    "Query",
    "QueryRegexp",
];

pub(super) fn expression(text: &str) -> Result<Expression, RuleError> {
    if text.len() > Rule::MAX_LENGTH {
        return Err(RuleError::Length { length: text.len() });
    }
    whole(&mut LocatingSlice::new(text)).map_err(|fault| fault.in_text(text))
}

type Input<'a> = LocatingSlice<&'a str>;

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Fault {
    at: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Expected(&'static str),
    Unsupported(String),
    Unknown(String),
    Pattern(&'static str, String),
    Path(String),
    Host(String),
    Depth,
}

fn whole(input: &mut Input) -> Result<Expression, Fault> {
    let expression = any_of(input, 0)?;
    if input.is_empty() { Ok(expression) } else { Err(expected(input, "`&&`, `||` or the end of the rule")) }
}

fn any_of(input: &mut Input, depth: usize) -> Result<Expression, Fault> {
    chain(input, depth, "||", all_of, Expression::Any)
}

fn all_of(input: &mut Input, depth: usize) -> Result<Expression, Fault> {
    chain(input, depth, "&&", unary, Expression::All)
}

fn chain(
    input: &mut Input,
    depth: usize,
    operator: &'static str,
    operand: fn(&mut Input, usize) -> Result<Expression, Fault>,
    join: fn(Vec<Expression>) -> Expression,
) -> Result<Expression, Fault> {
    let first = operand(input, depth)?;
    let mut operands = vec![first];
    while token(operator, input)? {
        operands.push(operand(input, depth)?);
    }
    match operands.len() {
        1 => Ok(operands.remove(0)),
        _ => Ok(join(operands)),
    }
}

fn unary(input: &mut Input, depth: usize) -> Result<Expression, Fault> {
    skip_space(input)?;
    if depth > Rule::MAX_DEPTH {
        return Err(Fault { at: input.current_token_start(), what: What::Depth });
    }
    if token("!", input)? {
        return Ok(Expression::Not(Box::new(unary(input, depth + 1)?)));
    }
    if token("(", input)? {
        let inner = any_of(input, depth + 1)?;
        closing(input, "`&&`, `||` or `)`")?;
        return Ok(inner);
    }
    matcher(input)
}

fn matcher(input: &mut Input) -> Result<Expression, Fault> {
    let at = input.current_token_start();
    let name: &str = take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_').parse_next(input)?;
    if name.is_empty() {
        return Err(expected(input, "a matcher such as Host(`a.example`), `!` or `(`"));
    }
    // Traefik knows each name also in lower, upper and title case.
    let read = if name.eq_ignore_ascii_case("Host") {
        Expression::Host(values(input, host)?)
    } else if name.eq_ignore_ascii_case("Path") {
        Expression::Path(values(input, path)?)
    } else if name.eq_ignore_ascii_case("PathPrefix") {
        Expression::PathPrefix(values(input, path)?)
    } else {
        let what = match UNSUPPORTED.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => What::Unsupported((*known).to_owned()),
            None => What::Unknown(name.to_owned()),
        };
        return Err(Fault { at, what });
    };
    Ok(read)
}

fn values(input: &mut Input, read: fn(usize, String) -> Result<String, Fault>) -> Result<Vec<String>, Fault> {
    if !token("(", input)? {
        return Err(expected(input, "`(`"));
    }
    let mut values = Vec::new();
    loop {
        skip_space(input)?;
        let at = input.current_token_start();
        values.push(read(at, string(input)?)?);
        if !token(",", input)? {
            closing(input, "`,` or `)`")?;
            return Ok(values);
        }
    }
}

fn host(at: usize, host: String) -> Result<String, Fault> {
    if host.contains(['{', '*']) {
        return Err(Fault { at, what: What::Pattern("host", host) });
    }
    let name = canonical_host(&host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Fault { at, what: What::Host(host) });
    }
    Ok(name.to_ascii_lowercase())
}

fn path(at: usize, path: String) -> Result<String, Fault> {
    if path.contains('{') {
        return Err(Fault { at, what: What::Pattern("path", path) });
    }
    if !path.starts_with('/') {
        return Err(Fault { at, what: What::Path(path) });
    }
    Ok(as_sent(&path))
}

fn string(input: &mut Input) -> Result<String, Fault> {
    if opt('`').parse_next(input)?.is_some() {
        let text: &str = take_while(0.., |c| c != '`').parse_next(input)?;
        let text = text.to_owned();
        return if opt('`').parse_next(input)?.is_some() {
            Ok(text)
        } else {
            Err(expected(input, "a closing '`'"))
        };
    }
    if opt('"').parse_next(input)?.is_none() {
        return Err(expected(input, "a value in `backticks` or \"double quotes\""));
    }
    let mut text = String::new();
    loop {
        let plain: &str = take_while(0.., |c| !matches!(c, '"' | '\\' | '\n')).parse_next(input)?;
        text.push_str(plain);
        if opt('"').parse_next(input)?.is_some() {
            return Ok(text);
        }
        match opt(preceded('\\', any)).parse_next(input)? {
            Some(escaped @ ('"' | '\\')) => text.push(escaped),
            Some(_) => return Err(expected(input, "`\\\"` or `\\\\` as the only escapes")),
            None => return Err(expected(input, "a closing `\"`")),
        }
    }
}

fn closing(input: &mut Input, wanted: &'static str) -> Result<(), Fault> {
    if token(")", input)? { Ok(()) } else { Err(expected(input, wanted)) }
}

/// Whether `wanted` comes next; it is taken, with the space around it.
fn token(wanted: &'static str, input: &mut Input) -> Result<bool, Fault> {
    skip_space(input)?;
    let found = opt(wanted).parse_next(input)?.is_some();
    skip_space(input)?;
    Ok(found)
}

fn skip_space(input: &mut Input) -> Result<(), Fault> {
    multispace0.void().parse_next(input)
}

fn expected(input: &Input, what: &'static str) -> Fault {
    Fault { at: input.current_token_start(), what: What::Expected(what) }
}

impl<'a> ParserError<Input<'a>> for Fault {
    type Inner = Self;

    fn from_input(input: &Input<'a>) -> Self {
        expected(input, "a rule")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl Fault {
    fn in_text(self, text: &str) -> RuleError {
        let column = text[..self.at].chars().count() + 1;
        match self.what {
            What::Expected(expected) => {
                let found = text[self.at..].chars().next().map_or("the end".to_owned(), |c| format!("{c:?}"));
                RuleError::Syntax { column, expected, found }
            }
            What::Unsupported(name) => RuleError::Unsupported { column, name },
            What::Unknown(name) => RuleError::Unknown { column, name },
            What::Pattern(matcher, value) => RuleError::Pattern { column, matcher, value },
            What::Path(path) => RuleError::Path { column, path },
            What::Host(host) => RuleError::Host { column, host },
            What::Depth => RuleError::Depth { column },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(rule: &str, expected: &str) {
        let error = rule.parse::<Rule>().expect_err(rule);
        assert_eq!(error.to_string(), expected, "{rule}");
    }

    #[test]
    fn a_refusal_names_the_column_and_what_was_expected() {
        let a_matcher = "a matcher such as Host(`a.example`), `!` or `(`";
        check("", &format!("column 1: expected {a_matcher}, found the end"));
        check("Host(`a`) &&", &format!("column 13: expected {a_matcher}, found the end"));
        check("|| Host(`a`)", &format!("column 1: expected {a_matcher}, found '|'"));
        check("Host(`a`) Path(`/b`)", "column 11: expected `&&`, `||` or the end of the rule, found 'P'");
        check("Host(`a`) & Path(`/b`)", "column 11: expected `&&`, `||` or the end of the rule, found '&'");
        check("(Host(`a`)", "column 11: expected `&&`, `||` or `)`, found the end");
        check("Host(`a`))", "column 10: expected `&&`, `||` or the end of the rule, found ')'");
        check("Host", "column 5: expected `(`, found the end");
        check("Host()", "column 6: expected a value in `backticks` or \"double quotes\", found ')'");
        check("Host('a')", "column 6: expected a value in `backticks` or \"double quotes\", found '\\''");
        check("Host(`a`,)", "column 10: expected a value in `backticks` or \"double quotes\", found ')'");
        check("Host(`a` `b`)", "column 10: expected `,` or `)`, found '`'");
        check("Host(`a)", "column 9: expected a closing '`', found the end");
        check("Host(\"a)", "column 9: expected a closing `\"`, found the end");
        check("Path(\"/\\n\")", "column 10: expected `\\\"` or `\\\\` as the only escapes, found '\"'");
    }

    #[test]
    fn columns_count_characters() {
        check("Path(`/é`) x", "column 12: expected `&&`, `||` or the end of the rule, found 'x'");
    }

    #[test]
    fn matchers_of_traefik_that_are_missing_are_named_as_such() {
        let message = |column, name: &str| {
            format!(
                "column {column}: the matcher `{name}` is not supported yet; Host, Path and PathPrefix are"
            )
        };
        for name in UNSUPPORTED {
            check(&format!("Host(`a`) && {name}(`x`)"), &message(14, name));
        }
        check("methods(`GET`)", "column 1: there is no matcher `methods`; expected Host, Path or PathPrefix");
        check("hostregexp(`x`)", &message(1, "HostRegexp"));
    }

    #[test]
    fn values_that_could_never_match_are_refused() {
        check("Path(`a`)", "column 6: `a` is no path: expected it to start with `/`");
        check("PathPrefix(`/a`, ``)", "column 18: `` is no path: expected it to start with `/`");
        check(
            "Path(`/{id:[0-9]+}`)",
            "column 6: patterns such as `/{id:[0-9]+}` are not supported yet; write the path out",
        );
        check("Host(`*.a`)", "column 6: patterns such as `*.a` are not supported yet; write the host out");
        check("Host(`é`)", "column 6: `é` is no host name: expected ASCII letters, digits, `-` and `.`");
        check("Host(`a/b`)", "column 6: `a/b` is no host name: expected ASCII letters, digits, `-` and `.`");
    }

    #[test]
    fn escapes_in_double_quotes_are_read() {
        let rule = |value: &str| expression(value).unwrap();
        assert_eq!(rule(r#"Path("/a\"\\")"#), Expression::Path(vec!["/a%22%5C".into()]));
        assert_eq!(rule(r"Path(`/a\`)"), Expression::Path(vec!["/a%5C".into()]));
    }

    #[test]
    fn depth_and_length_are_bounded_but_chains_are_not_deep() {
        let nested = |depth: usize| format!("{}Host(`a`){}", "(".repeat(depth), ")".repeat(depth));
        assert!(expression(&nested(Rule::MAX_DEPTH)).is_ok());
        assert_eq!(
            expression(&nested(Rule::MAX_DEPTH + 1)),
            Err(RuleError::Depth { column: Rule::MAX_DEPTH + 2 })
        );
        assert!(matches!(expression(&"!".repeat(5000)), Err(RuleError::Depth { .. })));
        assert_eq!(expression(&" ".repeat(9000)), Err(RuleError::Length { length: 9000 }));
        assert!(expression(&vec!["Host(`a`)"; 600].join("&&")).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = expression(&text);
        }

        #[test]
        fn nothing_made_of_the_grammars_own_words_makes_it_panic(
            words in prop::collection::vec(
                prop::sample::select(vec!["Host", "Path", "PathPrefix", "(", ")", "`/a`", "\"b\"", "`", "\"", "\\", ",", "!", "&&", "||", " ", "é"]),
                0..60,
            ),
        ) {
            let text = words.concat();
            if let Ok(rule) = text.parse::<Rule>() {
                rule.matches("b", "/a");
            }
        }
    }
}
