//! The ports on AWS: S3 and SQS, and every server that speaks their protocols, the embedded one included.

mod answer;
mod bucket;
mod conditional;
mod connect;
mod copy;
mod facts;
mod meter;
mod partly;
mod patience;
mod policy;
mod presign;
mod profile;
mod queue;
mod queue_facts;
mod queue_rights;
mod sending;
mod site;
mod verdict;
mod wiring;

pub(crate) use answer::{Answer, NoAnswer, Silence, chain};
pub use bucket::S3Bucket;
pub use connect::{Checksums, Clients, ConnectError, ConnectSettings, StaticCredentials, connect};
pub use copy::Copied;
pub use facts::BucketFacts;
pub use meter::Meter;
pub use patience::Patience;
pub use policy::policy_lets_s3_send;
pub use queue::SqsQueue;
pub use queue_facts::{DeadLetterTarget, QueueFacts};
pub(crate) use queue_facts::{FIND_DEAD_LETTERS, READ_FACTS};
pub use queue_rights::QueueRight;
pub(crate) use wiring::READ_WIRING;
pub use wiring::{Target, Wiring};
