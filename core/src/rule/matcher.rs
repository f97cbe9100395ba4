//! What a rule can ask about a request, ready to be asked.

use super::query;
use super::{Request, canonical_host, without_port};
use crate::ip_range::IpRange;
use crate::pattern::Pattern;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Host(Vec<Host>),
    HostRegexp(Vec<Pattern>),
    Path(Vec<String>),
    PathPrefix(Vec<String>),
    PathRegexp(Vec<Pattern>),
    /// In upper case.
    Method(Vec<String>),
    /// The name in lower case.
    Header {
        name: String,
        value: Value,
    },
    Query {
        key: String,
        value: Value,
    },
    /// Only the first value of the key counts.
    FirstQuery {
        key: String,
        value: Value,
    },
    ClientIp(Vec<IpRange>),
}

/// In lower case, without port and without the root's trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Exact(String),
    /// One label, and then this: `.a.example`.
    Below(String),
    Every,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Any,
    Exact(String),
    Like(Pattern),
}

impl Matcher {
    /// `path` is the form of the path that the rule is about.
    pub(super) fn matches(&self, request: &Request<'_>, path: &str) -> bool {
        match self {
            Self::Host(hosts) => {
                let named = canonical_host(request.host);
                hosts.iter().any(|host| host.is(named))
            }
            Self::HostRegexp(patterns) => {
                let named = without_port(request.host).to_ascii_lowercase();
                patterns.iter().any(|pattern| pattern.is_match(&named))
            }
            Self::Path(paths) => paths.iter().any(|wanted| wanted == path),
            Self::PathPrefix(prefixes) => prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())),
            Self::PathRegexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(path)),
            Self::Method(methods) => methods.iter().any(|method| method == request.method),
            Self::Header { name, value } => request.headers.any(name, &mut |sent| value.is(sent)),
            Self::Query { key, value } => {
                query::pairs(request.query).any(|(sent, of)| sent == *key && value.is(&of))
            }
            Self::FirstQuery { key, value } => {
                query::pairs(request.query).find(|(sent, _)| sent == key).is_some_and(|(_, of)| value.is(&of))
            }
            Self::ClientIp(ranges) => ranges.iter().any(|range| range.contains(request.client)),
        }
    }
}

impl Host {
    fn is(&self, named: &str) -> bool {
        match self {
            Self::Exact(host) => host.eq_ignore_ascii_case(named),
            Self::Below(parent) => {
                let label = named.find('.').unwrap_or(named.len());
                label > 0 && parent.eq_ignore_ascii_case(&named[label..])
            }
            Self::Every => !named.is_empty(),
        }
    }
}

impl Value {
    fn is(&self, sent: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(value) => value == sent,
            Self::Like(pattern) => pattern.is_match(sent),
        }
    }
}
