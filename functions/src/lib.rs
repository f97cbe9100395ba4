//! The stateless handlers around the queues: what servers post, which workspace changed, what was missed, and what was
//! given up on.
//!
//! Each handler takes values and ports and returns what it did; it holds nothing between two calls. The same handlers
//! run in the platform's own process, where [`pump`] feeds them, and as AWS Lambda functions, where the mains in
//! `src/bin` do.

pub mod ingest;

pub mod object_changed;

pub mod sweep;

pub mod dead_letter;

pub mod pump;

pub mod observe;

pub mod clock;

#[cfg(feature = "lambda")]
pub mod lambda;

mod backoff;
mod chain;
mod trace;

/// A message of a queue, as a handler sees it: no receipt, because whoever received it settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    pub id: &'a str,
    pub body: &'a str,
}
