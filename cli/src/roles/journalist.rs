//! Tells the agent's journal what the functions did, where both run in this process. Neither knows of the other.

use std::sync::Arc;

use cloudyknight_agent::deploy::with_causes;
use cloudyknight_agent::journal::{Batch, Journal};
use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_functions::object_changed::Outcome;
use cloudyknight_functions::observe::Observer;
use cloudyknight_functions::sweep::Swept;

pub struct Journalist(pub Arc<Journal>);

impl Observer for Journalist {
    fn changed(&self, outcome: &Outcome) {
        let unreadable = outcome.unreadable.iter().map(|(id, why)| (id.as_str(), with_causes(why)));
        self.0.read(&Batch {
            changes: &outcome.changes,
            sent: &outcome.sent,
            ignored: &outcome.ignored,
            doubts: &outcome.doubts,
            unreadable: unreadable.collect(),
            not_sent: outcome.not_sent.as_ref().map(|error| with_causes(error)),
        });
    }

    fn swept(&self, swept: &Swept) {
        let refused = swept.refused.iter().map(|(workspace, error)| (workspace.clone(), with_causes(error)));
        self.0.swept(&swept.sent, refused.collect());
    }

    fn gave_up(&self, letter: &DeadLetter) {
        self.0.gave_up(letter);
    }
}
