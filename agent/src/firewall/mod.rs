//! Keeps the containers of workspaces from the platform's own doors and from the metadata service of a cloud: a table of
//! rules in the kernel, for everything that comes from the bridges below workspaces' networks.
//!
//! Docker itself keeps networks apart from each other. These rules are beside its own and need none of them, so that
//! nothing is lost when Docker restarts. They stay while the agent is away, and `down` removes them.
//!
//! Where they cannot be made, workspaces are deployed all the same, and [`Protection`] says that nothing keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::compose::policy::{Policy, Workspaces};
use crate::deploy::with_causes;
use crate::engine::{Bridge, Engine};
use crate::policy::PolicyFile;
use crate::settings::Settings;

pub mod bridge;

mod guarded;
mod nft;
mod ruleset;

pub use guarded::{Guarded, Part};
pub use nft::NftError;
use ruleset::{Gate, Ruleset, table};

pub struct Firewall {
    engine: Engine,
    guarded: Vec<Guarded>,
    policy: Arc<PolicyFile>,
    /// The operator wants it.
    wanted: bool,
    state: Mutex<State>,
    /// Two who change the table at once would each take the other's for a stranger's.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    protection: Protection,
    /// What was put there, and what the kernel said it then had.
    applied: Option<(Ruleset, String)>,
}

/// How far containers are kept from the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    Whole,
    /// All but the containers in these networks.
    Partial {
        networks: BTreeSet<String>,
    },
    /// The settings say so.
    Off,
    None {
        reason: String,
        hint: String,
    },
}

impl Protection {
    /// The same, where the operator wants a firewall and there is none.
    pub fn absence(&self) -> Option<(String, String)> {
        matches!(self, Self::None { .. }).then(|| self.trouble()).flatten()
    }

    /// What is wrong, and what to do about it.
    pub fn trouble(&self) -> Option<(String, String)> {
        const OPEN: &str =
            "containers can reach the platform's API and S3 and the metadata service of a cloud";
        match self {
            Self::Whole => None,
            Self::Unknown => Some(("the firewall was not looked at yet".into(), "ask again".into())),
            Self::Off => Some((
                format!("the firewall is off: {OPEN}"),
                "remove `firewall = false` from the settings".into(),
            )),
            Self::None { reason, hint } => {
                Some((format!("there is no firewall: {OPEN}: {reason}"), hint.clone()))
            }
            Self::Partial { networks } => {
                let names = networks.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let message = format!("the firewall does not cover the containers in {names}");
                let hint = "an older version made them, or Docker is not on this machine; the next deployment of \
                            their workspaces makes them anew";
                Some((message, hint.into()))
            }
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(5);

impl Firewall {
    pub fn new(engine: Engine, settings: &Settings) -> Self {
        let Settings { guarded, policy, firewall: wanted, .. } = settings.clone();
        Self { engine, guarded, policy, wanted, state: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// As it was found last.
    pub fn protection(&self) -> Protection {
        self.state.lock().expect("no thread panics while it holds the state").protection.clone()
    }

    /// Puts the rules back whenever somebody took them away, for as long as the agent runs.
    pub async fn keep(&self) {
        loop {
            self.refresh().await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Makes the rules what they must be now. What goes wrong is told once, and by [`Firewall::protection`].
    pub async fn refresh(&self) {
        let _turn = self.turn.lock().await;
        let found = self.found().await;
        let mut state = self.state.lock().expect("no thread panics while it holds the state");
        if state.protection != found {
            match found.trouble() {
                None => tracing::info!("containers are kept from the platform's own doors"),
                Some((message, hint)) => tracing::warn!(hint, "{message}"),
            }
            state.protection = found;
        }
    }

    async fn found(&self) -> Protection {
        let platform = self.engine.platform();
        let none = |reason: String, hint: &str| Protection::None { reason, hint: hint.to_owned() };
        if !self.wanted {
            return match remove(platform).await {
                Ok(()) | Err(NftError::Missing) => Protection::Off,
                Err(error) => none(with_causes(&error), error.hint()),
            };
        }
        if let Some(host) = self.engine.elsewhere() {
            let hint = "run the agent on the machine whose containers it starts";
            return none(format!("Docker is at {host}, where the agent cannot make rules"), hint);
        }
        // Without Docker there is nothing to grant, and everything to refuse.
        let networks = self.engine.bridges().await.unwrap_or_default();
        let places = guarded::places(&self.guarded).await;
        let ruleset = Ruleset { places, grants: grants(&self.policy.current(), &networks) };
        if let Err(error) = self.ensure(&ruleset).await {
            return none(with_causes(&error), error.hint());
        }
        let prefix = bridge::prefix(platform);
        let covered =
            |name: &str| name.starts_with(&prefix) && Path::new("/sys/class/net").join(name).exists();
        let open = networks.into_iter().filter(|network| !covered(&network.bridge));
        let networks: BTreeSet<String> = open.map(|network| network.name).collect();
        if networks.is_empty() { Protection::Whole } else { Protection::Partial { networks } }
    }

    async fn ensure(&self, ruleset: &Ruleset) -> Result<(), NftError> {
        let table = table(self.engine.platform());
        let now = nft::list(&table).await?;
        let applied = self.state.lock().expect("no thread panics while it holds the state").applied.take();
        // What the kernel says of the same rules is the same text.
        let expected = applied.filter(|(put, _)| put == ruleset).map(|(_, listed)| listed);
        let listed = match expected {
            Some(expected) if now.as_ref() == Some(&expected) => now,
            expected => {
                if expected.is_some() {
                    tracing::warn!(table, "somebody changed or removed the firewall; putting it back");
                }
                nft::apply(&ruleset.text(self.engine.platform())).await?;
                // Somebody may have been there again before we look.
                expected.or(nft::list(&table).await?)
            }
        };
        let applied = listed.map(|listed| (ruleset.clone(), listed));
        self.state.lock().expect("no thread panics while it holds the state").applied = applied;
        Ok(())
    }
}

/// Which bridges may pass which gate.
fn grants(policy: &Policy, networks: &[Bridge]) -> BTreeMap<Gate, BTreeSet<String>> {
    let of = |workspaces: &Workspaces| {
        let granted =
            |network: &&Bridge| network.workspace.as_ref().is_some_and(|name| workspaces.contains(name));
        networks.iter().filter(granted).map(|network| network.bridge.clone()).collect()
    };
    [
        (Gate::Door(Part::Store), of(&policy.s3)),
        (Gate::Door(Part::Ingest), of(&policy.ingest)),
        (Gate::Metadata, of(&policy.metadata)),
    ]
    .into()
}

/// Takes the rules of a platform away.
///
/// # Errors
/// They are still there, or nobody knows.
pub async fn remove(platform: &str) -> Result<(), NftError> {
    nft::delete(&table(platform)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_open_for_the_networks_of_those_that_the_policy_names() {
        let network = |name: &str, workspace: Option<&str>| Bridge {
            name: name.to_owned(),
            bridge: format!("ck-{name}"),
            workspace: workspace.map(|name| name.parse().unwrap()),
        };
        let networks = [
            network("a", Some("shop-a")),
            network("b", Some("shop-b")),
            network("c", Some("other")),
            network("build", None),
        ];
        let policy: Policy = serde_json::from_str(r#"{"s3": "shop-*", "metadata": ["other"]}"#).unwrap();
        let grants = grants(&policy, &networks);
        let bridges = |gate: Gate| grants[&gate].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(bridges(Gate::Door(Part::Store)), ["ck-a", "ck-b"]);
        assert_eq!(bridges(Gate::Metadata), ["ck-c"]);
        assert_eq!(bridges(Gate::Door(Part::Ingest)), Vec::<&str>::new());
        // The API is reached through its sockets, and Docker never.
        assert!(
            !grants.contains_key(&Gate::Door(Part::Api)) && !grants.contains_key(&Gate::Door(Part::Engine))
        );
    }
}
