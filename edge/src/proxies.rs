//! Proxies before the edge that are believed. Of anybody else the edge believes nothing that a request says about the way
//! it came.

use std::net::IpAddr;

use cloudyknight_core::ip_range::IpRange;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderValue};

use crate::headers::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, REAL_IP};

/// Addresses at which proxies are that say truly whom they speak for.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpRange>);

impl TrustedProxies {
    pub fn new(ranges: Vec<IpRange>) -> Self {
        Self(ranges)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

/// How a request came here, as its backend is told.
pub(crate) struct Way {
    pub forwarded_for: HeaderValue,
    pub real_ip: HeaderValue,
    pub proto: &'static str,
    pub host: HeaderValue,
}

impl Way {
    /// `headers` as the peer sent them, and the host that it asks for.
    pub fn of(headers: &HeaderMap, host: &HeaderValue, peer: IpAddr, proxies: &TrustedProxies) -> Self {
        let peer = peer.to_canonical();
        let direct =
            Self { forwarded_for: address(peer), real_ip: address(peer), proto: "http", host: host.clone() };
        if !proxies.trusts(peer) {
            return direct;
        }
        let told = all(headers, FORWARDED_FOR);
        let before = told.split(',').map(str::trim).filter(|one| !one.is_empty());
        // Each proxy appends whom it saw: whatever stands before the first one that is not believed may be made up.
        let client = before.clone().rev().map_while(|one| one.parse::<IpAddr>().ok());
        let client = client.map(|one| one.to_canonical()).find(|one| !proxies.trusts(*one));
        let real_ip = client.or_else(|| all(headers, REAL_IP).trim().parse().ok());
        let chain: Vec<&str> = before.collect();
        let peer = peer.to_string();
        let chain = [chain, vec![peer.as_str()]].concat().join(", ");
        Self {
            forwarded_for: HeaderValue::from_str(&chain).unwrap_or(direct.forwarded_for),
            real_ip: real_ip.map_or(direct.real_ip, address),
            proto: proto(&all(headers, FORWARDED_PROTO)),
            host: headers.get(FORWARDED_HOST).cloned().unwrap_or(direct.host),
        }
    }
}

fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_canonical().to_string()).expect("an address is plain ASCII")
}

/// All fields of that name as one, as lists are (RFC 9110, section 5.3).
fn all(headers: &HeaderMap, name: impl AsHeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn proto(told: &str) -> &'static str {
    let known = ["http", "https", "ws", "wss"];
    known.into_iter().find(|one| told.eq_ignore_ascii_case(one)).unwrap_or("http")
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// Who asks, for whom, by which protocol, of which host.
    fn way(peer: &str, fields: &[(&'static str, &'static str)]) -> [String; 4] {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = fields.iter().map(field).collect();
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let host = HeaderValue::from_static("inside:8080");
        let Way { forwarded_for, real_ip, proto, host } =
            Way::of(&headers, &host, peer.parse().unwrap(), &proxies);
        let text = |value: HeaderValue| value.to_str().unwrap().to_owned();
        [text(forwarded_for), text(real_ip), proto.to_owned(), text(host)]
    }

    const CLAIMS: [(&str, &str); 4] = [
        ("x-forwarded-for", "9.9.9.9, 1.2.3.4"),
        ("x-forwarded-proto", "HTTPS"),
        ("x-forwarded-host", "a.example"),
        ("x-real-ip", "9.9.9.9"),
    ];

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(way("192.0.2.7", &CLAIMS), ["192.0.2.7", "192.0.2.7", "http", "inside:8080"]);
    }

    #[test]
    fn a_trusted_proxy_says_whom_it_speaks_for() {
        for peer in ["10.1.1.1", "::ffff:10.1.1.1"] {
            assert_eq!(way(peer, &CLAIMS), ["9.9.9.9, 1.2.3.4, 10.1.1.1", "1.2.3.4", "https", "a.example"]);
        }
        assert_eq!(way("10.1.1.1", &[]), ["10.1.1.1", "10.1.1.1", "http", "inside:8080"]);
    }

    #[test]
    fn the_client_is_the_last_one_that_is_no_trusted_proxy() {
        let client = |fields: &[(&'static str, &'static str)]| way("10.1.1.1", fields)[1].clone();
        assert_eq!(client(&[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9")]), "1.2.3.4");
        assert_eq!(
            client(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4,10.9.9.9")]),
            "1.2.3.4"
        );
        assert_eq!(client(&[("x-forwarded-for", "6.6.6.6, nonsense, 10.9.9.9")]), "10.1.1.1");
        assert_eq!(client(&[("x-real-ip", "1.2.3.4")]), "1.2.3.4");
        assert_eq!(client(&[("x-real-ip", "nobody")]), "10.1.1.1");
    }

    #[test]
    fn a_protocol_is_one_of_four() {
        for (told, expected) in
            [("https", "https"), ("wss", "wss"), ("gopher", "http"), ("https,http", "http")]
        {
            let fields = vec![(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(told))];
            assert_eq!(proto(&all(&fields.into_iter().collect(), FORWARDED_PROTO)), expected, "{told}");
        }
    }
}
