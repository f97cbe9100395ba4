//! `cloudyknight volumes`: the named volumes of workspaces, which nothing deletes but `volumes rm` and `down --purge`.

use std::process::ExitCode;

use cloudyknight_core::volume::Volumes;
use serde::Serialize;
use utoipa::ToSchema;

use super::confirmed;
use crate::client::{Client, segment, workspace};
use crate::home::Home;
use crate::output::Output;
use crate::show;

/// What `volumes rm --json` prints.
#[derive(Serialize, ToSchema)]
pub struct VolumeDeleted<'a> {
    version: u32,
    workspace: &'a str,
    /// The name of the volume.
    deleted: &'a str,
}

pub async fn list(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let path = name.map_or("/api/v1/volumes".to_owned(), |name| workspace(name, "volumes"));
    let listed: Volumes = Client::new(home)?.all(&path).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&listed)?);
    } else {
        anstream::print!("{}", table(&listed));
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn rm(
    home: &Home,
    name: &str,
    volume: &str,
    yes: bool,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let question = format!("Delete the volume `{volume}` of `{name}` and everything in it?");
    if !confirmed(&question, yes)? {
        return Ok(ExitCode::FAILURE);
    }
    client.delete(&workspace(name, &format!("volumes/{}", segment(volume)))).await?;
    if output.is_json() {
        let deleted = VolumeDeleted { version: 1, workspace: name, deleted: volume };
        anstream::println!("{}", serde_json::to_string(&deleted)?);
    } else if output.talks() {
        anstream::println!("The volume {volume} of {name} is deleted.");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(listed: &Volumes) -> String {
    if listed.volumes.is_empty() {
        return "There is no named volume.\n".to_owned();
    }
    let header = ["WORKSPACE", "VOLUME", "CREATED", "USED BY", "IN DOCKER"].map(str::to_owned);
    let rows = listed.volumes.iter().map(|one| {
        let used = if one.used_by.is_empty() { "-".to_owned() } else { one.used_by.join(", ") };
        let created = one.created_at.clone().unwrap_or_else(|| "-".to_owned());
        [one.workspace.to_string(), one.volume.clone(), created, used, one.name.clone()]
    });
    show::columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::volume::Volume;

    use super::*;

    #[test]
    fn a_table_tells_whose_volumes_they_are_and_who_uses_them() {
        let volume = |workspace: &str, volume: &str, used_by: &[&str]| Volume {
            workspace: workspace.parse().unwrap(),
            volume: volume.into(),
            name: format!("cloudyknight-1a2b-{workspace}-{volume}"),
            created_at: Some("2026-11-23T12:00:00Z".into()),
            used_by: used_by.iter().map(|one| (*one).to_owned()).collect(),
        };
        let volumes = vec![volume("notes", "kept", &["web", "worker"]), volume("shop", "data", &[])];
        insta::assert_snapshot!(table(&Volumes { version: 1, volumes, next: None }), @r"
        WORKSPACE  VOLUME  CREATED               USED BY      IN DOCKER
        notes      kept    2026-11-23T12:00:00Z  web, worker  cloudyknight-1a2b-notes-kept
        shop       data    2026-11-23T12:00:00Z  -            cloudyknight-1a2b-shop-data
        ");
    }
}
