//! The adapters against real servers, each started by its test: the suites of both ports, and what only S3 and SQS have.
//!
//! Where a server does not do what S3 or SQS does, its test says so by name: see `except` and `cannot_hold`.
//! The names of the tests say which server they want, as everywhere: test.sh leaves those out whose server cannot be had,
//! and says so in the end. One that is not installed fails its tests.

mod bucket_suite;
mod buckets;
mod copies;
mod facts;
#[allow(dead_code, reason = "what takes five minutes is for clocks that can be turned")]
#[path = "../embedded/queue_suite.rs"]
mod queue_suite;
mod queues;
mod server;
