//! Networks and volumes of workspaces.
//!
//! Docker's own address pools hold about thirty networks. Ours are small and many: 32 addresses each, out of one
//! private /16 that the operator can choose.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{
    EndpointSettings, Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{
    ListNetworksOptions, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions,
};
use cloudyknight_core::workspace::WorkspaceName;

use super::{Engine, EngineError, sorted, unless};
use crate::compose::model::NamedVolume;
use crate::firewall::bridge::{self, Kind};
use crate::identity::{PLATFORM, WORKSPACE};

/// A network of this platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    pub name: String,
    /// The interface on the host.
    pub bridge: String,
    /// None: it is for builds.
    pub workspace: Option<WorkspaceName>,
}

/// The name of the network that builds and installations run in, once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildNetwork(pub String);

/// What is there before a network is made.
struct Look {
    /// The bridge of the network, if there is one of its name.
    found: Option<String>,
    subnets: BTreeSet<String>,
    bridges: BTreeSet<String>,
}

const BRIDGE: &str = "com.docker.network.bridge.name";

/// A /27 each.
const ADDRESSES: usize = 32;

impl Engine {
    /// Makes a network of a workspace unless it is there. Answers whether it was made now.
    pub async fn ensure_network(
        &self,
        name: &str,
        workspace: &WorkspaceName,
        pool: [u8; 2],
        internal: bool,
    ) -> Result<bool, EngineError> {
        let kind = if internal { Kind::Internal } else { Kind::Open };
        self.ensure(name, kind, pool, self.owned_by(workspace)).await
    }

    /// The network of containers that build or install, for all workspaces: none of them reaches another.
    pub async fn ensure_build_network(&self, pool: [u8; 2]) -> Result<BuildNetwork, EngineError> {
        let name = format!("cloudyknight-{}-build", self.platform);
        let labels = HashMap::from([(PLATFORM.to_owned(), self.platform.clone())]);
        self.ensure(&name, Kind::Build, pool, labels).await?;
        Ok(BuildNetwork(name))
    }

    async fn ensure(
        &self,
        name: &str,
        kind: Kind,
        pool: [u8; 2],
        labels: HashMap<String, String>,
    ) -> Result<bool, EngineError> {
        let operation = || format!("make the network `{name}`");
        let _turn = self.making_networks.lock().await;
        let mut refused: BTreeSet<String> = BTreeSet::new();
        let mut names_refused: BTreeSet<String> = BTreeSet::new();
        loop {
            let Look { found, subnets: taken, bridges } = self.look(name).await?;
            if let Some(found) = found {
                if found.starts_with(&bridge::prefix_of(&self.platform, kind)) {
                    return Ok(false);
                }
                // An older version made it, or it was of another kind: the firewall tells networks by their bridges.
                if self.remove_network(name).await.is_err() {
                    return Ok(false);
                }
            }
            let subnets = 65_536 / ADDRESSES;
            let free =
                (0..subnets).map(|n| subnet(pool, n)).find(|s| !taken.contains(s) && !refused.contains(s));
            let subnet = free.ok_or(EngineError::NoSubnet(subnets))?;
            let bridge = bridge::name(&self.platform, kind, name, &(&bridges | &names_refused));
            let request = network_request(name, kind, &subnet, &bridge, labels.clone());
            match self
                .docker()?
                .create_network(request)
                .await
                .map_err(|error| EngineError::of(operation(), error))
            {
                Ok(_) => return Ok(true),
                // Another platform, or a route of the host, was faster to take this range, or the name of the bridge.
                Err(EngineError::Refused { message, .. })
                    if message.contains("overlap") || message.contains("already exists") =>
                {
                    names_refused.insert(bridge);
                    refused.insert(subnet);
                }
                Err(other) => return Err(other),
            }
        }
    }

    async fn look(&self, name: &str) -> Result<Look, EngineError> {
        let listed = self.docker()?.list_networks(None::<ListNetworksOptions>).await;
        let listed = listed.map_err(|error| EngineError::of("list networks", error))?;
        let named = listed.iter().find(|network| network.name.as_deref() == Some(name));
        let found = named.map(bridge_of);
        let bridges = listed.iter().map(bridge_of).collect();
        let configs = listed.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(Look { found, subnets: configs.filter_map(|config| config.subnet).collect(), bridges })
    }

    /// The networks of this platform, and the bridges below them.
    pub async fn bridges(&self) -> Result<Vec<Bridge>, EngineError> {
        let options = ListNetworksOptionsBuilder::new().filters(&self.ours(None)).build();
        let listed = self.docker()?.list_networks(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list networks", error))?;
        let one = |network: Network| Bridge {
            bridge: bridge_of(&network),
            name: network.name.unwrap_or_default(),
            workspace: network.labels.and_then(|mut labels| labels.remove(WORKSPACE)?.parse().ok()),
        };
        Ok(listed.into_iter().map(one).collect())
    }

    pub async fn network_exists(&self, name: &str) -> Result<bool, EngineError> {
        Ok(self.look(name).await?.found.is_some())
    }

    pub async fn join(&self, network: &str, container: &str, aliases: &[String]) -> Result<(), EngineError> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings { aliases: Some(aliases.to_vec()), ..Default::default() }),
        };
        let joined = self.docker()?.connect_network(network, request).await;
        let joined = joined.map_err(|error| EngineError::of(format!("join the network `{network}`"), error));
        match joined {
            Err(EngineError::Refused { message, .. }) if message.contains("already exists in network") => {
                Ok(())
            }
            other => other,
        }
    }

    pub async fn leave(&self, network: &str, container: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let left = self.docker()?.disconnect_network(network, request).await;
        let left = left.map_err(|error| EngineError::of(format!("leave the network `{network}`"), error));
        match left {
            Err(EngineError::Refused { message, .. }) if message.contains("is not connected") => Ok(()),
            other => unless(&[404], other),
        }
    }

    /// The networks of one workspace, or all of this platform's.
    pub async fn networks(&self, workspace: Option<&WorkspaceName>) -> Result<Vec<String>, EngineError> {
        let filters = self.ours(workspace.map(|name| (WORKSPACE, name.as_str())));
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let listed = self.docker()?.list_networks(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list networks", error))?;
        Ok(listed.into_iter().filter_map(|network| network.name).collect())
    }

    pub async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        let removed = self.docker()?.remove_network(name).await;
        unless(
            &[404],
            removed.map_err(|error| EngineError::of(format!("remove the network `{name}`"), error)),
        )
    }

    /// Answers which of its keys the volume keeps as they were when it was made: Docker changes none of one that is there.
    pub async fn ensure_volume(
        &self,
        name: &str,
        workspace: &WorkspaceName,
        volume: &NamedVolume,
    ) -> Result<Vec<&'static str>, EngineError> {
        let made = self.docker()?.create_volume(volume_request(name, volume, self.owned_by(workspace))).await;
        let made = made.map_err(|error| EngineError::of(format!("make the volume `{name}`"), error))?;
        let is_theirs = |(label, _): &(&String, &String)| *label != PLATFORM && *label != WORKSPACE;
        let differs = [
            ("driver_opts", !volume.driver_opts.iter().eq(&sorted(Some(made.options)))),
            ("labels", {
                let labels = sorted(Some(made.labels));
                !volume.labels.iter().filter(is_theirs).eq(labels.iter().filter(is_theirs))
            }),
        ];
        Ok(differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect())
    }

    pub async fn volume_exists(&self, name: &str) -> Result<bool, EngineError> {
        match self.docker()?.inspect_volume(name).await {
            Ok(_) => Ok(true),
            Err(error) => match EngineError::of(format!("inspect the volume `{name}`"), error) {
                error if error.is_not_found() => Ok(false),
                error => Err(error),
            },
        }
    }

    pub async fn own_volumes(&self) -> Result<Vec<String>, EngineError> {
        let options = ListVolumesOptionsBuilder::new().filters(&self.ours(None)).build();
        let listed = self.docker()?.list_volumes(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list volumes", error))?;
        Ok(listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
    }

    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let removed = self.docker()?.remove_volume(name, None::<RemoveVolumeOptions>).await;
        unless(&[404], removed.map_err(|error| EngineError::of(format!("remove the volume `{name}`"), error)))
    }

    fn owned_by(&self, workspace: &WorkspaceName) -> HashMap<String, String> {
        HashMap::from([
            (PLATFORM.to_owned(), self.platform.clone()),
            (WORKSPACE.to_owned(), workspace.to_string()),
        ])
    }
}

pub(crate) fn network_request(
    name: &str,
    kind: Kind,
    subnet: &str,
    bridge: &str,
    labels: HashMap<String, String>,
) -> NetworkCreateRequest {
    let reach_each_other = if kind == Kind::Build { "false" } else { "true" };
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(kind == Kind::Internal),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig { subnet: Some(subnet.to_owned()), ..Default::default() }]),
            ..Default::default()
        }),
        options: Some(HashMap::from([
            (BRIDGE.to_owned(), bridge.to_owned()),
            ("com.docker.network.bridge.enable_icc".to_owned(), reach_each_other.to_owned()),
        ])),
        labels: Some(labels),
        ..Default::default()
    }
}

pub(crate) fn volume_request(
    name: &str,
    volume: &NamedVolume,
    owner: HashMap<String, String>,
) -> VolumeCreateRequest {
    let mut labels: HashMap<String, String> = volume.labels.clone().into_iter().collect();
    // Ours last: a compose file cannot say whose a volume is.
    labels.extend(owner);
    VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: volume.driver.clone(),
        driver_opts: Some(volume.driver_opts.clone().into_iter().collect()),
        labels: Some(labels),
        ..Default::default()
    }
}

/// Docker names a bridge by the network's id, where it was not told a name.
fn bridge_of(network: &Network) -> String {
    let told = network.options.as_ref().and_then(|options| options.get(BRIDGE));
    let id = || format!("br-{}", network.id.as_deref().unwrap_or_default().get(..12).unwrap_or_default());
    told.cloned().unwrap_or_else(id)
}

fn subnet(pool: [u8; 2], n: usize) -> String {
    let offset = n * ADDRESSES;
    format!("{}.{}.{}.{}/27", pool[0], pool[1], offset / 256, offset % 256)
}

#[cfg(test)]
mod tests {
    #[test]
    fn subnets_follow_each_other_and_stay_in_the_pool() {
        let subnet = |n| super::subnet([10, 213], n);
        assert_eq!(subnet(0), "10.213.0.0/27");
        assert_eq!(subnet(7), "10.213.0.224/27");
        assert_eq!(subnet(8), "10.213.1.0/27");
        assert_eq!(subnet(2047), "10.213.255.224/27");
    }
}
