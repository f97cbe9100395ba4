//! The policy as the operator writes it, in TOML: entries that allow something to workspaces.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::pattern::Pattern;
use super::size::Size;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    pub allow: Vec<Spanned<Entry>>,
    pub limits: Limits,
    /// External networks that, in the compose files that people have, only mean: the router reaches me there.
    pub edge_networks: Option<BTreeSet<String>>,
}

/// What some workspaces may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    #[serde(deserialize_with = "one_or_more")]
    pub workspaces: Vec<Pattern>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub host_namespaces: bool,
    #[serde(default)]
    pub devices: Granted,
    #[serde(default)]
    pub capabilities: Granted,
    #[serde(default)]
    pub new_privileges: bool,
    #[serde(default)]
    pub docker_socket: bool,
    #[serde(default)]
    pub host_paths: Granted,
    #[serde(default)]
    pub low_ports: bool,
    #[serde(default)]
    pub sysctls: bool,
    #[serde(default)]
    pub external_networks: Vec<String>,
    #[serde(default)]
    pub external_volumes: Vec<String>,
    /// What labels may use of the operator's Traefik: names with `@`; `plugin`; and `forwardauth`, for addresses that are no
    /// services of the workspace.
    #[serde(default)]
    pub traefik: Vec<String>,
    pub api: Option<ApiScope>,
    #[serde(default)]
    pub s3: bool,
    #[serde(default)]
    pub ingest: bool,
    #[serde(default)]
    pub metadata: bool,
    pub memory: Option<Size>,
    pub pids: Option<u32>,
}

/// How much of the platform's API a workspace may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiScope {
    /// What everybody may know of public workspaces.
    Catalogue,
    /// The same without a token; with one, what the token may: people sign in through the workspace.
    SignIn,
    /// What changes nothing.
    Read,
    Full,
}

impl ApiScope {
    /// As in the policy's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::SignIn => "sign-in",
            Self::Read => "read",
            Self::Full => "full",
        }
    }
}

/// Of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Where the compose file says nothing.
    pub memory: Size,
    pub max_memory: Size,
    pub pids: u32,
    pub max_pids: u32,
    /// The most that is kept of its output.
    pub max_logs: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size(2 << 30),
            max_memory: Size(8 << 30),
            pids: 2048,
            max_pids: 8192,
            max_logs: Size(1 << 30),
        }
    }
}

/// `true` for all of a kind, or the names of those that are granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Granted {
    #[default]
    Nothing,
    Named(BTreeSet<String>),
    Everything,
}

impl<'de> Deserialize<'de> for Granted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "`true` for all of them, or a list of names")]
        enum Written {
            All(bool),
            Named(BTreeSet<String>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::All(true) => Self::Everything,
            Written::All(false) => Self::Nothing,
            Written::Named(names) if names.is_empty() => Self::Nothing,
            Written::Named(names) => Self::Named(names),
        })
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    let patterns = Vec::<Pattern>::deserialize(deserializer)?;
    if patterns.is_empty() {
        return Err(serde::de::Error::custom("`workspaces` names none; [\"*\"] would be all"));
    }
    Ok(patterns)
}

/// One thing that an entry allows, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub permission: &'static str,
    /// `true`, or what exactly.
    pub value: String,
}

impl Entry {
    pub fn says(&self) -> Vec<Said> {
        let mut all = Vec::new();
        let mut say = |permission, value: String| all.push(Said { permission, value });
        for (permission, given) in [
            ("privileged", self.privileged),
            ("host_namespaces", self.host_namespaces),
            ("new_privileges", self.new_privileges),
            ("docker_socket", self.docker_socket),
            ("low_ports", self.low_ports),
            ("sysctls", self.sysctls),
            ("s3", self.s3),
            ("ingest", self.ingest),
            ("metadata", self.metadata),
        ] {
            if given {
                say(permission, "true".into());
            }
        }
        let joined = |names: &mut dyn Iterator<Item = &String>| {
            names.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        for (permission, granted) in [
            ("devices", &self.devices),
            ("capabilities", &self.capabilities),
            ("host_paths", &self.host_paths),
        ] {
            match granted {
                Granted::Nothing => {}
                Granted::Everything => say(permission, "true".into()),
                Granted::Named(names) => say(permission, joined(&mut names.iter())),
            }
        }
        for (permission, names) in [
            ("external_networks", &self.external_networks),
            ("external_volumes", &self.external_volumes),
            ("traefik", &self.traefik),
        ] {
            if !names.is_empty() {
                say(permission, joined(&mut names.iter()));
            }
        }
        if let Some(scope) = self.api {
            say("api", scope.name().into());
        }
        if let Some(memory) = self.memory {
            say("memory", memory.to_string());
        }
        if let Some(pids) = self.pids {
            say("pids", pids.to_string());
        }
        all
    }
}
