//! Ranges of addresses, as labels write them: `10.0.0.0/8`, `2001:db8::/32`, or one address alone.

use std::net::IpAddr;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    network: IpAddr,
    /// Bits that must be the same.
    length: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a range such as 10.0.0.0/8")]
pub struct NoIpRange(pub String);

impl IpRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for IpRange {
    type Err = NoIpRange;

    fn from_str(text: &str) -> Result<Self, NoIpRange> {
        let no = || NoIpRange(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| no())?;
        let whole = if network.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length.parse().map_err(|_| no())?,
            Some(_) => return Err(no()),
            None => whole,
        };
        if length > whole { Err(no()) } else { Ok(Self { network, length }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let check = |range: &str, address: &str, expected: bool| {
            let range: IpRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{range:?} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("127.0.0.1", "::ffff:127.0.0.1", true);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::/0", "2001:db8:1::1", true);
        check("::/0", "1.2.3.4", false);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "a", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "::/129"] {
            assert_eq!(text.parse::<IpRange>(), Err(NoIpRange(text.to_owned())));
        }
    }
}
