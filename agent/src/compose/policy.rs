//! What the operator lets workspaces have beyond plain containers. By default: nothing.
//!
//! A compose file that asks for more is refused with a clear sentence; the file's author and the operator are
//! often different people.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::workspace::WorkspaceName;
use serde::{Deserialize, Serialize};

/// Part of the operator's configuration; each field says which workspaces may have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub privileged: Workspaces,
    /// The host's network, process, IPC, UTS, user or cgroup namespace, or that of a container elsewhere.
    pub host_namespaces: Workspaces,
    pub devices: Workspaces,
    pub capabilities: Workspaces,
    /// The socket of a container engine: whoever holds it is root on the host.
    pub docker_socket: Workspaces,
    /// Folders and devices of the host, as mounts or through the options of a volume.
    pub host_paths: Workspaces,
    /// Published ports below 1024.
    pub low_ports: Workspaces,
    /// Settings of the kernel.
    pub sysctls: Workspaces,
    /// By name, Docker networks that exist outside of the platform.
    pub external_networks: BTreeMap<String, Workspaces>,
    /// By name, Docker volumes that exist outside of the platform.
    pub external_volumes: BTreeMap<String, Workspaces>,
    /// External networks that, in the compose files that people have, only mean: the router reaches me there.
    /// Open to everybody, because nothing is joined: the platform routes to the service anyway.
    pub edge_networks: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            privileged: Workspaces::None,
            host_namespaces: Workspaces::None,
            devices: Workspaces::None,
            capabilities: Workspaces::None,
            docker_socket: Workspaces::None,
            host_paths: Workspaces::None,
            low_ports: Workspaces::None,
            sysctls: Workspaces::None,
            external_networks: BTreeMap::new(),
            external_volumes: BTreeMap::new(),
            edge_networks: ["traefik-network", "traefik", "proxy", "web"].map(str::to_owned).into(),
        }
    }
}

/// In the configuration: `"*"`, or a list of workspace names, in which `"*"` may stand as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Workspaces {
    #[default]
    None,
    Named(BTreeSet<WorkspaceName>),
    All,
}

impl Workspaces {
    pub fn contains(&self, workspace: &WorkspaceName) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(workspace),
            Self::All => true,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<Written> for Workspaces {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let names = match written {
            Written::One(name) => vec![name],
            Written::Many(names) => names,
        };
        if names.iter().any(|name| name == "*") {
            return Ok(Self::All);
        }
        let named: Result<BTreeSet<_>, _> = names.iter().map(|name| name.parse::<WorkspaceName>()).collect();
        let named = named.map_err(|error| format!("neither `*` nor a workspace: {error}"))?;
        Ok(if named.is_empty() { Self::None } else { Self::Named(named) })
    }
}

impl From<Workspaces> for Written {
    fn from(workspaces: Workspaces) -> Self {
        match workspaces {
            Workspaces::None => Self::Many(Vec::new()),
            Workspaces::Named(names) => Self::Many(names.into_iter().map(String::from).collect()),
            Workspaces::All => Self::One("*".to_owned()),
        }
    }
}

/// One field of [`Policy`], for the code that asks and the sentence that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Privileged,
    HostNamespaces,
    Devices,
    Capabilities,
    DockerSocket,
    HostPaths,
    LowPorts,
    Sysctls,
}

impl Permission {
    pub fn of(self, policy: &Policy) -> &Workspaces {
        match self {
            Self::Privileged => &policy.privileged,
            Self::HostNamespaces => &policy.host_namespaces,
            Self::Devices => &policy.devices,
            Self::Capabilities => &policy.capabilities,
            Self::DockerSocket => &policy.docker_socket,
            Self::HostPaths => &policy.host_paths,
            Self::LowPorts => &policy.low_ports,
            Self::Sysctls => &policy.sysctls,
        }
    }

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::HostNamespaces => "host_namespaces",
            Self::Devices => "devices",
            Self::Capabilities => "capabilities",
            Self::DockerSocket => "docker_socket",
            Self::HostPaths => "host_paths",
            Self::LowPorts => "low_ports",
            Self::Sysctls => "sysctls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Policy, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_policy_allows_nothing() {
        let policy = Policy::default();
        let app: WorkspaceName = "app".parse().unwrap();
        use Permission::*;
        for each in
            [Privileged, HostNamespaces, Devices, Capabilities, DockerSocket, HostPaths, LowPorts, Sysctls]
        {
            assert!(!each.of(&policy).contains(&app), "{}", each.name());
        }
        assert_eq!(policy.external_networks.len(), 0);
        assert_eq!(read("{}"), Ok(policy));
    }

    #[test]
    fn a_permission_is_a_star_or_a_list_of_workspaces() {
        let policy = read(r#"{"privileged": "*", "devices": ["app", "other"], "low_ports": []}"#).unwrap();
        let (app, stranger) = ("app".parse().unwrap(), "stranger".parse().unwrap());
        assert!(policy.privileged.contains(&stranger));
        assert!(policy.devices.contains(&app) && !policy.devices.contains(&stranger));
        assert_eq!(policy.low_ports, Workspaces::None);
        assert_eq!(read(&serde_json::to_string(&policy).unwrap()), Ok(policy));
    }

    #[test]
    fn a_mistake_in_the_configuration_is_an_error_and_not_a_permission() {
        assert!(read(r#"{"privilegd": "*"}"#).is_err());
        assert!(read(r#"{"privileged": ["App*"]}"#).unwrap_err().contains("neither `*` nor a workspace"));
        assert!(read(r#"{"privileged": true}"#).is_err());
    }
}
