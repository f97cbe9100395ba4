//! What a request asks for: the host and the path that rules are compared with, and that are forwarded.
//!
//! The host is taken as the client sent it. The path has two forms, and a route's syntax says which of them is its own:
//! as it was sent, with nothing decoded and neither `..` nor `//` resolved; or the normal form. The form that is
//! compared is the one that is forwarded: what matched is, byte for byte, what the backend sees (less what middlewares
//! change), so no other reading of the path can reach a backend that its rule does not cover.

use std::borrow::Cow;
use std::net::IpAddr;

use cloudyknight_core::rule;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::answer::Answer;
use crate::normal;

pub(crate) struct Asked {
    /// What the backend gets as `Host`: the request target's authority where it has one, the header otherwise.
    pub host: HeaderValue,
    pub target: PathAndQuery,
    /// The target in normal form, where that is another one.
    normal: Option<PathAndQuery>,
}

/// The headers that rules ask about. The host has a matcher of its own.
struct Fields<'h>(&'h HeaderMap);

impl Asked {
    pub(crate) fn of(request: &Parts) -> Result<Self, Answer> {
        if request.method == Method::CONNECT {
            return Err(Answer::NoProxy);
        }
        let target = request.uri.path_and_query().filter(|target| target.path().starts_with('/'));
        let target = target.ok_or(Answer::BadRequest("the request names no path"))?.clone();
        let normal = normal::normal(target.path()).map(|path| match target.query() {
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
            None => PathAndQuery::try_from(path),
        });
        let normal = normal.transpose().map_err(|_| Answer::BadRequest("its path cannot be read"))?;
        Ok(Self { host: host(request)?, target, normal })
    }

    pub(crate) fn normal(&self) -> &PathAndQuery {
        self.normal.as_ref().unwrap_or(&self.target)
    }

    /// The route that `find` finds, given what rules ask about.
    pub(crate) fn routed<T>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        client: IpAddr,
        find: impl FnOnce(&rule::Request<'_>) -> T,
    ) -> T {
        let plain: Cow<'_, str> = normal::plain(self.normal().path());
        find(&rule::Request {
            method: method.as_str(),
            host: self.host_text(),
            path: self.path(),
            plain_path: &plain,
            query: self.target.query(),
            headers: &Fields(headers),
            client,
        })
    }

    pub(crate) fn host_text(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }
}

impl rule::Headers for Fields<'_> {
    fn any(&self, name: &str, is: &mut dyn FnMut(&str) -> bool) -> bool {
        name != HOST
            && self.0.get_all(name).iter().any(|value| is(&String::from_utf8_lossy(value.as_bytes())))
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
    fn the_path_stays_as_it_was_sent_beside_its_normal_form() {
        for (path, normal) in [
            ("/a/../b?x=/../", "/b?x=/../"),
            ("//a", "/a"),
            ("/%61", "/a"),
            ("/a/./b%2f", "/a/b%2F"),
            ("/a?", "/a?"),
        ] {
            let asked = Asked::of(&parts(path, &["h"], Version::HTTP_11)).ok().unwrap();
            assert_eq!((asked.target.as_str(), asked.normal().as_str()), (path, normal));
        }
    }
}
