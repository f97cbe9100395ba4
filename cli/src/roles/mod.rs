//! The platform's processes: `run` keeps `serve` and `edge` alive, and neither needs the other to keep going.

pub mod edge;
pub mod ingest;
mod journalist;
pub mod lock;
pub mod log;
pub mod mount;
pub mod ports;
pub mod serve;
pub mod supervise;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to stop.
pub async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Each request that is carried needs two descriptors, and the usual limit is made for small programs.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// The exit code of a role that cannot work with these settings: starting it again would not help.
pub const EXIT_SETTINGS: u8 = 78;
