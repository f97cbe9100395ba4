//! Where traces begin: the notifications of S3 carry none, so the function that decides a command gives it one.

use cloudyknight_core::command::Command;
use cloudyknight_core::trace::TraceParent;

/// The command as part of `outer`, the trace that already goes on around it, or else of one of its own.
pub(crate) fn traced(command: Command, outer: Option<&TraceParent>) -> Command {
    match outer.cloned().or_else(begun) {
        Some(trace) => command.traced(trace),
        None => command,
    }
}

/// None where the machine has no randomness to give: a trace is worth no failure.
fn begun() -> Option<TraceParent> {
    let mut ids = [0; 24];
    getrandom::fill(&mut ids).ok()?;
    let (trace, span) = (ids.first_chunk()?, ids.last_chunk()?);
    TraceParent::new(*trace, *span)
}

/// As it is written in log lines; empty where there is none.
pub(crate) fn id(command: &Command) -> String {
    command.traceparent.as_ref().map(TraceParent::trace_id).unwrap_or_default()
}
