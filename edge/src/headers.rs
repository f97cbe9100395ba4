//! What happens to headers on the way: those that are about one connection end here (RFC 9110, section 7.6.1),
//! and the backend learns who asked from headers that only the edge can have set, or a proxy that it trusts.

use std::net::IpAddr;

use http::header::{
    CONNECTION, COOKIE, EXPECT, Entry, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::asked::Asked;
use crate::proxies::{TrustedProxies, Way};

pub(crate) const WORKSPACE: HeaderName = HeaderName::from_static("x-cloudyknight-workspace");
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The protocol that a request asks to switch to, where the edge carries it: HTTP/1.1 only, and never `h2c`,
/// which would let requests pass inside a tunnel that no rule sees.
pub(crate) fn wanted_upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let asked =
        version == Version::HTTP_11 && connection_options(headers).any(|o| o.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE).filter(|_| asked)?;
    let plain = protocol.to_str().ok()?;
    (!plain.split(',').any(|p| p.trim().eq_ignore_ascii_case("h2c"))).then(|| protocol.clone())
}

/// Makes the headers of a client's request into those of the request to the backend.
pub(crate) fn towards_backend(
    headers: &mut HeaderMap,
    asked: &Asked,
    (peer, proxies): (IpAddr, &TrustedProxies),
    upgrade: Option<&HeaderValue>,
) {
    let way = Way::of(headers, &asked.host, peer, proxies);
    let trailers = headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    end_connection_headers(headers);
    drop_claims(headers);
    join_cookies(headers);
    // The edge has answered it already: 100 goes out when the backend begins to take the body.
    headers.remove(EXPECT);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    headers.insert(HOST, asked.host.clone());
    headers.insert(FORWARDED_HOST, way.host);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(way.proto));
    headers.insert(FORWARDED_FOR, way.forwarded_for);
    headers.insert(REAL_IP, way.real_ip);
}

/// Tells the backend which prefix was taken off the path.
pub(crate) fn with_prefix(headers: &mut HeaderMap, prefix: &str) {
    if let Ok(prefix) = HeaderValue::from_str(prefix) {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
}

/// Makes the headers of a backend's answer into those of the answer to the client.
pub(crate) fn towards_client(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    end_connection_headers(headers);
    headers.remove(WORKSPACE);
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

fn end_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        connection_options(headers).filter_map(|option| option.parse().ok()).collect();
    let always = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.into_iter().chain(always) {
        headers.remove(name);
    }
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Drops what a client says about how its request came here, `_` for `-` included: gateways such as WSGI do not
/// tell the two apart.
fn drop_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &&HeaderName| {
        let name = name.as_str().replace('_', "-");
        name.starts_with("x-forwarded-")
            || matches!(name.as_str(), "forwarded" | "x-real-ip" | "x-cloudyknight-workspace")
    };
    let claims: Vec<HeaderName> = headers.keys().filter(is_claim).cloned().collect();
    for claim in claims {
        headers.remove(claim);
    }
}

/// HTTP/2 may split cookies over several fields, HTTP/1.1 may not (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if let Entry::Occupied(mut cookies) = headers.entry(COOKIE)
        && cookies.iter().nth(1).is_some()
    {
        let crumbs: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).expect("joined of valid values");
        cookies.insert(joined);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn forwarded(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let parts =
            Request::builder().uri("/x").header(HOST, "a.example:8080").body(()).unwrap().into_parts().0;
        let Ok(asked) = Asked::of(&parts) else { panic!("a plain request") };
        let mut headers = headers(fields);
        let nobody = TrustedProxies::default();
        towards_backend(&mut headers, &asked, ("::ffff:10.0.0.9".parse().unwrap(), &nobody), None);
        headers
    }

    #[test]
    fn connection_headers_end_at_the_edge_with_those_they_name() {
        let got = forwarded(&[
            ("connection", "close, X-Private, host"),
            ("connection", "x-real-ip"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "secret"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        let mut names: Vec<&str> = got.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected =
            ["accept", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
        assert_eq!(names, expected);
    }

    #[test]
    fn only_the_edge_says_who_asked() {
        let got = forwarded(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded-prefix", "/evil"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
        ]);
        assert_eq!(got.len(), 5);
        assert_eq!(got[HOST], "a.example:8080");
        assert_eq!(got[FORWARDED_HOST], "a.example:8080");
        assert_eq!(got[FORWARDED_FOR], "10.0.0.9");
        assert_eq!(got[REAL_IP], "10.0.0.9");
        assert_eq!(got[FORWARDED_PROTO], "http");
    }

    #[test]
    fn cookies_are_one_field_and_trailers_stay_welcome() {
        let got = forwarded(&[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]);
        assert_eq!(got.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert_eq!(got[TE], "trailers");
    }

    #[test]
    fn upgrades_are_carried_except_to_another_http() {
        let check = |version, fields: &[_], expected: Option<&str>| {
            let wanted = wanted_upgrade(version, &headers(fields));
            assert_eq!(wanted.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{fields:?}");
        };
        check(
            Version::HTTP_11,
            &[("connection", "Keep-Alive, Upgrade"), ("upgrade", "websocket")],
            Some("websocket"),
        );
        check(Version::HTTP_11, &[("upgrade", "websocket")], None);
        check(Version::HTTP_11, &[("connection", "upgrade")], None);
        check(Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")], None);
        check(Version::HTTP_10, &[("connection", "upgrade"), ("upgrade", "websocket")], None);
    }
}
