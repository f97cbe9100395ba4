//! Where the roles log to: standard error, which is a file when started by `up`, and the journal under a service manager. The
//! last lines of `serve` are also kept in memory, for the API.

use std::io;
use std::sync::Arc;

use cloudyknight_agent::lines::{Limit, Lines};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::environment::variable;

const KEPT: Limit = Limit { lines: 5000, bytes: 4 << 20 };

pub fn to_stderr() {
    begin(None);
}

/// Also keeps the last lines.
pub fn to_stderr_and_memory() -> Arc<Lines> {
    let lines = Arc::new(Lines::new(KEPT));
    begin(Some(lines.clone()));
    lines
}

fn begin(lines: Option<Arc<Lines>>) {
    let filter = EnvFilter::new(variable("CLOUDYKNIGHT_LOG").unwrap_or_else(|| "info,s3s=off".to_owned()));
    let json = variable("CLOUDYKNIGHT_LOG_FORMAT").is_some_and(|format| format == "json");
    let stderr = fmt::layer().with_writer(io::stderr).with_ansi(false);
    let stderr = if json { stderr.json().boxed() } else { stderr.with_target(false).boxed() };
    // For people, whatever a program reads on standard error.
    let kept = lines.map(|lines| fmt::layer().with_writer(Keeper(lines)).with_ansi(false).with_target(false));
    tracing_subscriber::registry().with(filter).with(stderr).with(kept).init();
}

struct Keeper(Arc<Lines>);

/// One event, which is written in one piece.
struct Event(Arc<Lines>);

impl<'a> MakeWriter<'a> for Keeper {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event(self.0.clone())
    }
}

impl io::Write for Event {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(String::from_utf8_lossy(text).trim_end_matches('\n'));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
