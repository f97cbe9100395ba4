//! Where the processes of a container listen, read from Linux: to tell someone whose app does not answer on the
//! right port where it does.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses with port, such as `127.0.0.1:3000`. Empty when there are none, or when they cannot be read.
pub fn listening(process: i64) -> Vec<String> {
    let read =
        |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
    let mut found: Vec<String> = parse(&read("tcp")).into_iter().chain(parse(&read("tcp6"))).collect();
    // Docker's own name server listens in every container.
    found.retain(|address| !address.starts_with("127.0.0.11:"));
    found.sort();
    found.dedup();
    found
}

/// The state LISTEN in Linux's tables of TCP sockets (`proc(5)`).
const LISTEN: &str = "0A";

fn parse(table: &str) -> Vec<String> {
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        if state != LISTEN {
            return None;
        }
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(match address.len() {
            8 => format!("{}:{port}", Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.swap_bytes())),
            32 => format!("[{}]:{port}", v6(address)?),
            _ => return None,
        })
    };
    table.lines().skip(1).filter_map(entry).collect()
}

/// Four words of four bytes, each in the order of the machine.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let mut address = 0_u128;
    for at in (0..32).step_by(8) {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.swap_bytes();
        address = address << 32 | u128::from(word);
    }
    Some(address.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn listening_sockets_are_read_and_others_are_not() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            \x20  0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000\n\
            \x20  1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n\
            \x20  2: 0100007F:0BB8 0100007F:C350 01 00000000:00000000 00:00000000\n";
        assert_eq!(super::parse(table), ["127.0.0.1:3000", "0.0.0.0:8080"]);
    }

    #[test]
    fn ipv6_addresses_are_read() {
        let table = "header\n\
            \x20  0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A\n\
            \x20  1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A\n";
        assert_eq!(super::parse(table), ["[::]:3000", "[::1]:3001"]);
    }

    #[test]
    fn nonsense_is_skipped() {
        assert_eq!(super::parse("h\nx\n 0: zz:1 x 0A\n"), [""; 0]);
    }
}
