//! The keeper's end of the line from the store: what changed is forgotten by rclone before the client that changed it
//! hears that it did. Whenever the line is new, everything is forgotten first.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::control::Control;

/// Less than the store waits for us.
const PATIENCE: Duration = Duration::from_millis(400);
const AGAIN: Duration = Duration::from_millis(100);

/// Follows the store for as long as rclone lives.
pub async fn follow(changes: &Path, control: &Control) {
    let mut is_told = false;
    loop {
        match listen(changes, control).await {
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

async fn listen(changes: &Path, control: &Control) -> anyhow::Result<()> {
    let stream = UnixStream::connect(changes).await.context("the platform does not listen")?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut is_new = true;
    while let Some(line) = lines.next_line().await? {
        let keys: Vec<String> =
            serde_json::from_str(&line).context("the store said something else than keys")?;
        // The first line says that from now on we are told of everything. Of what was before we know nothing.
        match std::mem::take(&mut is_new) {
            true => control.forget_all(PATIENCE).await?,
            false => control.forget(&keys, PATIENCE).await?,
        }
        write.write_all(b"\n").await?;
    }
    Ok(())
}
