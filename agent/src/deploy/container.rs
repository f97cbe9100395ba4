//! What a service of a release asks of Docker: purely, from its definition and what the deployment decided around it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use cloudyknight_core::workspace::WorkspaceName;

use super::names;
use crate::compose::model::{Mount, MountOptions, MountSource, NamedVolume, Namespace, Service};
use crate::engine::{ContainerSpec, Mounted};
use crate::identity::TRAEFIK_ENABLE;
use crate::traefik::is_traefiks;

/// What the definition itself does not say.
pub struct Around<'a> {
    pub name: String,
    /// The id of what to run.
    pub image: String,
    /// Of the platform.
    pub labels: HashMap<String, String>,
    pub platform: &'a str,
    pub workspace: &'a WorkspaceName,
    pub volumes: &'a BTreeMap<String, NamedVolume>,
    /// Where the source of the release lies.
    pub source: &'a Path,
    /// Where the service's secrets and configs lie, by their place in its list.
    pub files: &'a Path,
    pub networks: Vec<(String, Vec<String>)>,
    /// Containers that it shares with, by their ids.
    pub shared: BTreeMap<Namespace, String>,
    pub volumes_from: Vec<(String, bool)>,
    /// Where its app is expected to listen, if it reads that from `PORT`.
    pub port: Option<u16>,
}

pub fn container(definition: &Service, around: Around<'_>) -> ContainerSpec {
    let files = definition.surroundings.files.iter().enumerate().map(|(at, file)| Mounted::Folder {
        source: around.files.join(at.to_string()).display().to_string(),
        target: file.target.clone(),
        read_only: true,
        options: MountOptions::default(),
    });
    let mounts = definition.mounts.iter().map(|mount| mounted(mount, &around)).chain(files).collect();
    let mut environment = definition.environment.clone();
    if let Some(port) = around.port {
        // The runtime's apps listen where PORT says; the route knows where that must be.
        environment.entry("PORT".into()).or_insert_with(|| port.to_string());
    }
    let mut labels: HashMap<String, String> = definition.labels.clone().into_iter().collect();
    if around.labels.contains_key(TRAEFIK_ENABLE) {
        labels.retain(|label, _| !is_traefiks(label));
    }
    labels.extend(around.labels);
    ContainerSpec {
        name: around.name,
        image: around.image,
        labels,
        command: definition.command.clone(),
        entrypoint: definition.entrypoint.clone(),
        environment,
        working_dir: definition.working_dir.clone(),
        user: definition.user.clone(),
        init: definition.init.unwrap_or(true),
        stop_signal: definition.stop_signal.clone(),
        healthcheck: definition.healthcheck.clone(),
        isolation: definition.isolation.clone(),
        resources: definition.resources.clone(),
        surroundings: definition.surroundings.clone(),
        shared: around.shared,
        volumes_from: around.volumes_from,
        mounts,
        ports: definition.ports.clone(),
        networks: around.networks,
    }
}

fn mounted(mount: &Mount, around: &Around<'_>) -> Mounted {
    let Mount { target, source, read_only, options } = mount.clone();
    match source {
        MountSource::Workspace(path) => Mounted::Folder {
            source: around.source.join(path).display().to_string(),
            target,
            read_only: true,
            options,
        },
        MountSource::Host(source) => Mounted::Folder { source, target, read_only, options },
        MountSource::Volume(name) => Mounted::Volume {
            name: names::volume(around.platform, around.workspace, &name, around.volumes.get(&name)),
            target,
            read_only,
            options,
        },
        MountSource::Anonymous => Mounted::Anonymous { target, read_only, options },
        MountSource::Tmpfs => Mounted::Tmpfs { target, read_only, options },
    }
}
