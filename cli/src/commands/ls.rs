//! `cloudyknight ls`: the workspaces, or the files of one as the bucket holds them.

use std::process::ExitCode;

use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;
use serde_json::json;

use super::status::{self, Workspaces};
use crate::client::Client;
use crate::errors::hinted;
use crate::home::Home;
use crate::{s3, show};

pub async fn run(home: &Home, name: Option<&str>, as_json: bool) -> anyhow::Result<ExitCode> {
    match name {
        Some(name) => files(home, &name.parse()?, as_json).await,
        None => workspaces(home, as_json).await,
    }
}

async fn workspaces(home: &Home, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut all: Workspaces = Client::new(home)?.get("/api/v1/workspaces").await?;
    all.workspaces.retain(|status| status.state != cloudyknight_core::status::State::Removed);
    if as_json {
        anstream::println!("{}", serde_json::to_string(&all)?);
    } else {
        status::print(&all);
    }
    Ok(ExitCode::SUCCESS)
}

async fn files(home: &Home, name: &WorkspaceName, as_json: bool) -> anyhow::Result<ExitCode> {
    let bucket = s3::workspaces(home).await?;
    let prefix = name.prefix();
    let objects = bucket.list(&prefix).await?;
    if objects.is_empty() {
        return Err(hinted(
            format!("the bucket holds nothing of `{name}`"),
            "`cloudyknight ls` lists the workspaces",
        ));
    }
    let path = |key: &str| key.strip_prefix(&prefix).unwrap_or(key).to_owned();
    if as_json {
        let files: Vec<_> = objects
            .iter()
            .map(|object| json!({ "path": path(&object.key), "size": object.size, "etag": object.etag }))
            .collect();
        anstream::println!("{}", json!({ "workspace": name, "files": files }));
    } else {
        let rows: Vec<_> = objects
            .iter()
            .map(|object| [object.size.to_string(), path(&object.key).escape_debug().to_string()])
            .collect();
        anstream::print!("{}", show::columns(&rows));
    }
    Ok(ExitCode::SUCCESS)
}
