//! The files of a workspace through the API, for whoever has a token and no credentials of the store.

use cloudyknight_core::files::{File, Files};
use cloudyknight_core::workspace::WorkspaceName;

use crate::client::{Client, Older, segment, workspace};
use crate::errors::hinted;

/// All files of a workspace; none of one that nobody knows.
pub async fn through_api(client: &Client, name: &WorkspaceName) -> anyhow::Result<Vec<File>> {
    let all: anyhow::Result<Files> = client.all(&workspace(name.as_str(), "files")).await;
    let all = all.map_err(|error| match error.downcast::<Older>() {
        Ok(_) => hinted(
            "the platform cannot be pushed to through its API",
            "set AWS_ENDPOINT_URL and credentials, as `cloudyknight env` prints them there; or update the platform",
        ),
        Err(error) => error,
    })?;
    Ok(all.files)
}

/// Where one file is in the API.
pub fn in_api(name: &WorkspaceName, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(segment).collect();
    workspace(name.as_str(), &format!("files/{}", path.join("/")))
}
