//! Both ports in memory, with the same promises as the real ones except durability: for tests of what stands on the
//! ports. Time is tokio's, so that a test may pause it and let visibility and deduplication run out at once.

mod bucket;
mod queue;

pub use bucket::MemoryBucket;
pub use queue::{DEDUP_WINDOW, MemoryQueue};
