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
use winnow::stream::{LocatingSlice, Location, Stateful};
use winnow::token::{any, take_while};

use super::matcher::{Host, Matcher, Value};
use super::template::{self, Of, TemplateError};
use super::{Expression, Rule, Syntax, as_sent, canonical_host};
use crate::ip_range::{IpRange, NoIpRange};
use crate::pattern::{Pattern, PatternError};

/// Why a text is no rule. Columns count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("column {column}: expected {expected}, found {found}")]
    Syntax { column: usize, expected: &'static str, found: String },
    #[error("column {column}: there is no matcher `{name}`; expected {expected}")]
    Unknown { column: usize, name: String, expected: &'static str },
    #[error("column {column}: {matcher} takes {takes}, found {found}")]
    Values { column: usize, matcher: String, takes: &'static str, found: usize },
    #[error("column {column}: {source}")]
    Pattern { column: usize, source: PatternError },
    #[error(
        "column {column}: `{value}` has braces that do not fit; expected `{{name}}` or `{{name:pattern}}`"
    )]
    Template { column: usize, value: String },
    #[error(
        "column {column}: `{value}` looks like a pattern of Traefik v2; write {regexp}(`…`), or ask for the older words \
         with the label `ruleSyntax=v2`"
    )]
    Older { column: usize, value: String, regexp: &'static str },
    #[error("column {column}: {source}")]
    Range { column: usize, source: NoIpRange },
    #[error("column {column}: `{value}` is no `key=value`")]
    Pair { column: usize, value: String },
    #[error("column {column}: `{path}` is no path: expected it to start with `/`")]
    Path { column: usize, path: String },
    #[error("column {column}: `{host}` is no host name: expected ASCII letters, digits, `-` and `.`")]
    Host { column: usize, host: String },
    #[error("column {column}: nested deeper than {} levels", Rule::MAX_DEPTH)]
    Depth { column: usize },
    #[error("a rule of {length} bytes is longer than {} bytes", Rule::MAX_LENGTH)]
    Length { length: usize },
}

const KNOWN: &str = "Host, HostRegexp, Path, PathPrefix, PathRegexp, Method, Header, HeaderRegexp, Query, QueryRegexp or ClientIP";
const KNOWN_V2: &str =
    "Host, HostHeader, HostRegexp, Path, PathPrefix, Method, Headers, HeadersRegexp, Query or ClientIP";

pub(super) fn expression(text: &str, syntax: Syntax) -> Result<Expression, RuleError> {
    if text.len() > Rule::MAX_LENGTH {
        return Err(RuleError::Length { length: text.len() });
    }
    let mut input = Input { state: syntax, input: LocatingSlice::new(text) };
    whole(&mut input).map_err(|fault| fault.in_text(text))
}

type Input<'a> = Stateful<LocatingSlice<&'a str>, Syntax>;

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Fault {
    at: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Expected(&'static str),
    Unknown(String, &'static str),
    Values(String, &'static str, usize),
    Pattern(PatternError),
    Template(String),
    Older(String, &'static str),
    Range(NoIpRange),
    Pair(String),
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
    let syntax = input.state;
    // Traefik knows each name also in lower, upper and title case.
    let lower = name.to_ascii_lowercase();
    let always = [
        "host",
        "hostregexp",
        "path",
        "pathprefix",
        "method",
        "query",
        "clientip",
        "headers",
        "headersregexp",
        "hostheader",
    ];
    let since_v3 = ["pathregexp", "header", "headerregexp", "queryregexp"];
    let known =
        always.contains(&lower.as_str()) || (syntax != Syntax::V2 && since_v3.contains(&lower.as_str()));
    if !known {
        let expected = if syntax == Syntax::V2 { KNOWN_V2 } else { KNOWN };
        return Err(Fault { at, what: What::Unknown(name.to_owned(), expected) });
    }
    let values = values(input)?;
    let takes = |takes, fits: bool| {
        let what = What::Values(name.to_owned(), takes, values.len());
        if fits { Ok(()) } else { Err(Fault { at, what }) }
    };
    let pairs = "a name and a value";
    let matcher = match lower.as_str() {
        "host" | "hostheader" => Matcher::Host(each(&values, |value| host(value, syntax))?),
        "hostregexp" => Matcher::HostRegexp(each(&values, |value| like(value, syntax, Of::Host))?),
        "path" | "pathprefix" => return paths(&values, syntax, lower == "pathprefix"),
        "pathregexp" => Matcher::PathRegexp(each(&values, pattern)?),
        "method" => Matcher::Method(values.iter().map(|(_, method)| method.to_ascii_uppercase()).collect()),
        "clientip" => Matcher::ClientIp(each(&values, range)?),
        "header" | "headerregexp" => {
            takes(pairs, values.len() == 2)?;
            header(&values[0], &values[1], lower == "headerregexp")?
        }
        "headers" | "headersregexp" => {
            takes("names and values in turn", values.len().is_multiple_of(2))?;
            let all = values.chunks(2).map(|pair| header_v2(&pair[0], &pair[1], lower == "headersregexp"));
            return all.collect::<Result<Vec<_>, _>>().map(Expression::All);
        }
        "query" if syntax == Syntax::V2 => {
            return values.iter().map(first_query).collect::<Result<Vec<_>, _>>().map(Expression::All);
        }
        _ => {
            takes("a key, or a key and a value", values.len() <= 2)?;
            query(&values, lower == "queryregexp")?
        }
    };
    Ok(Expression::Matcher(matcher))
}

/// A value, and where it stands.
type At = (usize, String);

fn each<T>(values: &[At], read: impl Fn(&At) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    values.iter().map(read).collect()
}

fn values(input: &mut Input) -> Result<Vec<At>, Fault> {
    if !token("(", input)? {
        return Err(expected(input, "`(`"));
    }
    let mut values = Vec::new();
    loop {
        skip_space(input)?;
        let at = input.current_token_start();
        values.push((at, string(input)?));
        if !token(",", input)? {
            closing(input, "`,` or `)`")?;
            return Ok(values);
        }
    }
}

fn host((at, value): &At, syntax: Syntax) -> Result<Host, Fault> {
    let fault = |what| Err(Fault { at: *at, what });
    if value.contains('{') {
        return fault(What::Older(value.clone(), "HostRegexp"));
    }
    let name = canonical_host(value);
    let (name, below) = match name.strip_prefix('*') {
        Some("") if syntax != Syntax::V2 => return Ok(Host::Every),
        Some(parent) if syntax != Syntax::V2 && parent.len() > 1 && parent.starts_with('.') => (parent, true),
        _ => (name, false),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if name.is_empty() || !name.bytes().all(plain) {
        return fault(What::Host(value.clone()));
    }
    let name = name.to_ascii_lowercase();
    Ok(if below { Host::Below(name) } else { Host::Exact(name) })
}

fn paths(values: &[At], syntax: Syntax, prefix: bool) -> Result<Expression, Fault> {
    let (mut plain, mut patterns) = (Vec::new(), Vec::new());
    for value in values {
        let (at, path) = value;
        let fault = |what| Err(Fault { at: *at, what });
        if !path.starts_with('/') {
            return fault(What::Path(path.clone()));
        }
        match syntax {
            Syntax::V2 if template::is_template(path) => {
                patterns.push(like(value, syntax, if prefix { Of::PathPrefix } else { Of::Path })?);
            }
            // A brace comes to a rule only by mistake: a request has it encoded.
            Syntax::Own | Syntax::V3 if path.contains('{') => {
                return fault(What::Older(path.clone(), "PathRegexp"));
            }
            Syntax::Own => plain.push(as_sent(path)),
            Syntax::V2 | Syntax::V3 => plain.push(path.clone()),
        }
    }
    let mut any = Vec::new();
    if !patterns.is_empty() {
        any.push(Expression::Matcher(Matcher::PathRegexp(patterns)));
    }
    if !plain.is_empty() {
        let matcher = if prefix { Matcher::PathPrefix(plain) } else { Matcher::Path(plain) };
        any.push(Expression::Matcher(matcher));
    }
    Ok(if any.len() == 1 { any.remove(0) } else { Expression::Any(any) })
}

/// A pattern in the words of its version.
fn like(value: &At, syntax: Syntax, of: Of) -> Result<Pattern, Fault> {
    if syntax != Syntax::V2 {
        return pattern(value);
    }
    let (at, text) = value;
    let text = if of == Of::Host { text.to_ascii_lowercase() } else { text.clone() };
    template::compile(&text, of).map_err(|error| {
        let what = match error {
            TemplateError::Braces => What::Template(text.clone()),
            TemplateError::Pattern(error) => What::Pattern(error),
        };
        Fault { at: *at, what }
    })
}

fn pattern((at, text): &At) -> Result<Pattern, Fault> {
    Pattern::new(text).map_err(|error| Fault { at: *at, what: What::Pattern(error) })
}

fn range((at, text): &At) -> Result<IpRange, Fault> {
    text.parse().map_err(|error| Fault { at: *at, what: What::Range(error) })
}

fn header(name: &At, value: &At, regexp: bool) -> Result<Matcher, Fault> {
    let value = if regexp { Value::Like(pattern(value)?) } else { Value::Exact(value.1.clone()) };
    Ok(Matcher::Header { name: name.1.to_ascii_lowercase(), value })
}

/// In v2 a header without a value is about its being there.
fn header_v2(name: &At, value: &At, regexp: bool) -> Result<Expression, Fault> {
    let matcher = match value.1.as_str() {
        "" => Matcher::Header { name: name.1.to_ascii_lowercase(), value: Value::Any },
        _ => header(name, value, regexp)?,
    };
    Ok(Expression::Matcher(matcher))
}

fn query(values: &[At], regexp: bool) -> Result<Matcher, Fault> {
    let key = values[0].1.clone();
    let value = match values.get(1) {
        Some(value) if regexp => Value::Like(pattern(value)?),
        Some((_, value)) => Value::Exact(value.clone()),
        // v2's way to write it. As a key it would have to come encoded.
        None => match key.split_once('=') {
            Some((key, value)) => {
                return Ok(Matcher::Query { key: key.to_owned(), value: Value::Exact(value.to_owned()) });
            }
            None => Value::Exact(String::new()),
        },
    };
    Ok(Matcher::Query { key, value })
}

fn first_query(value: &At) -> Result<Expression, Fault> {
    let (at, text) = value;
    let Some((key, wanted)) = text.split_once('=') else {
        return Err(Fault { at: *at, what: What::Pair(text.clone()) });
    };
    let wanted = match wanted {
        "" => Value::Any,
        template if template::is_template(template) => {
            Value::Like(like(&(*at, template.to_owned()), Syntax::V2, Of::Query)?)
        }
        plain => Value::Exact(plain.to_owned()),
    };
    Ok(Expression::Matcher(Matcher::FirstQuery { key: key.to_owned(), value: wanted }))
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
            What::Unknown(name, expected) => RuleError::Unknown { column, name, expected },
            What::Values(matcher, takes, found) => RuleError::Values { column, matcher, takes, found },
            What::Pattern(source) => RuleError::Pattern { column, source },
            What::Template(value) => RuleError::Template { column, value },
            What::Older(value, regexp) => RuleError::Older { column, value, regexp },
            What::Range(source) => RuleError::Range { column, source },
            What::Pair(value) => RuleError::Pair { column, value },
            What::Path(path) => RuleError::Path { column, path },
            What::Host(host) => RuleError::Host { column, host },
            What::Depth => RuleError::Depth { column },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Request;
    use super::*;

    fn own(text: &str) -> Result<Expression, RuleError> {
        expression(text, Syntax::Own)
    }

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
    fn a_matcher_that_there_is_not_is_named_with_those_that_there_are() {
        check("methods(`GET`)", &format!("column 1: there is no matcher `methods`; expected {KNOWN}"));
        check(
            "Host(`a`) && HostSNI(`a`)",
            &format!("column 14: there is no matcher `HostSNI`; expected {KNOWN}"),
        );
        let v2 = Rule::parse("PathRegexp(`a`)", Syntax::V2).unwrap_err().to_string();
        assert_eq!(v2, format!("column 1: there is no matcher `PathRegexp`; expected {KNOWN_V2}"));
    }

    #[test]
    fn the_number_of_values_is_counted() {
        check("Header(`a`)", "column 1: Header takes a name and a value, found 1");
        check("Headers(`a`,`b`,`c`)", "column 1: Headers takes names and values in turn, found 3");
        check("Query(`a`,`b`,`c`)", "column 1: Query takes a key, or a key and a value, found 3");
    }

    #[test]
    fn patterns_and_ranges_that_cannot_be_read_are_refused_where_they_stand() {
        check("Path(`/`) || PathRegexp(`(`)", "column 25: `(` is no regular expression: unclosed group");
        check(
            "ClientIP(`10.0.0.0/8`, `x`)",
            "column 24: `x` is neither an address nor a range such as 10.0.0.0/8",
        );
        let v2 = |rule: &str| Rule::parse(rule, Syntax::V2).unwrap_err().to_string();
        let braces = "has braces that do not fit; expected `{name}` or `{name:pattern}`";
        assert_eq!(v2("Path(`/{id`)"), format!("column 6: `/{{id` {braces}"));
        assert_eq!(v2("Path(`/{}`)"), format!("column 6: `/{{}}` {braces}"));
        assert_eq!(v2("Query(`a`)"), "column 7: `a` is no `key=value`");
    }

    #[test]
    fn values_that_could_never_match_are_refused() {
        check("Path(`a`)", "column 6: `a` is no path: expected it to start with `/`");
        check("PathPrefix(`/a`, ``)", "column 18: `` is no path: expected it to start with `/`");
        check(
            "Path(`/{id:[0-9]+}`)",
            "column 6: `/{id:[0-9]+}` looks like a pattern of Traefik v2; write PathRegexp(`…`), or ask for the older \
             words with the label `ruleSyntax=v2`",
        );
        check("Host(`a.*`)", "column 6: `a.*` is no host name: expected ASCII letters, digits, `-` and `.`");
        check(
            "Host(`**.a`)",
            "column 6: `**.a` is no host name: expected ASCII letters, digits, `-` and `.`",
        );
        check("Host(`é`)", "column 6: `é` is no host name: expected ASCII letters, digits, `-` and `.`");
        check("Host(`a/b`)", "column 6: `a/b` is no host name: expected ASCII letters, digits, `-` and `.`");
    }

    #[test]
    fn escapes_in_double_quotes_are_read() {
        let rule = |value: &str| own(value).unwrap();
        let path = |path: &str| Expression::Matcher(Matcher::Path(vec![path.to_owned()]));
        assert_eq!(rule(r#"Path("/a\"\\")"#), path("/a%22%5C"));
        assert_eq!(rule(r"Path(`/a\`)"), path("/a%5C"));
    }

    #[test]
    fn depth_and_length_are_bounded_but_chains_are_not_deep() {
        let nested = |depth: usize| format!("{}Host(`a`){}", "(".repeat(depth), ")".repeat(depth));
        assert!(own(&nested(Rule::MAX_DEPTH)).is_ok());
        assert_eq!(own(&nested(Rule::MAX_DEPTH + 1)), Err(RuleError::Depth { column: Rule::MAX_DEPTH + 2 }));
        assert!(matches!(own(&"!".repeat(5000)), Err(RuleError::Depth { .. })));
        assert_eq!(own(&" ".repeat(9000)), Err(RuleError::Length { length: 9000 }));
        assert!(own(&vec!["Host(`a`)"; 600].join("&&")).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = own(&text);
        }

        #[test]
        fn nothing_made_of_the_grammars_own_words_makes_it_panic(
            words in prop::collection::vec(
                prop::sample::select(vec!["Host", "Path", "PathPrefix", "Query", "Headers", "HostRegexp", "{a:[", "}", "(", ")", "`/a`", "\"b\"", "`", "\"", "\\", ",", "!", "&&", "||", " ", "é"]),
                0..60,
            ),
        ) {
            let text = words.concat();
            for syntax in [Syntax::Own, Syntax::V3, Syntax::V2] {
                if let Ok(rule) = Rule::parse(&text, syntax) {
                    let client = "::1".parse().unwrap();
                    let (method, host, path, plain_path) = ("GET", "b", "/a", "/a");
                    rule.matches(&Request { method, host, path, plain_path, query: None, headers: &(), client });
                }
            }
        }
    }
}
