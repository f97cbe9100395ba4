//! A rule says which requests belong to a route, in Traefik's words: ``Host(`a.example`) && PathPrefix(`/b`)``.
//! The agent reads rules from labels, the edge asks them about every request.
//!
//! The syntax is Traefik v3's (<https://doc.traefik.io/traefik/routing/routers/#rule>), and so is what a rule
//! means, with these choices where versions differ:
//! - a matcher takes a list, as in v2: ``Host(`a`, `b`)`` is either of them;
//! - `PathPrefix` is a plain prefix of the path: ``PathPrefix(`/myapp`)`` matches `/myapp`, `/myapp/x` and also
//!   `/myapplication`. Who wants whole segments writes ``PathPrefix(`/myapp/`) || Path(`/myapp`)``;
//! - a path is compared as the client sent it: nothing is decoded, `..` and `//` are not resolved, so that the
//!   route which is chosen and the path which is forwarded cannot disagree. Characters of a rule that no
//!   request can carry plainly (a space, `é`) are percent-encoded once, when the rule is parsed.

mod parse;

use std::fmt;
use std::str::FromStr;

pub use parse::RuleError;

/// A parsed rule. Equal texts are equal rules; `Display` gives the text back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    expression: Expression,
}

/// What a rule's text says. Chains of the same operator are flat, so depth is bounded by what nests.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    /// In lower case, without port and without the root's trailing dot.
    Host(Vec<String>),
    Path(Vec<String>),
    PathPrefix(Vec<String>),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Rule {
    /// Longer rules are parsed no further: a label has no use for them.
    pub const MAX_LENGTH: usize = 8 * 1024;
    /// How deep parentheses and `!` may nest.
    pub const MAX_DEPTH: usize = 32;

    /// Whether a request belongs here. `host` is what the client named, with or without a port; `path` is the
    /// path of the request's target as sent, without the query.
    pub fn matches(&self, host: &str, path: &str) -> bool {
        self.expression.matches(canonical_host(host), path)
    }

    /// What counts when a route sets no priority of its own: the length of the text in bytes, so that the more
    /// precise rule tends to win.
    pub fn priority(&self) -> i64 {
        i64::try_from(self.text.len()).expect("a rule is at most MAX_LENGTH bytes long")
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Ok(Self { text: text.to_owned(), expression: parse::expression(text)? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    fn matches(&self, host: &str, path: &str) -> bool {
        match self {
            Self::Host(hosts) => hosts.iter().any(|wanted| wanted.eq_ignore_ascii_case(host)),
            Self::Path(paths) => paths.iter().any(|wanted| wanted == path),
            Self::PathPrefix(prefixes) => prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())),
            Self::Not(inner) => !inner.matches(host, path),
            Self::All(all) => all.iter().all(|one| one.matches(host, path)),
            Self::Any(any) => any.iter().any(|one| one.matches(host, path)),
        }
    }
}

/// A host without its port and without the trailing dot of the DNS root.
fn canonical_host(host: &str) -> &str {
    let without_port = match host.rsplit_once(':') {
        // `[::1]` has colons, but no port.
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    without_port.strip_suffix('.').unwrap_or(without_port)
}

/// Percent-encodes the characters that the path of a request cannot carry plainly, and leaves all others,
/// `%` included, as they are.
pub fn as_sent(path: &str) -> String {
    let mut sent = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'?' | b'#' => {
                encode(byte, &mut sent)
            }
            b'!'..=b'~' => sent.push(char::from(byte)),
            _ => encode(byte, &mut sent),
        }
    }
    sent
}

fn encode(byte: u8, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    into.push('%');
    into.push(char::from(HEX[usize::from(byte >> 4)]));
    into.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &str, host: &str, path: &str, expected: bool) {
        let parsed: Rule = rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(parsed.matches(host, path), expected, "{rule} for {host} {path}");
    }

    #[test]
    fn a_host_matches_in_any_case_without_port_and_without_trailing_dot() {
        for host in ["a.example", "A.Example", "a.example:8080", "a.example.", "a.example.:8080"] {
            check("Host(`a.example`)", host, "/", true);
            check("Host(`A.example.`)", host, "/", true);
        }
        for host in ["", "b.example", "xa.example", "a.example.org", "a.example:80x", "a.example.."] {
            check("Host(`a.example`)", host, "/", false);
        }
        check("Host(`[::1]`)", "[::1]:8080", "/", true);
        check("Host(`[::1]`)", "[::1]", "/", true);
    }

    #[test]
    fn a_path_matches_whole_and_a_prefix_matches_plainly() {
        check("Path(`/myapp`)", "", "/myapp", true);
        check("Path(`/myapp`)", "", "/myapp/", false);
        check("Path(`/myapp`)", "", "/MYAPP", false);
        for path in ["/myapp", "/myapp/", "/myapp/x", "/myapplication"] {
            check("PathPrefix(`/myapp`)", "", path, true);
        }
        check("PathPrefix(`/myapp`)", "", "/my", false);
        check("PathPrefix(`/myapp`)", "", "/x/myapp", false);
    }

    #[test]
    fn a_default_route_takes_its_own_segment_and_nothing_beside_it() {
        let rule = "PathPrefix(`/my/`) || Path(`/my`)";
        for (path, expected) in
            [("/my", true), ("/my/", true), ("/my/x", true), ("/myapp", false), ("/", false)]
        {
            check(rule, "any", path, expected);
        }
    }

    #[test]
    fn a_list_is_any_of_its_values() {
        check("Host(`a`, \"b\")", "b", "/", true);
        check("Host(`a`, \"b\")", "c", "/", false);
        check("PathPrefix(`/x`,`/y`)", "", "/y/1", true);
        check("Path(`/x` , `/y`)", "", "/y", true);
    }

    #[test]
    fn not_binds_before_and_and_before_or() {
        let rule = "Host(`a`) || Host(`b`) && Path(`/p`)";
        check(rule, "a", "/other", true);
        check(rule, "b", "/other", false);
        check(rule, "b", "/p", true);
        let grouped = "(Host(`a`) || Host(`b`)) && Path(`/p`)";
        check(grouped, "a", "/other", false);
        check(grouped, "a", "/p", true);
        check("!Host(`a`) && Path(`/p`)", "b", "/p", true);
        check("!Host(`a`) && Path(`/p`)", "b", "/q", false);
        check("!(Host(`a`) && Path(`/p`))", "b", "/q", true);
        check("!!Host(`a`)", "a", "/", true);
    }

    #[test]
    fn a_path_is_compared_as_it_was_sent() {
        check("PathPrefix(`/a/`)", "", "/a/../b", true);
        check("PathPrefix(`/b`)", "", "/a/../b", false);
        check("PathPrefix(`/a`)", "", "//a", false);
        check("Path(`/a`)", "", "/%61", false);
        check("Path(`/a%2Fb`)", "", "/a%2Fb", true);
        check("Path(`/foo bar/é`)", "", "/foo%20bar/%C3%A9", true);
    }

    #[test]
    fn the_priority_is_the_length_of_the_text() {
        let priority = |text: &str| text.parse::<Rule>().unwrap().priority();
        assert_eq!(priority("Path(`/a`)"), 10);
        assert!(priority("Host(`a`) && PathPrefix(`/`)") > priority("PathPrefix(`/`)"));
    }

    #[test]
    fn the_text_is_given_back_unchanged() {
        let text = "host( `a` )  ||\n PATHPREFIX(\"/b\")";
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
    }
}
