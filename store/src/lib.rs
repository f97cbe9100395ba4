//! The two ports that the platform rests on, and their adapters.
//!
//! A [`bucket::Bucket`] holds objects, a [`queue::Queue`] carries messages at least once. `embedded` keeps both
//! in one SQLite file and serves the S3 protocol; `aws` speaks to S3 and SQS; `memory` and `failing` are for
//! tests: the ports without disk or server, and around any port one that fails on demand.

pub mod bucket;

pub mod listing;

pub mod queue;

pub mod memory;

pub mod aws;

pub mod hint;

pub mod failing;

pub mod embedded;
