//! What an event's name says happened to the object.

use crate::change::ChangeKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Change(ChangeKind),
    /// The object's content is what it was.
    NoContent,
    Unknown,
}

/// `name` comes with `s3:` before it from MinIO and its relatives, and without from AWS. What stands after the
/// first `:` tells how it happened, which does not matter here.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>
pub(super) fn of_event(name: &str) -> Kind {
    let name = name.strip_prefix("s3:").unwrap_or(name);
    match name.split(':').next().unwrap_or_default() {
        "ObjectCreated" => Kind::Change(ChangeKind::Put),
        "ObjectRemoved" | "LifecycleExpiration" | "ReducedRedundancyLostObject" => {
            Kind::Change(ChangeKind::Delete)
        }
        // MinIO tells of reads, ours among them: marking those would have every listing cause the next.
        "ObjectAccessed"
        | "ObjectTagging"
        | "ObjectAcl"
        | "ObjectAnnotation"
        | "Replication"
        | "LifecycleTransition"
        | "IntelligentTiering" => Kind::NoContent,
        _ => Kind::Unknown,
    }
}
