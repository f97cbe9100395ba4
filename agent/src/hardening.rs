//! What every container gets less of than Docker would give it, unless its compose file asks for it and may.
//!
//! No program gains rights that its container was not started with (`no-new-privileges`, in `engine`), and of Docker's
//! own capabilities those are taken that hardly any app needs. An image that says by a label that it needs none gets none.

use crate::compose::model::{Isolation, Resources};
use crate::runtime::Contract;

/// Of Docker's own set: raw packets, device files, the audit log, and capabilities of files.
const TAKEN: [&str; 4] = ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP"];

/// What stays of it. Whoever drops all of them and adds some of these again is shut in further, and not let out.
pub const KEPT: [&str; 10] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const ALL: &str = "ALL";

/// What a container is made with, given what its compose file asked for.
pub fn isolation(asked: &Isolation, contract: &Contract) -> Isolation {
    let mut given = asked.clone();
    let asks = |name: &str| asked.cap_add.iter().any(|added| added == name || added == ALL);
    if asked.privileged || asks(ALL) || asked.cap_drop.iter().any(|name| name == ALL) {
        return given;
    }
    if contract.needs_no_capabilities {
        given.cap_drop = vec![ALL.to_owned()];
        return given;
    }
    let more =
        TAKEN.into_iter().filter(|name| !asks(name) && !asked.cap_drop.iter().any(|taken| taken == name));
    given.cap_drop.extend(more.map(str::to_owned));
    given
}

/// Limits where its compose file names none, given what a container gets and the most that it may have: bytes, and
/// processes with threads.
pub fn resources(asked: &Resources, (memory, most): (u64, u64), pids: u32) -> Resources {
    let mut given = asked.clone();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    if given.memory.is_none_or(|asked| asked == 0) {
        // Docker wants both of the others to fit.
        let reserved = asked.memory_reservation.unwrap_or(0);
        let with_swap = asked.memory_swap.filter(|swap| *swap > 0).unwrap_or(i64::MAX);
        given.memory = Some(bytes(memory).max(reserved).min(bytes(most)).min(with_swap));
    }
    if given.pids.is_none_or(|asked| asked == 0) {
        given.pids = Some(i64::from(pids));
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_taken_that_nobody_asked_for() {
        let check = |add: &[&str], drop: &[&str], none: bool, expected: &[&str]| {
            let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let asked = Isolation { cap_add: strings(add), cap_drop: strings(drop), ..Isolation::default() };
            let contract = Contract { needs_no_capabilities: none, ..Contract::default() };
            let given = isolation(&asked, &contract);
            assert_eq!(given.cap_drop, expected, "{add:?} {drop:?}");
            assert_eq!(given.cap_add, asked.cap_add);
        };
        check(&[], &[], false, &TAKEN);
        check(&["NET_RAW"], &[], false, &["AUDIT_WRITE", "MKNOD", "SETFCAP"]);
        check(&[], &["MKNOD", "KILL"], false, &["MKNOD", "KILL", "AUDIT_WRITE", "NET_RAW", "SETFCAP"]);
        check(&["CHOWN"], &["ALL"], false, &["ALL"]);
        check(&["ALL"], &[], false, &[]);
        check(&[], &[], true, &["ALL"]);
        check(&["CHOWN"], &["KILL"], true, &["ALL"]);
        let privileged = Isolation { privileged: true, ..Isolation::default() };
        assert_eq!(isolation(&privileged, &Contract::default()), privileged);
    }

    #[test]
    fn a_container_has_limits_whatever_its_file_says() {
        let check = |memory: Option<i64>, reserved: Option<i64>, swap: Option<i64>, expected: i64| {
            let asked =
                Resources { memory, memory_reservation: reserved, memory_swap: swap, ..Resources::default() };
            let given = resources(&asked, (100, 1000), 7);
            assert_eq!(
                (given.memory, given.pids),
                (Some(expected), Some(7)),
                "{memory:?} {reserved:?} {swap:?}"
            );
        };
        check(None, None, None, 100);
        check(Some(0), None, None, 100);
        check(Some(50), None, None, 50);
        check(Some(500), None, None, 500);
        check(None, Some(300), None, 300);
        check(None, Some(3000), None, 1000);
        check(None, None, Some(60), 60);
        check(None, None, Some(-1), 100);
        let asked = Resources { pids: Some(3), ..Resources::default() };
        assert_eq!(resources(&asked, (100, 1000), 7).pids, Some(3));
    }

    #[test]
    fn what_is_taken_and_what_stays_is_dockers_own_set() {
        let mut all: Vec<&str> = TAKEN.into_iter().chain(KEPT).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 14);
    }
}
