//! Why something beside the agent does not work at the moment: noted by whoever finds it out, read by whoever asks how
//! the platform is.

use std::error::Error;
use std::sync::{Arc, Mutex};

use crate::deploy::with_causes;

/// Shared by those two; empty while all is well.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<Told>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub message: String,
    pub hint: Option<String>,
}

/// Of the functions that run in this process; `None` where they do not.
#[derive(Clone, Debug, Default)]
pub struct FunctionTroubles {
    /// Notifications cannot be received.
    pub events: Option<Trouble>,
    /// Commands cannot be sent.
    pub sending: Option<Trouble>,
}

impl Trouble {
    /// It does not work, and this is the last that was heard of the reason.
    pub fn note(&self, error: &(dyn Error + 'static)) {
        self.set(Some(Told { message: with_causes(error), hint: cloudyknight_store::hint::of(error) }));
    }

    /// It works (again).
    pub fn is_over(&self) {
        self.set(None);
    }

    pub fn told(&self) -> Option<Told> {
        self.0.lock().expect("nothing panics while it holds this").clone()
    }

    fn set(&self, told: Option<Told>) {
        *self.0.lock().expect("nothing panics while it holds this") = told;
    }
}
