//! Who is told what the handlers did, beside the log: the platform's journal, where one runs in the same process. Nobody
//! waits for an observer, so it must be quick and cannot fail.

use cloudyknight_core::dead_letter::DeadLetter;

use crate::object_changed::Outcome;
use crate::sweep::Swept;

pub trait Observer: Send + Sync + 'static {
    /// A batch of notifications was read: sent commands, or, where [`Outcome::not_sent`] says so, could not send them yet.
    fn changed(&self, outcome: &Outcome);

    fn swept(&self, swept: &Swept);

    /// A message was given up on, and written down.
    fn gave_up(&self, letter: &DeadLetter);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn changed(&self, _: &Outcome) {}

    fn swept(&self, _: &Swept) {}

    fn gave_up(&self, _: &DeadLetter) {}
}
