//! What the operator lets workspaces have beyond plain containers, as the readers of a compose file ask for it. By
//! default: nothing.
//!
//! A compose file that asks for more is refused with a clear sentence; the file's author and the operator are
//! often different people. The file in which the operator says it is read in [`policy`](crate::policy).

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::workspace::WorkspaceName;
use serde::Deserialize;

use crate::policy::{ApiScope, Limits, Pattern};

/// Each field says which workspaces may have it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub privileged: Workspaces,
    /// The host's network, process, IPC, UTS, user or cgroup namespace, or that of a container elsewhere.
    pub host_namespaces: Workspaces,
    /// All devices of the host; single ones are below.
    pub devices: Workspaces,
    pub capabilities: Workspaces,
    /// Programs in the container may gain rights that it was not started with, as `sudo` does.
    pub new_privileges: Workspaces,
    /// The socket of a container engine: whoever holds it is root on the host.
    pub docker_socket: Workspaces,
    /// Folders and devices of the host, as mounts or through the options of a volume.
    pub host_paths: Workspaces,
    /// Published ports below 1024.
    pub low_ports: Workspaces,
    /// Settings of the kernel.
    pub sysctls: Workspaces,
    pub named_devices: BTreeMap<String, Workspaces>,
    pub named_capabilities: BTreeMap<String, Workspaces>,
    /// A path and everything below it.
    pub named_host_paths: BTreeMap<String, Workspaces>,
    /// By name, Docker networks that exist outside of the platform.
    pub external_networks: BTreeMap<String, Workspaces>,
    /// By name, Docker volumes that exist outside of the platform.
    pub external_volumes: BTreeMap<String, Workspaces>,
    /// By name, what labels may use of the operator's Traefik.
    pub traefik: BTreeMap<String, Workspaces>,
    /// External networks that, in the compose files that people have, only mean: the router reaches me there.
    /// Open to everybody, because nothing is joined: the platform routes to the service anyway.
    pub edge_networks: BTreeSet<String>,
    /// Who reaches the S3 server and the queues beside it.
    pub s3: Workspaces,
    /// Who reaches the webhook.
    pub ingest: Workspaces,
    /// Who reaches the metadata service of a cloud.
    pub metadata: Workspaces,
    /// Who has how much of the API.
    #[serde(skip)]
    pub api: BTreeMap<ApiScope, Workspaces>,
    #[serde(skip)]
    pub limits: Limits,
    /// Who may use more than the limits say.
    #[serde(skip)]
    pub ceilings: Vec<Ceiling>,
    #[serde(skip)]
    pub platform: Platform,
}

/// What nobody is allowed, because it is the platform's own; and where the operator allows the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The policy's file, as people are told of it.
    pub file: String,
    pub ports: BTreeSet<u16>,
    /// Folders of the host.
    pub paths: Vec<String>,
    /// In bytes.
    pub memory: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub workspaces: Workspaces,
    pub memory: Option<u64>,
    pub pids: Option<u32>,
}

impl Default for Platform {
    fn default() -> Self {
        Self { file: "policy.toml".to_owned(), ports: BTreeSet::new(), paths: Vec::new(), memory: u64::MAX }
    }
}

impl Default for Policy {
    fn default() -> Self {
        let none = Workspaces::default;
        Self {
            privileged: none(),
            host_namespaces: none(),
            devices: none(),
            capabilities: none(),
            new_privileges: none(),
            docker_socket: none(),
            host_paths: none(),
            low_ports: none(),
            sysctls: none(),
            named_devices: BTreeMap::new(),
            named_capabilities: BTreeMap::new(),
            named_host_paths: BTreeMap::new(),
            external_networks: BTreeMap::new(),
            external_volumes: BTreeMap::new(),
            traefik: BTreeMap::new(),
            edge_networks: ["traefik-network", "traefik", "proxy", "web"].map(str::to_owned).into(),
            s3: none(),
            ingest: none(),
            metadata: none(),
            api: BTreeMap::new(),
            limits: Limits::default(),
            ceilings: Vec::new(),
            platform: Platform::default(),
        }
    }
}

impl Policy {
    /// How much of the API this workspace may use: the most that an entry gives.
    pub fn api(&self, workspace: &WorkspaceName) -> Option<ApiScope> {
        let given = self.api.iter().filter(|(_, workspaces)| workspaces.contains(workspace));
        given.map(|(scope, _)| *scope).max()
    }

    /// What labels of this workspace may use of the operator's Traefik beyond their own.
    pub fn traefik(&self, workspace: &WorkspaceName) -> BTreeSet<String> {
        let given = self.traefik.iter().filter(|(_, workspaces)| workspaces.contains(workspace));
        given.map(|(name, _)| name.clone()).collect()
    }

    /// For a hint: who can allow it where, and what then.
    pub fn how_to_allow(&self, permission: &str, workspace: &WorkspaceName) -> String {
        format!(
            "ask the operator to allow `{permission}` for `{workspace}` in {}, and then `cloudyknight retry {workspace}`",
            self.platform.file
        )
    }

    /// What one container of this workspace gets, in bytes, and the most that it may ask for. Never more than the host
    /// has.
    pub fn memory(&self, workspace: &WorkspaceName) -> (u64, u64) {
        let raised = self.ceilings(workspace).filter_map(|ceiling| ceiling.memory);
        let most = raised.fold(self.limits.max_memory.0, u64::max).min(self.platform.memory);
        (self.limits.memory.0.min(most), most)
    }

    /// The same for processes and threads.
    pub fn pids(&self, workspace: &WorkspaceName) -> (u32, u32) {
        let raised = self.ceilings(workspace).filter_map(|ceiling| ceiling.pids);
        let most = raised.fold(self.limits.max_pids, u32::max);
        (self.limits.pids.min(most), most)
    }

    /// Whether this workspace passes one of the firewall's gates.
    pub fn opens_gates(&self, workspace: &WorkspaceName) -> bool {
        [&self.s3, &self.ingest, &self.metadata].iter().any(|granted| granted.contains(workspace))
    }

    fn ceilings(&self, workspace: &WorkspaceName) -> impl Iterator<Item = &Ceiling> {
        self.ceilings.iter().filter(|ceiling| ceiling.workspaces.contains(workspace))
    }
}

/// Those that match one of the patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Workspaces(pub BTreeSet<Pattern>);

impl Workspaces {
    pub fn contains(&self, workspace: &WorkspaceName) -> bool {
        self.0.iter().any(|pattern| pattern.matches(workspace))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(Pattern),
    Many(BTreeSet<Pattern>),
}

impl From<Written> for Workspaces {
    fn from(written: Written) -> Self {
        match written {
            Written::One(pattern) => Self([pattern].into()),
            Written::Many(patterns) => Self(patterns),
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
    NewPrivileges,
    DockerSocket,
    HostPaths,
    LowPorts,
    Sysctls,
}

impl Permission {
    #[cfg(test)]
    pub const ALL: [Self; 9] = [
        Self::Privileged,
        Self::HostNamespaces,
        Self::Devices,
        Self::Capabilities,
        Self::NewPrivileges,
        Self::DockerSocket,
        Self::HostPaths,
        Self::LowPorts,
        Self::Sysctls,
    ];

    pub fn of(self, policy: &Policy) -> &Workspaces {
        match self {
            Self::Privileged => &policy.privileged,
            Self::HostNamespaces => &policy.host_namespaces,
            Self::Devices => &policy.devices,
            Self::Capabilities => &policy.capabilities,
            Self::NewPrivileges => &policy.new_privileges,
            Self::DockerSocket => &policy.docker_socket,
            Self::HostPaths => &policy.host_paths,
            Self::LowPorts => &policy.low_ports,
            Self::Sysctls => &policy.sysctls,
        }
    }

    /// Whether this workspace may have the one of this name: all of the kind, or this one.
    pub fn allows(self, policy: &Policy, name: &str, workspace: &WorkspaceName) -> bool {
        let by_name = |names: &BTreeMap<String, Workspaces>| {
            names.get(name).is_some_and(|workspaces| workspaces.contains(workspace))
        };
        let below = |path: &str| {
            let rest = name.strip_prefix(path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.of(policy).contains(workspace)
            || match self {
                Self::Devices => by_name(&policy.named_devices),
                Self::Capabilities => by_name(&policy.named_capabilities),
                Self::HostPaths => {
                    let mut paths = policy.named_host_paths.iter();
                    paths.any(|(path, workspaces)| below(path) && workspaces.contains(workspace))
                }
                _ => false,
            }
    }

    /// As in the policy's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::HostNamespaces => "host_namespaces",
            Self::Devices => "devices",
            Self::Capabilities => "capabilities",
            Self::NewPrivileges => "new_privileges",
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

    #[test]
    fn the_default_policy_allows_nothing() {
        let policy = Policy::default();
        let app: WorkspaceName = "app".parse().unwrap();
        for each in Permission::ALL {
            assert!(!each.of(&policy).contains(&app), "{}", each.name());
            assert!(!each.allows(&policy, "/", &app), "{}", each.name());
        }
        for each in [&policy.s3, &policy.ingest, &policy.metadata] {
            assert!(!each.contains(&app));
        }
        assert_eq!(policy.external_networks.len() + policy.external_volumes.len(), 0);
        assert_eq!(policy.api(&app), None);
    }

    #[test]
    fn a_path_is_allowed_with_all_below_it_and_nothing_beside_it() {
        let policy: Policy =
            serde_json::from_str(r#"{"named_host_paths": {"/srv/data": "app", "/mnt/": ["app"]}}"#).unwrap();
        let check = |path: &str, workspace: &str, expected: bool| {
            let allowed = Permission::HostPaths.allows(&policy, path, &workspace.parse().unwrap());
            assert_eq!(allowed, expected, "{path} {workspace}");
        };
        check("/srv/data", "app", true);
        check("/srv/data/a/b", "app", true);
        check("/mnt/x", "app", true);
        check("/srv/data", "other", false);
        check("/srv/database", "app", false);
        check("/srv", "app", false);
        check("/", "app", false);
    }

    #[test]
    fn nobody_gets_more_than_the_host_has() {
        let app: WorkspaceName = "app".parse().unwrap();
        let mut policy = Policy::default();
        assert_eq!(policy.memory(&app), (2 << 30, 8 << 30));
        let workspaces: Workspaces = serde_json::from_str("\"app\"").unwrap();
        policy.ceilings.push(Ceiling { workspaces, memory: Some(16 << 30), pids: Some(100_000) });
        assert_eq!(policy.memory(&app), (2 << 30, 16 << 30));
        assert_eq!(policy.pids(&app), (2048, 100_000));
        assert_eq!(policy.pids(&"other".parse().unwrap()), (2048, 8192));
        policy.platform.memory = 1 << 30;
        assert_eq!(policy.memory(&app), (1 << 30, 1 << 30));
    }
}
