//! Faults of SQS: whole calls, and batches that are taken in part.

use std::time::{Duration, Instant};

use cloudyknight_store::hint;
use cloudyknight_store::queue::{Outgoing, Queue, QueueError, Receipt};
use serde_json::{Value, json};

use crate::server::{Does, FaultyServer, Request};

const SECOND: Duration = Duration::from_secs(1);

fn url(server: &FaultyServer) -> String {
    format!("{}/000000000000/events", server.endpoint)
}

/// Receives before a server that always does this.
async fn check(does: Does, refused: bool, attempts: usize, says: &str) {
    let told = format!("{does:?}");
    let server = FaultyServer::always(does).await;
    let begun = Instant::now();
    let queue = server.clients().await.queue(url(&server));
    let error = queue.receive(10, Duration::ZERO, SECOND).await.unwrap_err();
    assert_eq!(matches!(error, QueueError::Refused { .. }), refused, "{told}: {error:?}");
    assert_eq!(server.requests().len(), attempts, "{told}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{told} took {:?}", begun.elapsed());
    let hint = hint::of(&error).unwrap_or_default();
    assert!(hint.contains(says), "{told}: {hint:?} does not say {says:?}");
}

#[tokio::test]
async fn refusals_are_not_repeated_and_say_what_is_wrong() {
    let refused = async |status, code, message, says| {
        check(Does::sqs(status, code, message), true, 1, says).await;
    };
    refused(400, "AWS.SimpleQueueService.NonExistentQueue", "none", "no queue `events`").await;
    refused(403, "InvalidClientTokenId", "unknown", "AWS_ACCESS_KEY_ID").await;
    refused(403, "UnrecognizedClientException", "unknown", "AWS_ACCESS_KEY_ID").await;
    refused(403, "SignatureDoesNotMatch", "no match", "AWS_SECRET_ACCESS_KEY").await;
    refused(403, "InvalidSignatureException", "Signature expired: 2026 is now earlier", "clock").await;
    refused(403, "AccessDenied", "not authorized", "sqs:ReceiveMessage on the queue `events`").await;
    refused(400, "AccessDeniedException", "not authorized", "").await;
    refused(400, "KmsAccessDenied", "no", "kms:Decrypt").await;
    let plain = Does::answers(
        400,
        json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}).to_string(),
    );
    check(plain, true, 1, "no queue `events`").await;
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_later() {
    let later = async |status, code, attempts, says| {
        check(Does::sqs(status, code, "later"), false, attempts, says).await;
    };
    later(403, "OverLimit", 1, "neither deleted nor given back").await;
    later(400, "KmsThrottled", 1, "").await;
    later(403, "ExpiredToken", 1, "ran out").await;
    later(403, "ExpiredTokenException", 1, "ran out").await;
    later(400, "RequestThrottled", 3, "fewer requests").await;
    later(500, "InternalError", 3, "a fault of its own").await;
    check(Does::answers(503, ""), false, 3, "a fault of its own").await;
    check(Does::Hangs, false, 3, "does not answer in time").await;
    check(Does::Cuts, false, 3, "broke").await;
}

/// The attempt's own limit is 300 ms here: the poll has its wait on top.
#[tokio::test]
async fn a_long_poll_is_no_hanging_server() {
    let server = FaultyServer::always(Does::Hangs).await;
    let queue = server.clients().await.queue(url(&server));
    let begun = Instant::now();
    let waited = tokio::time::timeout(SECOND, queue.receive(10, Duration::from_secs(20), SECOND)).await;
    assert!(waited.is_err(), "given up after {:?}: {waited:?}", begun.elapsed());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_wait_makes_nobody_spin() {
    let server = FaultyServer::always(Does::answers(200, "{}")).await;
    let queue = server.clients().await.queue(url(&server));
    let begun = Instant::now();
    assert_eq!(queue.receive(10, Duration::from_secs(20), SECOND).await.unwrap(), []);
    assert!(begun.elapsed() >= SECOND, "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(queue.receive(10, Duration::ZERO, SECOND).await.unwrap(), []);
    assert!(begun.elapsed() < SECOND, "nobody asked it to wait");
}

/// The entries that a request asks for.
fn entries(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    body["Entries"].as_array().unwrap().clone()
}

/// Takes every entry but that of this text, which fails the first `times`.
async fn takes_all_but(marked: &'static str, times: usize, sender_fault: bool) -> FaultyServer {
    FaultyServer::start(move |number, request| {
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for entry in entries(request) {
            let id = &entry["Id"];
            if number < times && entry.to_string().contains(marked) {
                failed.push(json!({"Id": id, "Code": "Odd", "Message": "no", "SenderFault": sender_fault}));
            } else {
                taken.push(json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": ""}));
            }
        }
        Does::answers(200, json!({"Successful": taken, "Failed": failed}).to_string())
    })
    .await
}

fn messages() -> Vec<Outgoing> {
    let message = |body: &str| Outgoing { body: body.to_owned(), group: None, dedup: None };
    ["one", "marked", "three"].map(message).to_vec()
}

fn receipts() -> Vec<Receipt> {
    ["one", "marked", "three"].map(|receipt| Receipt(receipt.to_owned())).to_vec()
}

fn sizes(server: &FaultyServer) -> Vec<usize> {
    server.requests().iter().map(|request| entries(request).len()).collect()
}

#[tokio::test]
async fn what_was_not_taken_of_a_batch_is_sent_again_alone() {
    let server = takes_all_but("marked", 2, false).await;
    let queue = server.clients().await.queue(url(&server));
    queue.send(messages()).await.unwrap();
    assert_eq!(sizes(&server), [3, 1, 1]);

    let server = takes_all_but("marked", 2, false).await;
    let queue = server.clients().await.queue(url(&server));
    queue.delete(receipts()).await.unwrap();
    assert_eq!(sizes(&server), [3, 1, 1]);
}

#[tokio::test]
async fn what_is_never_taken_is_told_after_four_times() {
    let server = takes_all_but("marked", usize::MAX, false).await;
    let queue = server.clients().await.queue(url(&server));
    let unavailable = |result| assert!(matches!(result, Err(QueueError::Unavailable { .. })), "{result:?}");
    unavailable(queue.send(messages()).await);
    unavailable(queue.delete(receipts()).await);
    unavailable(queue.extend_all(&receipts(), SECOND).await);
    assert_eq!(sizes(&server), [3, 1, 1, 1, 3, 1, 1, 1, 3, 1, 1, 1]);
}

#[tokio::test]
async fn a_faulty_message_is_refused_and_a_receipt_that_ran_out_deletes_nothing() {
    let server = takes_all_but("marked", usize::MAX, true).await;
    let queue = server.clients().await.queue(url(&server));
    let sent = queue.send(messages()).await;
    assert!(matches!(sent, Err(QueueError::Refused { .. })), "{sent:?}");
    queue.delete(receipts()).await.unwrap();
    assert_eq!(sizes(&server), [3, 3]);
}

#[tokio::test]
async fn ids_that_a_fifo_queue_does_not_take_are_sent_as_digests() {
    let server = takes_all_but("nothing", 0, false).await;
    let queue = server.clients().await.queue(format!("{}.fifo", url(&server)));
    let message = |group: &str, dedup: Option<&str>| Outgoing {
        body: "{}".to_owned(),
        group: Some(group.to_owned()),
        dedup: dedup.map(str::to_owned),
    };
    let long = "x".repeat(200);
    queue
        .send(vec![message("www", Some("plain")), message("é é", Some(&long)), message("api", None)])
        .await
        .unwrap();
    let sent = entries(&server.requests()[0]);
    let field = |at: usize, name: &str| sent[at][name].as_str().unwrap().to_owned();
    assert_eq!(
        (field(0, "MessageGroupId"), field(0, "MessageDeduplicationId")),
        ("www".into(), "plain".into())
    );
    assert_eq!((field(1, "MessageGroupId").len(), field(1, "MessageDeduplicationId").len()), (64, 64));
    assert_eq!((field(2, "MessageGroupId").as_str(), field(2, "MessageDeduplicationId").len()), ("api", 32));
}
