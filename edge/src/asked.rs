//! What a request asks for: the host and the path that rules are compared with, and that are forwarded.
//!
//! Both are taken as the client sent them. A path is not decoded and `..` and `//` are not resolved, neither
//! for choosing a route nor for forwarding: what matched is, byte for byte, what the backend sees (less a
//! stripped prefix), so no other reading of the path can reach a backend that its rule does not cover.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};

use crate::answer::Answer;

pub(crate) struct Asked {
    /// What the backend gets as `Host`: the request target's authority where it has one, the header otherwise.
    pub host: HeaderValue,
    pub target: PathAndQuery,
}

impl Asked {
    pub(crate) fn of(request: &Parts) -> Result<Self, Answer> {
        if request.method == Method::CONNECT {
            return Err(Answer::NoProxy);
        }
        let target = request.uri.path_and_query().filter(|target| target.path().starts_with('/'));
        let target = target.ok_or(Answer::BadRequest("the request names no path"))?.clone();
        Ok(Self { host: host(request)?, target })
    }

    pub(crate) fn host_text(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }
}

/// RFC 9112, section 3.2: one `Host`, except that HTTP/1.0 may have none; an authority in the target outdoes it.
fn host(request: &Parts) -> Result<HeaderValue, Answer> {
    let mut named = request.headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err(Answer::BadRequest("the request has several Host headers"));
    }
    if let Some(authority) = request.uri.authority() {
        let without_user = authority.as_str().rsplit('@').next().unwrap_or_default();
        return HeaderValue::from_str(without_user)
            .map_err(|_| Answer::BadRequest("the host cannot be read"));
    }
    match header {
        Some(host) if host.to_str().is_ok() => Ok(host.clone()),
        Some(_) => Err(Answer::BadRequest("the Host header cannot be read")),
        None if request.version <= Version::HTTP_10 => Ok(HeaderValue::from_static("")),
        None => Err(Answer::BadRequest("the request has no Host header")),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, hosts: &[&str], version: Version) -> Parts {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_host_is_the_targets_or_else_the_headers() {
        let check = |uri: &str, hosts: &[&str], version: Version, expected: Option<&str>| {
            let asked = Asked::of(&parts(uri, hosts, version)).ok();
            assert_eq!(asked.as_ref().map(Asked::host_text), expected, "{uri} {hosts:?}");
        };
        check("/", &["a:80"], Version::HTTP_11, Some("a:80"));
        check("/", &[], Version::HTTP_11, None);
        check("/", &[], Version::HTTP_10, Some(""));
        check("/", &["a", "b"], Version::HTTP_11, None);
        check("http://b/", &["a"], Version::HTTP_11, Some("b"));
        check("http://user@b:1/", &[], Version::HTTP_2, Some("b:1"));
        check("*", &["a"], Version::HTTP_11, None);
    }

    #[test]
    fn the_path_stays_as_it_was_sent() {
        for path in ["/a/../b", "//a", "/%61", "/a/./b%2f"] {
            assert_eq!(Asked::of(&parts(path, &["h"], Version::HTTP_11)).ok().unwrap().path(), path);
        }
    }
}
