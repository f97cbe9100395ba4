//! Addresses on the loopback for a platform: fixed numbers, so that a process that is killed and started again has
//! the same.

use std::net::TcpListener;

/// Below the range out of which Linux numbers outgoing connections: nothing takes them while a process is away.
const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

/// `N` free ones. Tests beside each other begin to look at different places.
pub fn free<const N: usize>() -> [String; N] {
    let begin = std::process::id().wrapping_mul(41);
    let mut held: Vec<TcpListener> = Vec::with_capacity(N);
    for n in 0..COUNT {
        let port = FIRST + (begin.wrapping_add(n) % COUNT) as u16;
        // All are held until all are found, so that no two are the same.
        held.extend(TcpListener::bind(("127.0.0.1", port)));
        if held.len() == N {
            break;
        }
    }
    let addresses = held.iter().map(|one| one.local_addr().expect("it is bound").to_string());
    let addresses: Vec<String> = addresses.collect();
    addresses.try_into().expect("12,000 ports are not all taken")
}
