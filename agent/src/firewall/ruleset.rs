//! The rules as text for `nft`: a table of our own, which nobody else's rules touch. A pure function of what is guarded
//! and of who may pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::bridge::{self, Kind};
use super::guarded::{Part, Place};

/// What a workspace needs a permission for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    Door(Part),
    /// Where clouds tell machines their credentials: [`METADATA`].
    Metadata,
}

/// Link-local addresses, where most clouds have it, and those of Alibaba Cloud and of Azure, which lie elsewhere.
const METADATA: &str = "{ 100.100.100.200, 168.63.129.16, 169.254.0.0/16 }";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    pub places: BTreeSet<(Part, Place)>,
    /// The bridges whose containers may pass a gate.
    pub grants: BTreeMap<Gate, BTreeSet<String>>,
}

pub fn table(platform: &str) -> String {
    format!("cloudyknight_{platform}")
}

impl Ruleset {
    /// One transaction that puts the table in place of the one before, if there is one.
    ///
    /// It looks at packets before Docker changes where they go, and refuses with an answer, so that nobody waits. What
    /// answers a connection from outside, such as one of the edge, may always pass.
    pub fn text(&self, platform: &str) -> String {
        let table = table(platform);
        let (all, internal) = (bridge::prefix(platform), bridge::prefix_of(platform, Kind::Internal));
        let mut rules = String::new();
        let mut rule = |text: String| writeln!(rules, "    {text}").expect("a string takes all");
        rule("ct direction reply accept".into());
        rule("meta nfproto ipv6 reject".into());
        rule(format!("iifname \"{internal}*\" fib daddr type local reject"));
        // Some clouds have their name servers at the same addresses, and Docker asks those from the container's network.
        rule(format!("ip daddr {METADATA} meta l4proto {{ tcp, udp }} th dport 53 accept"));
        rule(format!("{}ip daddr {METADATA} reject", self.except(Gate::Metadata)));
        for (part, place) in &self.places {
            let except = self.except(Gate::Door(*part));
            let (to, port) = match place {
                Place::ThisMachine(port) => ("fib daddr type local".to_owned(), port),
                Place::Elsewhere(address, port) => (format!("ip daddr {address}"), port),
            };
            rule(format!("{except}{to} tcp dport {port} reject with tcp reset"));
        }
        format!(
            "add table inet {table}\n\
             delete table inet {table}\n\
             table inet {table} {{\n  \
               chain from_workspaces {{\n    \
                 type filter hook prerouting priority mangle; policy accept;\n    \
                 iifname \"{all}*\" goto judge\n  \
               }}\n  \
               chain judge {{\n{rules}  \
               }}\n\
             }}\n"
        )
    }

    fn except(&self, gate: Gate) -> String {
        let granted = self.grants.get(&gate).filter(|bridges| !bridges.is_empty());
        let quoted = |bridges: &BTreeSet<String>| {
            bridges.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        granted.map_or_else(String::new, |bridges| format!("iifname != {{ {} }} ", quoted(bridges)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_place_and_who_may_go_there() {
        let ruleset = Ruleset {
            places: [
                (Part::Api, Place::ThisMachine(9100)),
                (Part::Store, Place::ThisMachine(9000)),
                (Part::Store, Place::Elsewhere([10, 0, 0, 5].into(), 4566)),
            ]
            .into(),
            grants: [
                (
                    Gate::Door(Part::Store),
                    ["ck0123abcdn1111".to_owned(), "ck0123abcdn2222".to_owned()].into(),
                ),
                (Gate::Metadata, BTreeSet::new()),
            ]
            .into(),
        };
        let expected = r#"add table inet cloudyknight_0123abcd
delete table inet cloudyknight_0123abcd
table inet cloudyknight_0123abcd {
  chain from_workspaces {
    type filter hook prerouting priority mangle; policy accept;
    iifname "ck0123abcd*" goto judge
  }
  chain judge {
    ct direction reply accept
    meta nfproto ipv6 reject
    iifname "ck0123abcdi*" fib daddr type local reject
    ip daddr { 100.100.100.200, 168.63.129.16, 169.254.0.0/16 } meta l4proto { tcp, udp } th dport 53 accept
    ip daddr { 100.100.100.200, 168.63.129.16, 169.254.0.0/16 } reject
    fib daddr type local tcp dport 9100 reject with tcp reset
    iifname != { "ck0123abcdn1111", "ck0123abcdn2222" } fib daddr type local tcp dport 9000 reject with tcp reset
    iifname != { "ck0123abcdn1111", "ck0123abcdn2222" } ip daddr 10.0.0.5 tcp dport 4566 reject with tcp reset
  }
}
"#;
        assert_eq!(ruleset.text("0123abcd"), expected);
    }
}
