//! What follows a switch of protocols (WebSocket and the like): bytes, both ways, until either side ends. The
//! backend stays leased and the client's connection keeps its place until then.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::connection::Visitor;
use crate::lease::Lease;

/// Carries the tunnel in the background, from when both sides have switched.
pub(crate) fn open(visitor: &Arc<Visitor>, lease: Lease, client: OnUpgrade, backend: OnUpgrade) {
    let visitor = visitor.clone();
    let tasks = visitor.listening.tasks.clone();
    tasks.spawn(async move {
        let workspace = lease.route.workspace.clone();
        tokio::select! {
            ended = carry(client, backend) => if let Err(error) = ended {
                tracing::debug!(%workspace, %error, "a tunnel broke off");
            },
            () = visitor.listening.cut_off.cancelled() => tracing::debug!(%workspace, "a tunnel was cut off"),
        }
        drop(lease);
    });
}

async fn carry(
    client: OnUpgrade,
    backend: OnUpgrade,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, backend) = tokio::try_join!(client, backend)?;
    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(backend)).await?;
    Ok(())
}
