//! What is in flight on a container: Traefik does not tell, but Linux does. A connection that somebody opened to a port
//! on which the container listens, and that is still open, may carry a request; with none, nothing is in flight. Traefik
//! keeps idle connections for half a second only (see `document`), so that they say so soon.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

/// Connections through this address to what the process, and all that share its network, listen on. One that is kept is
/// in the networks of two releases for a while, and only what came by the old way is what it finishes.
pub fn open(process: i64, address: Ipv4Addr) -> io::Result<u64> {
    let read = |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}"));
    let tables = match (read("tcp"), read("tcp6")) {
        (Ok(four), six) => four + "\n" + &six.unwrap_or_default(),
        // It ended just now.
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        (Err(error), _) => return Err(error),
    };
    Ok(count(&tables, address))
}

/// States in Linux's tables of TCP sockets (`proc(5)`).
const ESTABLISHED: &str = "01";
const SYN_RECEIVED: &str = "03";
const LISTEN: &str = "0A";

fn count(tables: &str, address: Ipv4Addr) -> u64 {
    let sockets: Vec<Socket<'_>> = tables.lines().filter_map(Socket::read).collect();
    let listening: BTreeSet<&str> =
        sockets.iter().filter(|one| one.state == LISTEN).map(|one| one.port).collect();
    // As the machine has it in its memory; a socket of IPv6 has the same at the end of an address of its own.
    let four = format!("{:08X}", u32::from_ne_bytes(address.octets()));
    let six = format!("0000000000000000FFFF0000{four}");
    let taken = |one: &&Socket<'_>| {
        [ESTABLISHED, SYN_RECEIVED].contains(&one.state)
            && listening.contains(one.port)
            && (one.address == four || one.address == six)
            // A health check within the container carries nobody's request.
            && one.remote != one.address
    };
    sockets.iter().filter(taken).count() as u64
}

/// One line of a table.
struct Socket<'a> {
    address: &'a str,
    port: &'a str,
    remote: &'a str,
    state: &'a str,
}

impl<'a> Socket<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (address, port) = fields.next()?.split_once(':')?;
        let (remote, _) = fields.next()?.split_once(':')?;
        Some(Self { address, port, remote, state: fields.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n";

    fn check(lines: &[&str], expected: u64) {
        let lines: String = lines.iter().map(|line| format!("   0: {line} 00000000:00000000\n")).collect();
        let address = Ipv4Addr::new(10, 213, 0, 2);
        assert_eq!(count(&format!("{HEADER}{lines}"), address), expected);
    }

    #[test]
    fn only_open_connections_to_listening_ports_count() {
        let listens = "00000000:0BB8 00000000:0000 0A";
        check(&[listens], 0);
        check(&[listens, "0200D50A:0BB8 0100D50A:C350 01"], 1);
        check(&[listens, "0200D50A:0BB8 0100D50A:C350 03"], 1);
        // Closing; going out from here; from within.
        check(&[listens, "0200D50A:0BB8 0100D50A:C350 08"], 0);
        check(&[listens, "0200D50A:C350 0300D50A:0BB8 01"], 0);
        check(&[listens, "0100007F:0BB8 0100007F:C350 01"], 0);
        check(&[listens, "0200D50A:0BB8 0200D50A:C350 01"], 0);
        // By the way of another release's network.
        check(&[listens, "0201D50A:0BB8 0101D50A:C350 01"], 0);
    }

    #[test]
    fn a_port_that_listens_on_both_families_takes_connections_of_both() {
        let listens = "00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A";
        let mapped = "0000000000000000FFFF00000200D50A:0BB8 0000000000000000FFFF00000100D50A:C350 01";
        check(&[listens, mapped], 1);
        check(
            &[listens, "0000000000000000FFFF00000100007F:0BB8 0000000000000000FFFF00000100007F:C350 01"],
            0,
        );
    }
}
