//! What an event's name says happened to the object.

use crate::change::ChangeKind;

/// Whose names and versions a record uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    S3,
    EventBridge,
    /// The names of S3, without a version.
    Summary,
    /// The filer of SeaweedFS.
    Filer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Change(ChangeKind),
    /// The object's content is what it was.
    NoContent,
    Test,
    Unknown,
}

const PUT: Kind = Kind::Change(ChangeKind::Put);
const DELETE: Kind = Kind::Change(ChangeKind::Delete);

impl Family {
    pub fn kind(self, event: &str) -> Kind {
        match self {
            Self::S3 | Self::Summary => of_s3(event),
            Self::EventBridge => of_eventbridge(event),
            Self::Filer => of_filer(event),
        }
    }

    /// AWS promises that the major number grows when an older reader would go wrong, and only then. EventBridge has had
    /// version 0 since it began.
    pub fn knows_version(self, version: &str) -> bool {
        match self {
            Self::S3 => version.split('.').next() == Some("2"),
            Self::EventBridge => version == "0",
            Self::Summary | Self::Filer => true,
        }
    }
}

/// `name` comes with `s3:` before it from MinIO and its relatives, and without from AWS.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>
fn of_s3(name: &str) -> Kind {
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let (what, how) = name.split_once(':').unwrap_or((name, ""));
    match (what, how) {
        // MinIO counts these as creations and removals; the object keeps its content.
        ("ObjectCreated", "PutTagging" | "DeleteTagging" | "PutRetention" | "PutLegalHold")
        | ("ObjectRemoved", "NoOP") => Kind::NoContent,
        ("ObjectCreated", _) => PUT,
        ("ObjectRemoved" | "LifecycleExpiration" | "ReducedRedundancyLostObject", _) => DELETE,
        // What was archived can be read again.
        ("ObjectRestore", "Completed") => PUT,
        // MinIO tells of reads, ours among them: marking those would have every listing cause the next.
        (
            "ObjectAccessed"
            | "ObjectTagging"
            | "ObjectAcl"
            | "ObjectAnnotation"
            | "ObjectRestore"
            | "Replication"
            | "LifecycleTransition"
            | "IntelligentTiering",
            _,
        ) => Kind::NoContent,
        (
            "LifecycleDelMarkerExpiration"
            | "ObjectTransition"
            | "Scanner"
            | "BucketCreated"
            | "BucketRemoved",
            _,
        ) => Kind::NoContent,
        ("ObjectLifecycle" | "ObjectSynced", how) => of_ceph(what, how),
        ("TestEvent", _) => Kind::Test,
        _ => Kind::Unknown,
    }
}

/// What Ceph adds to the events of S3.
/// <https://docs.ceph.com/en/latest/radosgw/s3-notification-compatibility/>
fn of_ceph(what: &str, how: &str) -> Kind {
    match (what, how) {
        ("ObjectLifecycle", "Expiration:AbortMultipartUpload") => Kind::NoContent,
        ("ObjectLifecycle", how) if how.starts_with("Transition") => Kind::NoContent,
        ("ObjectLifecycle", _) | ("ObjectSynced", "Delete" | "DeletionMarkerCreated") => DELETE,
        _ => PUT,
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html>
fn of_eventbridge(detail_type: &str) -> Kind {
    match detail_type {
        "Object Created" | "Object Restore Completed" => PUT,
        "Object Deleted" => DELETE,
        "Object Restore Initiated"
        | "Object Restore Expired"
        | "Object Tags Added"
        | "Object Tags Deleted"
        | "Object ACL Updated"
        | "Object Storage Class Changed"
        | "Object Access Tier Changed" => Kind::NoContent,
        _ => Kind::Unknown,
    }
}

fn of_filer(event_type: &str) -> Kind {
    match event_type {
        "create" | "update" => PUT,
        "delete" => DELETE,
        _ => Kind::Unknown,
    }
}
