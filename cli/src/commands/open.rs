//! `cloudyknight open`: the address of a workspace, or of the platform; shown in a browser where there is a display.

use std::process::{Command, ExitCode, Stdio};

use cloudyknight_core::status::WorkspaceStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::status::Workspaces;
use crate::client::{Client, segment};
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;
use crate::output::Output;
use crate::show;

/// What `open --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Opened {
    version: u32,
    url: String,
    /// Whether a browser was asked to show it.
    opened: bool,
}

pub async fn run(home: &Home, name: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let url = match name {
        Some(name) => of_workspace(&client, name).await?,
        None => of_platform(home, &client).await?,
    };
    let opened = has_display() && show_in_browser(&url);
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&Opened { version: 1, url, opened })?);
    } else {
        anstream::println!("{url}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_workspace(client: &Client, name: &str) -> anyhow::Result<String> {
    let status: WorkspaceStatus = client.get(&format!("/api/v1/workspaces/{}", segment(name))).await?;
    status.urls.first().cloned().ok_or_else(|| {
        let message = format!("`{name}` has no address: it is {}", show::state(status.state));
        hinted(message, format!("`cloudyknight status {name}` tells more"))
    })
}

/// Where the edge is, or else the first page that there is.
async fn of_platform(home: &Home, client: &Client) -> anyhow::Result<String> {
    if home.remote().is_none()
        && let Some(endpoints) = home.endpoints()?
    {
        return Ok(endpoints.edge);
    }
    if let Some(url) = variable("CLOUDYKNIGHT_URL") {
        return Ok(url);
    }
    let all = Workspaces::of(client).await?;
    let of =
        |name: &str| all.workspaces.iter().find(|one| one.workspace.as_str() == name)?.urls.first().cloned();
    of("www").or_else(|| of("monitor")).ok_or_else(|| {
        hinted("nobody says where the platform's pages are", "`cloudyknight open NAME` opens a workspace")
    })
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| variable(name).is_some())
}

/// Whether there is a program for that; what becomes of it is between it and the person.
fn show_in_browser(url: &str) -> bool {
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
