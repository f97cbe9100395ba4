//! An exhausted message becomes a failure that people can see: a document in the platform bucket, from where `status`
//! and the dashboard show it.

use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::{Bucket, BucketError};

use crate::Incoming;
use crate::chain::Chain;
use crate::observe::Observer;

/// Writes down messages found on the dead-letter queue `queue`, and answers the ids of those that must come again.
/// `bucket` is the workspaces bucket; `at` is now, RFC 3339 in UTC.
///
/// A message that comes again writes the same document again.
pub async fn handle(
    batch: &[Incoming<'_>],
    queue: &str,
    bucket: &str,
    at: &str,
    platform: &dyn Bucket,
    observer: &dyn Observer,
) -> Vec<String> {
    for (done, message) in batch.iter().enumerate() {
        let letter = DeadLetter::of(message.id, queue, message.body, bucket, at.to_owned());
        if let Err(error) = write(&letter, platform).await {
            let (id, left) = (message.id, &batch[done..]);
            tracing::error!(id, queue, error = %Chain(&error), "could not write down a dead letter; it comes again");
            // A bucket that failed once would only keep us waiting for each of the others.
            return left.iter().map(|message| message.id.to_owned()).collect();
        }
        observer.gave_up(&letter);
    }
    Vec::new()
}

async fn write(letter: &DeadLetter, platform: &dyn Bucket) -> Result<(), BucketError> {
    let document = serde_json::to_vec_pretty(letter).expect("a dead letter is plain data");
    platform.put(&letter.key(), document.into()).await?;
    let names: Vec<_> = letter.workspaces.iter().map(WorkspaceName::as_str).collect();
    let DeadLetter { id, queue, reason, .. } = letter;
    tracing::error!(
        id,
        queue,
        workspaces = names.join(" "),
        reason,
        document = letter.key(),
        "gave up on a message"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::observe::Nobody;
    use cloudyknight_store::failing::{BucketOperation, FailingBucket, Fault};
    use cloudyknight_store::memory::MemoryBucket;

    const AT: &str = "2026-01-02T03:04:05Z";

    fn message<'a>(id: &'a str) -> Incoming<'a> {
        Incoming {
            id,
            body: r#"{"version":1,"workspace":"app","action":"reconcile","cause":{"kind":"sweep"}}"#,
        }
    }

    #[tokio::test]
    async fn an_exhausted_message_is_a_document_in_the_platform_bucket() {
        let platform = MemoryBucket::new("cloudyknight");
        assert_eq!(
            handle(&[message("m-1")], "commands-dead", "workspaces", AT, &platform, &Nobody).await,
            [""; 0]
        );
        let document = platform.get("dead-letters/m-1.json", None).await.unwrap().bytes().await.unwrap();
        let letter: DeadLetter = serde_json::from_slice(&document).unwrap();
        assert_eq!(
            (letter.workspaces, letter.queue.as_str(), letter.at.as_str()),
            (vec!["app".parse().unwrap()], "commands-dead", AT)
        );
    }

    #[tokio::test]
    async fn what_is_not_written_down_comes_again() {
        let platform = FailingBucket::new(Arc::new(MemoryBucket::new("cloudyknight")));
        platform.fail_when(|operation, key| {
            (operation == BucketOperation::Put && key.contains("m-2")).then_some(Fault::Unavailable)
        });
        let batch = [message("m-1"), message("m-2"), message("m-3")];
        let again = handle(&batch, "commands-dead", "workspaces", AT, &platform, &Nobody).await;
        assert_eq!(again, ["m-2", "m-3"]);
        assert_eq!(platform.list("dead-letters/").await.unwrap().len(), 1);
    }
}
