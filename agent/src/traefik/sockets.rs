//! What is in flight on a container: Traefik does not tell, but Linux does. A connection that somebody opened to a port
//! on which the container listens, and that is still open, may carry a request; with none, nothing is in flight. Traefik
//! keeps idle connections for half a second only (see `document`), so that they say so soon.

use std::collections::BTreeSet;
use std::io;

/// Connections to what the process, and all that share its network, listen on.
pub fn open(process: i64) -> io::Result<u64> {
    let read = |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}"));
    let tables = match (read("tcp"), read("tcp6")) {
        (Ok(four), six) => four + "\n" + &six.unwrap_or_default(),
        // It ended just now.
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        (Err(error), _) => return Err(error),
    };
    Ok(count(&tables))
}

/// States in Linux's tables of TCP sockets (`proc(5)`).
const ESTABLISHED: &str = "01";
const SYN_RECEIVED: &str = "03";
const LISTEN: &str = "0A";

fn count(tables: &str) -> u64 {
    let sockets: Vec<(&str, &str, &str)> = tables.lines().filter_map(socket).collect();
    let listening: BTreeSet<&str> =
        sockets.iter().filter(|(_, _, state)| *state == LISTEN).map(|(port, _, _)| *port).collect();
    let taken = |(port, remote, state): &&(&str, &str, &str)| {
        [ESTABLISHED, SYN_RECEIVED].contains(state) && listening.contains(port) && !is_loopback(remote)
    };
    sockets.iter().filter(taken).count() as u64
}

/// Local port, remote address and state of one line.
fn socket(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.split_whitespace().skip(1);
    let (_, port) = fields.next()?.split_once(':')?;
    let (remote, _) = fields.next()?.split_once(':')?;
    Some((port, remote, fields.next()?))
}

/// A health check within the container carries nobody's request.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        32 => {
            let mapped = address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F");
            mapped || address == "00000000000000000000000001000000"
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n";

    fn check(lines: &[&str], expected: u64) {
        let lines: String = lines.iter().map(|line| format!("   0: {line} 00000000:00000000\n")).collect();
        assert_eq!(count(&format!("{HEADER}{lines}")), expected);
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
