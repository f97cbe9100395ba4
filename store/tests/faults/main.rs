//! The AWS adapters before a server that fails in every way: each gets the right verdict and hint, after a number of
//! attempts and a time that are bounded.

mod bucket;
mod conditions;
mod queue;
mod server;
