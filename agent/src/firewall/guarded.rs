//! What containers of workspaces are kept from: the platform's own doors. Where they are, as addresses of packets.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// One door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    pub part: Part,
    /// A name or an address.
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Api,
    /// The S3 server, and queues beside it.
    Store,
    Ingest,
    /// Docker's own API, where it listens on the network: whoever reaches it is root.
    Engine,
}

/// Where a packet must not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Any address of this machine.
    ThisMachine(u16),
    Elsewhere(Ipv4Addr, u16),
}

/// The places of all doors now. What lies in the public network is everybody's to reach, and is left out; so is a name
/// that nobody knows at the moment.
pub async fn places(guarded: &[Guarded]) -> BTreeSet<(Part, Place)> {
    let mut places = BTreeSet::new();
    for Guarded { part, host, port } in guarded {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(found) = tokio::net::lookup_host((host, *port)).await else { continue };
        places.extend(found.filter_map(|address| Some((*part, place(address.ip(), *port, is_ours)?))));
    }
    places
}

/// Networks of workspaces carry IPv4 only, so that other addresses need no rule.
fn place(address: IpAddr, port: u16, is_ours: impl Fn(IpAddr) -> bool) -> Option<Place> {
    if address.is_loopback() || address.is_unspecified() || is_ours(address) {
        return Some(Place::ThisMachine(port));
    }
    let IpAddr::V4(address) = address else { return None };
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    (address.is_private() || address.is_link_local() || shared).then_some(Place::Elsewhere(address, port))
}

/// Only an address of this machine can be bound.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_guarded_unless_it_is_in_the_public_network() {
        let check = |address: &str, expected: Option<Place>| {
            let ours = |address: IpAddr| address == "203.0.113.7".parse::<IpAddr>().unwrap();
            assert_eq!(place(address.parse().unwrap(), 9000, ours), expected, "{address}");
        };
        let elsewhere = |address: &str| Some(Place::Elsewhere(address.parse().unwrap(), 9000));
        check("127.0.0.1", Some(Place::ThisMachine(9000)));
        check("127.8.8.8", Some(Place::ThisMachine(9000)));
        check("0.0.0.0", Some(Place::ThisMachine(9000)));
        check("::1", Some(Place::ThisMachine(9000)));
        check("::", Some(Place::ThisMachine(9000)));
        check("203.0.113.7", Some(Place::ThisMachine(9000)));
        for private in ["10.0.0.5", "172.16.3.4", "192.168.1.9", "100.64.0.1", "169.254.10.1"] {
            check(private, elsewhere(private));
        }
        for public in ["52.216.1.1", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
            check(public, None);
        }
    }

    #[tokio::test]
    async fn a_name_stands_for_all_its_addresses_and_an_unknown_one_for_none() {
        let guarded = |host: &str| Guarded { part: Part::Store, host: host.into(), port: 1 };
        let found = places(&[guarded("localhost"), guarded("[::1]"), guarded("no such name")]).await;
        assert_eq!(found, [(Part::Store, Place::ThisMachine(1))].into());
    }
}
