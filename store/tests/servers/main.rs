//! The adapters against real servers, each started by its test: the suites of both ports, and what only S3 and SQS have.
//!
//! Where a server does not do what S3 or SQS does, its test says so by name: see `except` and `cannot_hold`.
//! `CLOUDYKNIGHT_TEST_BACKENDS` names the servers to test, with spaces or commas in between; all of them when it is not
//! set. One that is to be tested and is not installed fails its tests.

mod bucket_suite;
mod buckets;
mod copies;
mod facts;
#[allow(dead_code, reason = "what takes five minutes is for clocks that can be turned")]
#[path = "../embedded/queue_suite.rs"]
mod queue_suite;
mod queues;
mod server;
