//! Notifications in, commands out: reads a batch from the events queue, decides which workspaces it marks, and puts
//! one command a workspace on the commands queue.

use std::collections::{BTreeMap, BTreeSet};

use cloudyknight_core::change::Change;
use cloudyknight_core::command::Command;
use cloudyknight_core::decision::decide;
use cloudyknight_core::notification::{self, Doubt, Ignored, NotANotification};
use cloudyknight_core::origin::{Moment, Origin};
use cloudyknight_core::trace::TraceParent;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::queue::{Outgoing, Queue, QueueError};

use crate::chain::Chain;
use crate::{Incoming, clock, trace};

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Ids of the messages that must be delivered again; all others are done with.
    pub failed: Vec<String>,
    pub sent: Vec<Command>,
    /// What the notifications say has changed, in their order.
    pub changes: Vec<Change>,
    /// Why no command was sent. Then the whole batch failed.
    pub not_sent: Option<QueueError>,
    /// Messages that are no notifications, by id. They fail each time, until the queue puts them among its dead letters.
    pub unreadable: Vec<(String, NotANotification)>,
    pub ignored: Vec<Ignored>,
    pub doubts: Vec<Doubt>,
}

/// Handles a batch of notifications about `bucket`, which was received at `notified_at`. Each command begins a trace, unless
/// `outer` goes on already.
///
/// A batch that is delivered again sends the same commands under the same deduplication ids, so that the queue drops
/// them; a later change comes with another message, so its command is another.
pub async fn handle(
    batch: &[Incoming<'_>],
    bucket: &str,
    commands: &dyn Queue,
    outer: Option<&TraceParent>,
    notified_at: Moment,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut messages: BTreeMap<WorkspaceName, BTreeSet<&str>> = BTreeMap::new();
    for message in batch {
        match notification::parse(message.body, bucket) {
            Ok(parsed) => {
                for change in parsed.changes {
                    messages.entry(change.workspace.clone()).or_default().insert(message.id);
                    outcome.changes.push(change);
                }
                outcome.ignored.extend(parsed.ignored);
                outcome.doubts.extend(parsed.doubts);
            }
            Err(why) => outcome.unreadable.push((message.id.to_owned(), why)),
        }
    }
    let decided_at = clock::moment();
    let decided: Vec<_> = decide(&outcome.changes)
        .into_iter()
        .map(|command| trace::traced(timed(command, notified_at, decided_at), outer))
        .collect();
    let outgoing = decided
        .iter()
        .map(|command| {
            // By what was received alone: the trace is another at each try, and so are the times.
            let dedup = messages.get(&command.workspace).map(|ids| dedup(&command.workspace, ids));
            outgoing(command, dedup)
        })
        .collect();
    outcome.send(decided, outgoing, batch, commands).await;
    outcome
}

fn timed(command: Command, notified_at: Moment, decided_at: Moment) -> Command {
    let origin = command.origin.unwrap_or_default();
    let origin = Origin { notified_at: Some(notified_at), decided_at: Some(decided_at), ..origin };
    Command { origin: Some(origin), ..command }
}

/// A command, ready for the queue: one group a workspace, so that its commands stay in order.
pub(crate) fn outgoing(command: &Command, dedup: Option<String>) -> Outgoing {
    Outgoing { body: command.to_json(), group: Some(command.workspace.to_string()), dedup }
}

/// The workspace is part of it because one message may mark several, and a queue knows only one space of ids.
fn dedup(workspace: &WorkspaceName, messages: &BTreeSet<&str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(workspace.as_str()).chain(messages.iter().copied()) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

impl Outcome {
    async fn send(
        &mut self,
        decided: Vec<Command>,
        outgoing: Vec<Outgoing>,
        batch: &[Incoming<'_>],
        commands: &dyn Queue,
    ) {
        // Nothing to send is nothing to fail: a batch of test events must not depend on the commands queue.
        match if outgoing.is_empty() { Ok(()) } else { commands.send(outgoing).await } {
            Ok(()) => {
                self.sent = decided;
                self.failed = self.unreadable.iter().map(|(id, _)| id.clone()).collect();
            }
            Err(error) => {
                self.not_sent = Some(error);
                self.failed = batch.iter().map(|message| message.id.to_owned()).collect();
            }
        }
    }

    /// Writes to the log what somebody may have to act on, one line a kind and batch: a burst must not flood it. And
    /// one line a command, where its trace begins.
    pub fn log(&self) {
        if let Some(error) = &self.not_sent {
            let messages = self.failed.len();
            tracing::error!(messages, error = %Chain(error), "sent no commands; the notifications come again");
        }
        if let Some((id, error)) = self.unreadable.first() {
            let messages = self.unreadable.len();
            tracing::warn!(messages, first = id, error = %Chain(error), "messages on the events queue are no notifications");
        }
        if let Some(doubt) = self.doubts.first() {
            let records = self.doubts.len();
            tracing::warn!(records, first = %doubt, "marked workspaces by records that are not wholly understood");
        }
        let (ordinary, strange): (Vec<_>, Vec<_>) =
            self.ignored.iter().partition(|ignored| ignored.why.is_ordinary());
        if let Some(Ignored { key, why }) = strange.first() {
            let records = strange.len();
            tracing::warn!(records, first = ?key, why = %Chain(why), "records that deploy nothing, which may surprise");
        }
        if let Some(Ignored { key, why }) = ordinary.first() {
            tracing::debug!(records = ordinary.len(), first = ?key, why = %Chain(why), "ignored records");
        }
        for command in &self.sent {
            tracing::info!(workspace = %command.workspace, trace_id = trace::id(command), "sent a command");
        }
    }
}

#[cfg(test)]
mod tests;
