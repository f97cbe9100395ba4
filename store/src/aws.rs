//! The ports on AWS: S3 and SQS, and every server that speaks their protocols, the embedded one included.

mod bucket;
mod connect;
mod queue;
mod sending;
mod verdict;

pub use bucket::S3Bucket;
pub use connect::{Checksums, Clients, ConnectError, ConnectSettings, StaticCredentials, connect};
pub use queue::SqsQueue;
