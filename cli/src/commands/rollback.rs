//! `cloudyknight rollback`: goes back to a release that is kept, and stays there whatever is pushed.

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
    patience: Patience,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let before = Before::of(&client, name).await;
    let query = release.map(|release| format!("?release={}", segment(release))).unwrap_or_default();
    let taken: Taken = client.ask(&workspace(name, &format!("rollback{query}"))).await?;
    if let (Some(release), true) = (&taken.release, output.talks()) {
        anstream::eprintln!(
            "going back to {}, and staying there until `cloudyknight unpin {name}`",
            release.short()
        );
    }
    wish::to_the_end(&client, name, &before, patience, output).await
}
