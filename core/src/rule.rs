//! A rule says which requests belong to a route, in Traefik's words: ``Host(`a.example`) && PathPrefix(`/b`)``.
//! The agent reads rules from labels, the edge asks them about every request.
//!
//! Its words are those of Traefik v3 (<https://doc.traefik.io/traefik/routing/routers/#rule>), or, where a label says
//! so, of v2 as Traefik v3 still understands it. Beyond that a rule in v3's words may use what only v2 has, and Traefik
//! v3 refuses: lists such as ``Host(`a`, `b`)``, `Headers`, `HeadersRegexp` and ``Query(`a=b`)``.
//!
//! `PathPrefix` is a plain prefix of the path: ``PathPrefix(`/myapp`)`` matches `/myapp`, `/myapp/x` and also
//! `/myapplication`. Who wants whole segments writes ``PathPrefix(`/myapp/`) || Path(`/myapp`)``.
//!
//! A [`Syntax`] also says which form of the path a rule is about. The platform's own rules compare it as the client sent
//! it, and it is forwarded so: nothing is decoded, `..` and `//` are not resolved. Rules from labels mean, as in
//! Traefik, its normal form, which is then what is forwarded. Either way the route that is chosen and the path that
//! arrives cannot disagree.

mod matcher;

mod parse;

mod query;

mod template;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use matcher::Matcher;
pub use parse::RuleError;

/// A parsed rule. Equal texts are equal rules; `Display` gives the text back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    syntax: Syntax,
    expression: Expression,
}

/// Whose words a rule is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// The platform's own, and every rule of a table of version 1: v3's words, about the path as it was sent.
    #[default]
    Own,
    V3,
    /// With patterns such as `/{id:[0-9]+}` in paths, hosts and queries.
    V2,
}

/// What rules ask about a request.
pub struct Request<'r> {
    pub method: &'r str,
    /// What the client named, with or without a port.
    pub host: &'r str,
    /// The path of the request's target as sent, without the query.
    pub path: &'r str,
    /// The same in normal form, with all decoded that has no meaning of its own in a path.
    pub plain_path: &'r str,
    pub query: Option<&'r str>,
    pub headers: &'r dyn Headers,
    pub client: IpAddr,
}

/// The headers of a request.
pub trait Headers {
    /// Whether one of the values of the header with this name, in lower case, is what is looked for.
    fn any(&self, name: &str, is: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// A request without headers.
impl Headers for () {
    fn any(&self, _name: &str, _is: &mut dyn FnMut(&str) -> bool) -> bool {
        false
    }
}

/// What a rule's text says. Chains of the same operator are flat, so depth is bounded by what nests.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Matcher(Matcher),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Syntax {
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

impl Rule {
    /// Longer rules are parsed no further: a label has no use for them.
    pub const MAX_LENGTH: usize = 8 * 1024;
    /// How deep parentheses and `!` may nest.
    pub const MAX_DEPTH: usize = 32;

    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, RuleError> {
        Ok(Self { text: text.to_owned(), syntax, expression: parse::expression(text, syntax)? })
    }

    /// Whether a request belongs here.
    pub fn matches(&self, request: &Request<'_>) -> bool {
        let path = if self.syntax.is_own() { request.path } else { request.plain_path };
        self.expression.matches(request, path)
    }

    /// What counts when a route sets no priority of its own: the length of the text in bytes, so that the more
    /// precise rule tends to win.
    pub fn priority(&self) -> i64 {
        i64::try_from(self.text.len()).expect("a rule is at most MAX_LENGTH bytes long")
    }

    /// Whether it says anything about the host.
    pub fn is_about_host(&self) -> bool {
        self.expression.any(&|matcher| matches!(matcher, Matcher::Host(_) | Matcher::HostRegexp(_)))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// In the platform's own words.
impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text, Syntax::Own)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    fn matches(&self, request: &Request<'_>, path: &str) -> bool {
        match self {
            Self::Matcher(matcher) => matcher.matches(request, path),
            Self::Not(inner) => !inner.matches(request, path),
            Self::All(all) => all.iter().all(|one| one.matches(request, path)),
            Self::Any(any) => any.iter().any(|one| one.matches(request, path)),
        }
    }

    fn any(&self, is: &dyn Fn(&Matcher) -> bool) -> bool {
        match self {
            Self::Matcher(matcher) => is(matcher),
            Self::Not(inner) => inner.any(is),
            Self::All(several) | Self::Any(several) => several.iter().any(|one| one.any(is)),
        }
    }
}

/// A host without its port and without the trailing dot of the DNS root.
fn canonical_host(host: &str) -> &str {
    let without_port = without_port(host);
    without_port.strip_suffix('.').unwrap_or(without_port)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // `[::1]` has colons, but no port.
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
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
        check_in(Syntax::Own, rule, &get(host, path), expected);
    }

    fn check_in(syntax: Syntax, rule: &str, request: &Request<'_>, expected: bool) {
        let parsed = Rule::parse(rule, syntax).unwrap_or_else(|error| panic!("{rule}: {error}"));
        let Request { method, host, plain_path, query, .. } = request;
        assert_eq!(parsed.matches(request), expected, "{rule} for {method} {host} {plain_path} {query:?}");
    }

    fn get<'r>(host: &'r str, path: &'r str) -> Request<'r> {
        let client = "10.0.0.9".parse().unwrap();
        Request { method: "GET", host, path, plain_path: path, query: None, headers: &(), client }
    }

    struct Fields(&'static [(&'static str, &'static str)]);

    impl Headers for Fields {
        fn any(&self, name: &str, is: &mut dyn FnMut(&str) -> bool) -> bool {
            self.0.iter().any(|(other, value)| *other == name && is(value))
        }
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

    #[test]
    fn hosts_may_be_patterns() {
        let check = |rule: &str, host: &str, expected| check_in(Syntax::V3, rule, &get(host, "/"), expected);
        check("Host(`*.a.example`)", "x.a.example:80", true);
        check("Host(`*.a.example`)", "x.y.a.example", false);
        check("Host(`*.a.example`)", "a.example", false);
        check("Host(`*`)", "any.example", true);
        check("HostRegexp(`^[a-z]+\\.a\\.example$`)", "X.a.example:80", true);
        check("HostRegexp(`^[a-z]+\\.a\\.example$`)", "x1.a.example", false);
        let check = |rule: &str, host: &str, expected| check_in(Syntax::V2, rule, &get(host, "/"), expected);
        check("HostRegexp(`{sub:[a-z]+}.a.example`)", "Abc.a.example:80", true);
        check("HostRegexp(`{sub}.a.example`, `b.example`)", "x.y.a.example", false);
        check("HostRegexp(`{sub}.a.example`, `b.example`)", "b.example", true);
        check("Host(`a.example`, `b.example`)", "b.example", true);
        check("HostHeader(`a.example`)", "a.example", true);
    }

    #[test]
    fn paths_may_be_patterns_in_the_words_of_their_version() {
        let check =
            |syntax, rule: &str, path: &str, expected| check_in(syntax, rule, &get("h", path), expected);
        check(Syntax::V3, "PathRegexp(`^/p/[0-9]+$`)", "/p/12", true);
        check(Syntax::V3, "PathRegexp(`p/[0-9]`)", "/x/p/12/y", true);
        check(Syntax::V3, "PathRegexp(`^/p/[0-9]+$`)", "/p/a", false);
        check(Syntax::V2, "Path(`/p/{id:[0-9]+}`)", "/p/12", true);
        check(Syntax::V2, "Path(`/p/{id:[0-9]+}`)", "/p/12/x", false);
        check(Syntax::V2, "PathPrefix(`/p/{id:[0-9]{2}}`)", "/p/12/x", true);
        check(Syntax::V2, "PathPrefix(`/p/{id}/x`)", "/p/a.b/x", true);
        check(Syntax::V2, "PathPrefix(`/p.x`)", "/pax", false);
    }

    #[test]
    fn methods_headers_queries_and_addresses_are_asked_about() {
        let fields = Fields(&[("x-a", "1"), ("x-a", "two"), ("accept", "text/html")]);
        let query = Some("a=b&c=%2F+x&a=second&d&bad=%zz&s;t=1");
        let request = Request { method: "POST", query, headers: &fields, ..get("h", "/") };
        let check = |syntax, rule: &str, expected| check_in(syntax, rule, &request, expected);
        for (rule, expected) in [
            ("Method(`post`)", true),
            ("Method(`GET`, `PUT`)", false),
            ("Header(`X-A`, `two`)", true),
            ("Header(`x-a`, `tw`)", false),
            ("HeaderRegexp(`X-A`, `^t.o$`)", true),
            ("HeaderRegexp(`X-B`, `.*`)", false),
            ("Headers(`X-A`, `1`)", true),
            ("HeadersRegexp(`Accept`, `html`)", true),
            ("Query(`a`, `second`)", true),
            ("Query(`c`, `/ x`)", true),
            ("Query(`d`)", true),
            ("Query(`a`)", false),
            ("Query(`a=b`)", true),
            ("Query(`bad`, `%zz`)", false),
            ("QueryRegexp(`a`, `^s`)", true),
            ("QueryRegexp(`a`, `^x`)", false),
            ("ClientIP(`10.0.0.0/8`)", true),
            ("ClientIP(`10.0.0.8`)", false),
        ] {
            check(Syntax::V3, rule, expected);
        }
        for (rule, expected) in [
            ("Method(`GET`, `POST`)", true),
            ("Headers(`X-A`, `two`, `Accept`, `text/html`)", true),
            ("Headers(`X-A`, `two`, `Accept`, `no`)", false),
            ("Query(`a=b`)", true),
            // Only the first of several counts in v2.
            ("Query(`a=second`)", false),
            ("Query(`a={v:[a-c]}`, `c={x}`)", true),
        ] {
            check(Syntax::V2, rule, expected);
        }
    }

    #[test]
    fn rules_of_labels_are_about_the_plain_path() {
        let request = Request { plain_path: "/a b", ..get("h", "/x/../a%20b") };
        check_in(Syntax::V3, "Path(`/a b`)", &request, true);
        check_in(Syntax::V3, "PathPrefix(`/x`)", &request, false);
        check_in(Syntax::Own, "PathPrefix(`/x`)", &request, true);
    }
}
