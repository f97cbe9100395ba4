//! `redirectRegex` and `redirectScheme`: the client is sent elsewhere, where what becomes of its URL is another one.

use bytes::Bytes;
use cloudyknight_core::middleware::{MiddlewareError, RedirectRegex, RedirectScheme};
use cloudyknight_core::pattern::Pattern;
use http::header::{HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{Own, Passing, own};

pub(super) struct Redirect {
    to: To,
    permanent: bool,
}

enum To {
    Regex { pattern: Pattern, replacement: String },
    Scheme { scheme: String, port: String },
}

pub(super) fn regex(redirect: &RedirectRegex) -> Result<Redirect, MiddlewareError> {
    let pattern = Pattern::new(&redirect.regex);
    let pattern = pattern.map_err(|source| MiddlewareError::Pattern { option: "regex", source })?;
    let to = To::Regex { pattern, replacement: redirect.replacement.clone() };
    Ok(Redirect { to, permanent: redirect.permanent })
}

pub(super) fn scheme(redirect: &RedirectScheme) -> Redirect {
    let usual =
        matches!((redirect.scheme.as_str(), redirect.port.as_str()), ("http", "80") | ("https", "443"));
    let port = if redirect.port.is_empty() || usual { String::new() } else { format!(":{}", redirect.port) };
    Redirect { to: To::Scheme { scheme: redirect.scheme.clone(), port }, permanent: redirect.permanent }
}

impl Redirect {
    pub(super) fn apply(&self, passing: &mut Passing<'_>) -> Result<(), Own> {
        let target = passing.target.as_str();
        let Some(location) = self.to.location(host(passing.headers), target, scheme_of(passing.headers))
        else {
            return Ok(());
        };
        let Ok(location) = HeaderValue::from_bytes(escaped(&location).as_bytes()) else {
            return Err(own(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let status = match (self.permanent, passing.method == Method::GET) {
            (false, true) => StatusCode::FOUND,
            (false, false) => StatusCode::TEMPORARY_REDIRECT,
            (true, true) => StatusCode::MOVED_PERMANENTLY,
            (true, false) => StatusCode::PERMANENT_REDIRECT,
        };
        let mut response: Response<Bytes> = own(status);
        response.headers_mut().insert(LOCATION, location);
        Err(response)
    }
}

impl To {
    /// Where the client is sent; `None` where it is already.
    fn location(&self, host: &str, target: &str, scheme: &str) -> Option<String> {
        match self {
            Self::Regex { pattern, replacement } => {
                let url = format!("{scheme}://{host}{target}");
                let new = pattern.is_match(&url).then(|| pattern.replace_all(&url, replacement))?;
                (new != url).then_some(new)
            }
            Self::Scheme { scheme: wanted, port } => {
                let (name, its_port) = match host.rsplit_once(':') {
                    Some((name, digits)) if !digits.contains(']') => (name, digits),
                    _ => (host, ""),
                };
                let named = matches!((scheme, its_port), ("http", "80") | ("https", "443") | (_, ""));
                let its_port = if named { String::new() } else { format!(":{its_port}") };
                let new = format!("{wanted}://{name}{port}{target}");
                (new != format!("{scheme}://{name}{its_port}{target}")).then_some(new)
            }
        }
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// What a middleware before this one may have said about what stands before the edge.
fn scheme_of(headers: &HeaderMap) -> &'static str {
    let told = headers.get("x-forwarded-proto").map(HeaderValue::as_bytes).unwrap_or_default();
    let secure = told.eq_ignore_ascii_case(b"https") || told.eq_ignore_ascii_case(b"wss");
    if secure { "https" } else { "http" }
}

/// A URL as it may stand in a header: in its path, what cannot stand there is escaped.
fn escaped(url: &str) -> String {
    let path_ends = url.find(['?', '#']).unwrap_or(url.len());
    let mut out = String::with_capacity(url.len());
    for (at, byte) in url.bytes().enumerate() {
        let fits = if at < path_ends { byte > b' ' && !b"\"<>\\^`{|}".contains(&byte) } else { byte >= b' ' };
        if fits && byte.is_ascii() && byte != 0x7f {
            out.push(char::from(byte));
        } else {
            crate::normal::push_escaped(byte, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_rewritten_or_left() {
        let check = |pattern: &str, replacement: &str, host: &str, target: &str, expected: Option<&str>| {
            let to = To::Regex { pattern: Pattern::new(pattern).unwrap(), replacement: replacement.into() };
            assert_eq!(to.location(host, target, "http").as_deref(), expected);
        };
        check("^http://a/(.*)", "https://b/${1}", "a", "/x?y=1", Some("https://b/x?y=1"));
        check("^http://a/(.*)", "https://b/${1}", "c", "/x", None);
        check("^http://a/x$", "http://a/x", "a", "/x", None);
    }

    #[test]
    fn a_scheme_is_changed_with_its_port() {
        let check = |wanted: (&str, &str), host: &str, target: &str, expected: Option<&str>| {
            let (scheme_, port) = (wanted.0.to_owned(), wanted.1.to_owned());
            let redirect = scheme(&RedirectScheme { scheme: scheme_, port, permanent: false });
            assert_eq!(redirect.to.location(host, target, "http").as_deref(), expected, "{wanted:?} {host}");
        };
        check(("https", ""), "a:8080", "/x", Some("https://a/x"));
        check(("https", "443"), "a", "/x?y", Some("https://a/x?y"));
        check(("https", "8443"), "a", "/", Some("https://a:8443/"));
        check(("http", ""), "a", "/x", None);
        check(("http", ""), "a:80", "/x", None);
        check(("http", ""), "a:8080", "/x", Some("http://a/x"));
        check(("https", ""), "[::1]:80", "/", Some("https://[::1]/"));
    }

    #[test]
    fn nothing_gets_into_the_header_that_does_not_belong_there() {
        assert_eq!(escaped("http://a/b c\r\nX: y?d e\n\u{e9}"), "http://a/b%20c%0D%0AX:%20y?d e%0A%C3%A9");
    }
}
