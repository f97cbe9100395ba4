//! The keeper's end of the line from the store: what changed is forgotten by rclone before the client that changed it
//! hears that it did. Whenever the line is new, every folder is listed anew first.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::control::Control;
use super::written::Written;

/// Less than the store waits for us.
const PATIENCE: Duration = Duration::from_millis(400);
/// For all that is known.
const LONG: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(100);

/// Follows the store for as long as rclone lives.
pub async fn follow(changes: &Path, control: &Control, written: &Written) {
    let mut is_told = false;
    loop {
        match listen(changes, control, written).await {
            Ok(()) => is_told = false,
            // Once: while the platform restarts, it is the same every time.
            Err(error) if !is_told => {
                tracing::warn!(error = format!("{error:#}"), "the store cannot tell of changes; trying on");
                is_told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(changes: &Path, control: &Control, written: &Written) -> anyhow::Result<()> {
    let stream = UnixStream::connect(changes).await.context("the platform does not listen")?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut is_new = true;
    while let Some(line) = lines.next_line().await? {
        let keys: Vec<String> =
            serde_json::from_str(&line).context("the store said something else than keys")?;
        if std::mem::take(&mut is_new) {
            // From now on we are told of everything. Of what was before we know nothing.
            control.refresh_all(LONG).await?;
        } else {
            control.forget(&keys, PATIENCE).await?;
            let folders = written.folders_of(&keys);
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            control.refresh(&folders, PATIENCE).await?;
        }
        write.write_all(b"\n").await?;
    }
    Ok(())
}
