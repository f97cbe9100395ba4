//! `cloudyknight ls`: the workspaces, or the files of one as the bucket holds them.

use std::process::ExitCode;

use cloudyknight_core::files::File;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, Object};
use serde::Serialize;
use utoipa::ToSchema;

use super::status::{self, Workspaces};
use crate::client::Client;
use crate::errors::hinted;
use crate::files;
use crate::home::Home;
use crate::output::Output;
use crate::{clock, s3, show, suggest};

pub async fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    match name {
        Some(name) => files(home, &name.parse()?, output).await,
        None => workspaces(home, output).await,
    }
}

async fn workspaces(home: &Home, output: Output) -> anyhow::Result<ExitCode> {
    let mut all = Workspaces::of(&Client::new(home)?).await?;
    all.workspaces.retain(|status| status.state != cloudyknight_core::status::State::Removed);
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&all)?);
    } else {
        status::print(&all);
    }
    Ok(ExitCode::SUCCESS)
}

/// What `ls NAME --json` prints.
#[derive(Serialize, ToSchema)]
pub struct WorkspaceFiles {
    version: u32,
    workspace: WorkspaceName,
    files: Vec<File>,
}

async fn files(home: &Home, name: &WorkspaceName, output: Output) -> anyhow::Result<ExitCode> {
    let files =
        if s3::is_reachable(home) { through_s3(home, name).await? } else { through_api(home, name).await? };
    if files.is_empty() {
        return Err(nothing_of(home, name).await);
    }
    if output.is_json() {
        let files = WorkspaceFiles { version: 1, workspace: name.clone(), files };
        anstream::println!("{}", serde_json::to_string(&files)?);
    } else {
        let rows: Vec<_> = files
            .iter()
            .map(|file| [file.size_bytes.to_string(), file.path.escape_debug().to_string()])
            .collect();
        anstream::print!("{}", show::columns(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

async fn through_s3(home: &Home, name: &WorkspaceName) -> anyhow::Result<Vec<File>> {
    let prefix = name.prefix();
    let objects = s3::workspaces(home).await?.list(&prefix).await?;
    let file = |object: Object| File {
        path: object.key.strip_prefix(&prefix).unwrap_or(&object.key).to_owned(),
        size_bytes: object.size,
        etag: object.etag,
        modified_at: clock::rfc3339(object.modified_ms),
    };
    Ok(objects.into_iter().map(file).collect())
}

async fn through_api(home: &Home, name: &WorkspaceName) -> anyhow::Result<Vec<File>> {
    files::through_api(&Client::new(home)?, name).await
}

/// The bucket holds nothing of a workspace; another one may have been meant.
pub async fn nothing_of(home: &Home, name: &WorkspaceName) -> anyhow::Error {
    let names = match Client::new(home) {
        Ok(client) => client.names().await,
        Err(_) => Vec::new(),
    };
    let names = names.iter().map(String::as_str).filter(|known| *known != name.as_str());
    let hint = suggest::hint(name.as_str(), names, "`cloudyknight ls` lists the workspaces");
    hinted(format!("the bucket holds nothing of `{name}`"), hint)
}
