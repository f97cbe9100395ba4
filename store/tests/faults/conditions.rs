//! Writes under a condition before servers that know none, ignore them, or have another opinion.

use bytes::Bytes;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition};

use crate::server::{Does, FaultyServer};

fn methods(server: &FaultyServer) -> Vec<String> {
    server.requests().into_iter().map(|request| request.method).collect()
}

/// Refuses a condition like this; otherwise holds one object with this ETag, or none.
async fn without_conditions(refusal: Does, etag: Option<&'static str>) -> FaultyServer {
    FaultyServer::start(move |_, request| {
        let conditional =
            ["if-match", "if-none-match"].iter().any(|name| request.headers.contains_key(*name));
        match (request.method.as_str(), etag) {
            ("PUT", _) if conditional => refusal.clone(),
            ("PUT", _) => Does::answers(200, "").with("etag", "\"written\""),
            ("HEAD", Some(etag)) => Does::answers(200, "").with("etag", &format!("\"{etag}\"")),
            ("HEAD", None) => Does::answers(404, ""),
            _ => Does::answers(204, ""),
        }
    })
    .await
}

#[tokio::test]
async fn a_server_without_conditions_is_asked_first_and_remembered() {
    for refusal in [
        Does::s3(501, "NotImplemented", "no"),
        Does::s3(
            400,
            "InvalidArgument",
            "A header you provided implies functionality that is not implemented",
        ),
    ] {
        let server = without_conditions(refusal, None).await;
        let bucket = server.clients().await.bucket("apps");
        let put = async || bucket.put_if("k", Bytes::from_static(b"x"), &Condition::Absent).await.unwrap();
        assert_eq!(put().await, "written");
        assert_eq!(methods(&server), ["PUT", "HEAD", "PUT"]);
        put().await;
        assert_eq!(methods(&server)[3..], ["HEAD", "PUT"]);
    }
}

#[tokio::test]
async fn a_server_without_conditions_is_not_written_to_when_they_do_not_hold() {
    let no = || Does::s3(501, "NotImplemented", "no");
    let check = async |etag, condition: Condition, holds: bool| {
        let server = without_conditions(no(), etag).await;
        let written = server.clients().await.bucket("apps").put_if("k", Bytes::new(), &condition).await;
        match holds {
            true => assert_eq!(written.unwrap(), "written"),
            false => assert!(matches!(written, Err(BucketError::Changed { .. })), "{written:?}"),
        }
    };
    check(None, Condition::Absent, true).await;
    check(Some("old"), Condition::Absent, false).await;
    check(Some("old"), Condition::Unchanged("old".into()), true).await;
    check(Some("new"), Condition::Unchanged("old".into()), false).await;
    check(None, Condition::Unchanged("old".into()), false).await;
    let server = without_conditions(no(), None).await;
    assert!(!server.clients().await.bucket("apps").conditional_writes("scratch").await.unwrap());
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_found_out() {
    let server = FaultyServer::start(|_, request| match request.method.as_str() {
        "PUT" => Does::answers(200, "").with("etag", "\"written\""),
        _ => Does::answers(204, ""),
    });
    let server = server.await;
    assert!(!server.clients().await.bucket("apps").conditional_writes("scratch").await.unwrap());
}

#[tokio::test]
async fn whatever_says_that_somebody_else_was_there_is_told_as_changed() {
    for (status, code) in
        [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict"), (404, "NoSuchKey")]
    {
        let server = FaultyServer::always(Does::s3(status, code, "no")).await;
        let condition = Condition::Unchanged("old".into());
        let written = server.clients().await.bucket("apps").put_if("k", Bytes::new(), &condition).await;
        assert!(matches!(written, Err(BucketError::Changed { .. })), "{code}: {written:?}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

/// The first attempt may have been carried out: a second would fail its own condition.
#[tokio::test]
async fn a_write_under_a_condition_is_sent_once() {
    for does in [Does::Cuts, Does::Hangs, Does::answers(500, "")] {
        let server = FaultyServer::always(does).await;
        let written =
            server.clients().await.bucket("apps").put_if("k", Bytes::new(), &Condition::Absent).await;
        assert!(matches!(written, Err(BucketError::Unavailable { .. })), "{written:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_read_of_a_version_is_checked_where_the_server_does_not() {
    let server = FaultyServer::always(Does::answers(200, "new").with("etag", "\"new\"")).await;
    let bucket = server.clients().await.bucket("apps");
    let read = bucket.get("k", Some("old")).await.map(|content| content.object);
    assert!(matches!(read, Err(BucketError::Changed { .. })), "{read:?}");
    assert_eq!(bucket.get("k", Some("new")).await.unwrap().object.etag, "new");
}
