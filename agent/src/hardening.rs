//! What every container gets less of than Docker would give it, unless its compose file asks for it and may.
//!
//! No program gains rights that its container was not started with (`no-new-privileges`, in `engine`), and of Docker's
//! own capabilities those are taken that hardly any app needs. An image that says by a label that it needs none gets none.

use crate::compose::model::Isolation;
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
    fn what_is_taken_and_what_stays_is_dockers_own_set() {
        let mut all: Vec<&str> = TAKEN.into_iter().chain(KEPT).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 14);
    }
}
