//! The names of the bridges below workspaces' networks. They begin alike, so that one pattern stands for all networks of
//! a platform, also for those that are made later; and they tell what kind of network it is.

use std::collections::BTreeSet;

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With a way out.
    Open,
    /// Without one.
    Internal,
    /// For containers that build or install; they do not reach each other.
    Build,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Self::Open => 'n',
            Self::Internal => 'i',
            Self::Build => 'b',
        }
    }
}

/// Every bridge of this platform begins so. With an id of eight letters this leaves five of the fifteen that Linux allows.
pub fn prefix(platform: &str) -> String {
    format!("ck{platform}")
}

/// How the bridges of one kind begin.
pub fn prefix_of(platform: &str, kind: Kind) -> String {
    format!("{}{}", prefix(platform), kind.letter())
}

/// A name for the bridge of this network that nobody has.
pub fn name(platform: &str, kind: Kind, network: &str, taken: &BTreeSet<String>) -> String {
    let candidate = |attempt: u32| {
        let digest = blake3::hash(format!("{attempt}/{network}").as_bytes());
        format!("{}{}", prefix_of(platform, kind), &digest.to_hex()[..4])
    };
    (0..).map(candidate).find(|name| !taken.contains(name)).expect("there are fewer networks than names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_a_name_that_linux_takes_and_that_tells_platform_and_kind() {
        for kind in [Kind::Open, Kind::Internal, Kind::Build] {
            let name = name("0123abcd", kind, &"a very long name of a network".repeat(9), &BTreeSet::new());
            assert_eq!(name.len(), 15);
            assert!(
                name.starts_with(&prefix_of("0123abcd", kind)) && name.starts_with("ck0123abcd"),
                "{name}"
            );
        }
    }

    #[test]
    fn two_networks_never_share_a_name() {
        let mut taken = BTreeSet::new();
        for network in 0..2000 {
            assert!(taken.insert(name("0123abcd", Kind::Open, &network.to_string(), &taken)));
        }
        let same = |taken: &BTreeSet<String>| name("0123abcd", Kind::Open, "app", taken);
        assert_eq!(same(&BTreeSet::new()), same(&BTreeSet::new()));
    }
}
