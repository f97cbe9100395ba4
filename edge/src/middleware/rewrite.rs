//! The middlewares that change the path on its way to the backend. Paths are in their normal form and stay encoded;
//! what a label writes plainly is encoded before it meets them.

use cloudyknight_core::middleware::{
    AddPrefix, MiddlewareError, ReplacePath, ReplacePathRegex, StripPrefix, StripPrefixRegex, is_decodable,
};
use cloudyknight_core::pattern::Pattern;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Own, Passing, own};
use crate::normal::{is_plain, push_escaped};
use crate::strip::strip;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

pub(super) enum Rewrite {
    Strip { prefixes: Vec<String>, one_slash: bool },
    StripRegex(Vec<Pattern>),
    Add(String),
    Replace(String),
    ReplaceRegex { pattern: Pattern, replacement: String },
}

/// What becomes of a path, and the header that tells the backend about it.
#[derive(Debug, PartialEq, Eq)]
struct Rewritten {
    path: String,
    told: Option<(HeaderName, String)>,
}

pub(super) fn strip_prefix(strip: &StripPrefix) -> Rewrite {
    let prefixes = strip.prefixes.iter().map(|prefix| encoded(prefix)).collect();
    Rewrite::Strip { prefixes, one_slash: strip.force_slash == Some(true) }
}

pub(super) fn strip_prefix_regex(strip: &StripPrefixRegex) -> Result<Rewrite, MiddlewareError> {
    strip.regex.iter().map(|regex| pattern(regex)).collect::<Result<_, _>>().map(Rewrite::StripRegex)
}

pub(super) fn add_prefix(add: &AddPrefix) -> Rewrite {
    Rewrite::Add(encoded(&add.prefix))
}

pub(super) fn replace_path(replace: &ReplacePath) -> Rewrite {
    Rewrite::Replace(encoded(&replace.path))
}

pub(super) fn replace_path_regex(replace: &ReplacePathRegex) -> Result<Rewrite, MiddlewareError> {
    let replacement = replace.replacement.trim().to_owned();
    Ok(Rewrite::ReplaceRegex { pattern: pattern(&replace.regex)?, replacement })
}

fn pattern(regex: &str) -> Result<Pattern, MiddlewareError> {
    Pattern::new(regex.trim()).map_err(|source| MiddlewareError::Pattern { option: "regex", source })
}

impl Rewrite {
    pub(super) fn apply(&self, passing: &mut Passing<'_>) -> Result<(), Own> {
        // The whole path came off before: what is put in front now is all of it.
        let path = if passing.bare { "" } else { passing.target.path() };
        let Some(Rewritten { path, told }) = self.rewritten(path) else {
            return Ok(());
        };
        passing.bare = path.is_empty();
        let bad = || own(StatusCode::INTERNAL_SERVER_ERROR);
        if !is_decodable(&path) {
            return Err(bad());
        }
        let path = encoded(&path);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let query = passing.target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = PathAndQuery::try_from(format!("{slash}{path}{query}")).map_err(|_| bad())?;
        *passing.target = target;
        if let Some((name, value)) = told {
            tell(passing.headers, name, &value);
        }
        Ok(())
    }

    fn rewritten(&self, path: &str) -> Option<Rewritten> {
        match self {
            Self::Strip { prefixes, one_slash } => {
                let (prefix, mut rest) = strip(prefixes, path)?;
                if *one_slash && rest.starts_with("//") {
                    rest.remove(0);
                }
                let path = if prefix == path && !one_slash { String::new() } else { rest };
                Some(Rewritten { path, told: Some((FORWARDED_PREFIX, prefix.trim().to_owned())) })
            }
            Self::StripRegex(patterns) => {
                let prefix = patterns.iter().find_map(|pattern| {
                    let found = pattern.find(path).filter(|found| !found.is_empty())?;
                    path.starts_with(found).then_some(found)
                })?;
                let rest = &path[prefix.len()..];
                let slash = if rest.is_empty() || rest.starts_with('/') { "" } else { "/" };
                let told = Some((FORWARDED_PREFIX, prefix.to_owned()));
                Some(Rewritten { path: format!("{slash}{rest}"), told })
            }
            Self::Add(prefix) => Some(Rewritten { path: format!("{prefix}{path}"), told: None }),
            Self::Replace(replacement) => {
                let told = Some((REPLACED_PATH, path.to_owned()));
                Some(Rewritten { path: replacement.clone(), told })
            }
            Self::ReplaceRegex { pattern, replacement } => {
                if replacement.is_empty() || !pattern.is_match(path) {
                    return None;
                }
                let replaced = pattern.replace_all(path, replacement);
                Some(Rewritten { path: replaced, told: Some((REPLACED_PATH, path.to_owned())) })
            }
        }
    }
}

fn tell(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

/// With what a path cannot hold as it is escaped. Escapes stay as they are.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte == b'%' || is_plain(byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(byte, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rewrite: &Rewrite, target: &str, expected: &str, told: &[&str]) {
        let mut target: PathAndQuery = target.parse().unwrap();
        let mut headers = HeaderMap::new();
        let client = "::1".parse().unwrap();
        let method = &http::Method::GET;
        let passing =
            &mut Passing { method, target: &mut target, headers: &mut headers, client, bare: false };
        let shown = match rewrite.apply(passing) {
            Ok(()) => passing.target.as_str().to_owned(),
            Err(own) => own.status().as_str().to_owned(),
        };
        assert_eq!(shown, expected);
        assert_eq!(headers.values().collect::<Vec<_>>(), told);
    }

    #[test]
    fn prefixes_come_off_and_are_told() {
        let strip = |prefixes: &[&str], force_slash| {
            strip_prefix(&StripPrefix {
                prefixes: prefixes.iter().map(|&one| one.into()).collect(),
                force_slash,
            })
        };
        check(&strip(&["/a"], None), "/a/b?x=1", "/b?x=1", &["/a"]);
        check(&strip(&["/a"], None), "/ab", "/b", &["/a"]);
        check(&strip(&["/a"], None), "/a?x", "/?x", &["/a"]);
        check(&strip(&["/a"], None), "/b", "/b", &[]);
        check(&strip(&["/a b"], None), "/a%20b/c", "/c", &["/a%20b"]);
        let regex = strip_prefix_regex(&StripPrefixRegex { regex: vec!["^/[a-z]+/[0-9]+".into()] }).unwrap();
        check(&regex, "/x/12/y", "/y", &["/x/12"]);
        check(&regex, "/x/12", "/", &["/x/12"]);
        check(&regex, "/1/x/12", "/1/x/12", &[]);
    }

    #[test]
    fn what_is_put_before_nothing_is_the_whole_path() {
        let strip = strip_prefix(&StripPrefix { prefixes: vec!["/a".into()], force_slash: None });
        let add = add_prefix(&AddPrefix { prefix: "/v1".into() });
        for (asked, expected) in [("/a?x", "/v1?x"), ("/a/", "/v1/"), ("/a/b", "/v1/b"), ("/b", "/v1/b")] {
            let (mut target, mut headers) = (asked.parse().unwrap(), HeaderMap::new());
            let (method, client) = (&http::Method::GET, "::1".parse().unwrap());
            let passing =
                &mut Passing { method, target: &mut target, headers: &mut headers, client, bare: false };
            assert!(strip.apply(passing).is_ok() && add.apply(passing).is_ok());
            assert_eq!(passing.target.as_str(), expected);
        }
    }

    #[test]
    fn paths_are_replaced_and_the_old_one_is_told() {
        check(&add_prefix(&AddPrefix { prefix: "/new é".into() }), "/a?x", "/new%20%C3%A9/a?x", &[]);
        let replace = replace_path(&ReplacePath { path: "/one".into() });
        check(&replace, "/a?x=1", "/one?x=1", &["/a"]);
        check(&replace, "/a%2Fb?x=1", "/one?x=1", &["/a%2Fb"]);
        let regex = |regex: &str, replacement: &str| {
            replace_path_regex(&ReplacePathRegex { regex: regex.into(), replacement: replacement.into() })
                .unwrap()
        };
        check(&regex("^/a/(.*)", "/b/$1"), "/a/x?q", "/b/x?q", &["/a/x"]);
        check(&regex("^/a/(.*)", "/b?/$1"), "/a/x?q", "/b%3F/x?q", &["/a/x"]);
        check(&regex("^/a", "%zz"), "/a", "500", &[]);
        check(&regex("^/b", "/c"), "/a", "/a", &[]);
    }
}
