//! The named volumes of workspaces, as they are listed and deleted on request.

use std::collections::BTreeMap;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use cloudyknight_core::volume::Volume;
use cloudyknight_core::workspace::WorkspaceName;

use super::{Engine, EngineError, sorted};
use crate::deploy::{names, replicas::service_of};
use crate::identity::{Identity, WORKSPACE};

impl Engine {
    /// The volumes of one workspace, or of all.
    pub async fn volumes(&self, workspace: Option<&WorkspaceName>) -> Result<Vec<Volume>, EngineError> {
        let filters = self.ours(workspace.map(|name| (WORKSPACE, name.as_str())));
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed = self.docker()?.list_volumes(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list volumes", error))?;
        let users = self.volume_users().await?;
        let volume = |one: bollard::models::Volume| {
            let workspace: WorkspaceName = one.labels.get(WORKSPACE)?.parse().ok()?;
            let prefix = names::volume(&self.platform, &workspace, "", None);
            Some(Volume {
                volume: one.name.strip_prefix(&prefix).unwrap_or(&one.name).to_owned(),
                workspace,
                created_at: one.created_at.map(|at| at.to_string()),
                used_by: users.get(&one.name).cloned().unwrap_or_default(),
                name: one.name,
            })
        };
        let mut volumes: Vec<Volume> =
            listed.volumes.unwrap_or_default().into_iter().filter_map(volume).collect();
        volumes.sort_unstable_by(|a, b| (&a.workspace, &a.volume).cmp(&(&b.workspace, &b.volume)));
        Ok(volumes)
    }

    /// By volume: the services, or other people's containers, that mount it, running or not.
    async fn volume_users(&self) -> Result<BTreeMap<String, Vec<String>>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self.docker()?.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list containers", error))?;
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for container in listed {
            let user = user(&container);
            for volume in container.mounts.into_iter().flatten().filter_map(|mount| mount.name) {
                let users = users.entry(volume).or_default();
                if !users.contains(&user) {
                    users.push(user.clone());
                }
            }
        }
        users.values_mut().for_each(|users| users.sort_unstable());
        Ok(users)
    }
}

fn user(container: &ContainerSummary) -> String {
    match Identity::from_labels(&sorted(container.labels.clone())) {
        Some(identity) => service_of(&identity.service).to_owned(),
        None => {
            let name = container.names.iter().flatten().next().or(container.id.as_ref());
            let name = name.map(|name| name.trim_start_matches('/').to_owned());
            format!("container {}", name.unwrap_or_default())
        }
    }
}
