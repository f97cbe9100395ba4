//! `cloudyknight restore`: brings a removed workspace back from the releases that are kept of it.

use std::process::ExitCode;

use cloudyknight_core::desired::Taken;

use super::follow::Before;
use super::wish;
use crate::args::Patience;
use crate::client::{Client, segment, workspace};
use crate::home::Home;
use crate::output::Output;

pub async fn run(
    home: &Home,
    name: &str,
    release: Option<&str>,
    force: bool,
    patience: Patience,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let before = Before::of(&client, name).await;
    let release = release.map(|release| format!("&release={}", segment(release))).unwrap_or_default();
    let path = workspace(name, &format!("restore?force={force}{release}"));
    let taken: Taken = client.ask(&path).await?;
    if let (Some(release), true) = (&taken.release, output.talks()) {
        anstream::eprintln!("the bucket holds the files of {} again", release.short());
    }
    wish::to_the_end(&client, name, &before, patience, output).await
}
