//! `cloudyknight restore`: brings a removed workspace back from the releases that are kept of it.

use std::process::ExitCode;

use cloudyknight_core::desired::Taken;

use super::wish;
use crate::args::Patience;
use crate::client::{Client, segment, workspace};
use crate::home::Home;

pub async fn run(
    home: &Home,
    name: &str,
    release: Option<&str>,
    force: bool,
    patience: Patience,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let release = release.map(|release| format!("&release={}", segment(release))).unwrap_or_default();
    let path = workspace(name, &format!("restore?force={force}{release}"));
    let taken: Taken = client.ask(&path).await?;
    if let (Some(release), false) = (&taken.release, json) {
        anstream::eprintln!("the bucket holds the files of {} again", release.short());
    }
    wish::follow(&client, name, patience, json).await
}
