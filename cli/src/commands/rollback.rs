//! `cloudyknight rollback`: goes back to a release that is kept, and stays there whatever is pushed.

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
    patience: Patience,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let query = release.map(|release| format!("?release={}", segment(release))).unwrap_or_default();
    let taken: Taken = client.ask(&workspace(name, &format!("rollback{query}"))).await?;
    if let (Some(release), false) = (&taken.release, json) {
        anstream::eprintln!(
            "going back to {}, and staying there until `cloudyknight unpin {name}`",
            release.short()
        );
    }
    wish::follow(&client, name, patience, json).await
}
