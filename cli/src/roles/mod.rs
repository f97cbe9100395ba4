//! The platform's processes: `run` keeps `serve` and `edge` alive, and neither needs the other to keep going.

pub mod edge;
pub mod ingest;
pub mod lock;
pub mod ports;
pub mod serve;
pub mod supervise;
pub mod watched;

use tokio::signal::unix::{SignalKind, signal};

use crate::environment::variable;

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

/// Logs go to standard error: a file when started by `up`, the journal under a service manager.
pub fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::new(variable("CLOUDYKNIGHT_LOG").unwrap_or_else(|| "info,s3s=off".to_owned()));
    let json = variable("CLOUDYKNIGHT_LOG_FORMAT").is_some_and(|format| format == "json");
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if json { builder.json().init() } else { builder.with_target(false).init() }
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
