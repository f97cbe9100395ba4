//! Faults of S3, and of the way to it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cloudyknight_store::aws::{self, ConnectSettings, StaticCredentials};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow};
use cloudyknight_store::hint;

use crate::server::{Does, FaultyServer, PATIENCE};

/// Lists a bucket before a server that always does this: what follows, how often it was asked, and what the hint says.
async fn check(does: Does, follow: Follow, attempts: usize, says: &str) {
    let told = format!("{does:?}");
    let server = FaultyServer::always(does).await;
    let begun = Instant::now();
    let error = server.clients().await.bucket("apps").list("www/").await.unwrap_err();
    assert_eq!((error.follow(), server.requests().len()), (follow, attempts), "{told}: {error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{told} took {:?}", begun.elapsed());
    let hint = hint::of(&error).unwrap_or_default();
    assert!(hint.contains(says), "{told}: {hint:?} does not say {says:?}");
}

#[tokio::test]
async fn a_server_with_faults_of_its_own_is_asked_three_times() {
    check(Does::answers(500, ""), Follow::Retry, 3, "a fault of its own").await;
    check(Does::s3(500, "InternalError", "oops"), Follow::Retry, 3, "a fault of its own").await;
    check(Does::s3(503, "SlowDown", "less"), Follow::Retry, 3, "fewer requests").await;
    check(Does::answers(500, "<garbage"), Follow::Retry, 3, "a fault of its own").await;
}

#[tokio::test]
async fn two_faults_are_bridged_without_a_word() {
    let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let server =
        FaultyServer::start(
            move |number, _| {
                if number < 2 { Does::answers(500, "") } else { Does::answers(200, listing) }
            },
        );
    let server = server.await;
    assert_eq!(server.clients().await.bucket("apps").list("www/").await.unwrap(), []);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_hangs_is_told_as_one() {
    check(Does::Hangs, Follow::Retry, 3, "does not answer in time").await;
}

#[tokio::test]
async fn a_server_that_cuts_the_connection_is_told_as_one() {
    check(Does::Cuts, Follow::Retry, 3, "broke").await;
}

#[tokio::test]
async fn what_is_no_answer_of_s3_is_told_as_such() {
    check(Does::answers(200, "<html>hello"), Follow::Retry, 1, "is not understood").await;
}

#[tokio::test]
async fn a_server_that_hangs_in_the_middle_of_an_object_ends_in_an_error() {
    let server = FaultyServer::always(Does::answers(200, "half").with("etag", "\"e\"").missing(1000)).await;
    let begun = Instant::now();
    let content = server.clients().await.bucket("apps").get("www/x", None).await.unwrap();
    let error = content.bytes().await.unwrap_err();
    assert_eq!(error.follow(), Follow::Retry, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn refusals_are_not_repeated_and_say_what_is_wrong() {
    let refused = async |status, code, message, says| {
        check(Does::s3(status, code, message), Follow::Human, 1, says).await;
    };
    refused(403, "InvalidAccessKeyId", "no such key", "AWS_ACCESS_KEY_ID").await;
    refused(403, "SignatureDoesNotMatch", "no match", "AWS_SECRET_ACCESS_KEY").await;
    refused(403, "AccessDenied", "Access Denied", "s3:ListBucket on arn:aws:s3:::apps").await;
    refused(403, "RequestTimeTooSkewed", "too large", "clock").await;
    refused(400, "RequestTimeTooSkewed", "too large", "clock").await;
    refused(400, "InvalidToken", "malformed", "AWS_SESSION_TOKEN").await;
    refused(404, "NoSuchBucket", "none", "no bucket `apps`").await;
    refused(501, "NotImplemented", "not here", "does not offer").await;
    check(Does::answers(403, ""), Follow::Human, 1, "s3:ListBucket").await;
}

/// Worth another try, since something beside us may renew them; but not at once.
#[tokio::test]
async fn credentials_that_ran_out_are_not_tried_in_a_loop() {
    check(Does::s3(400, "ExpiredToken", "expired"), Follow::Retry, 1, "ran out").await;
}

#[tokio::test]
async fn a_bucket_in_another_region_is_told_with_its_region() {
    let redirect = Does::s3(301, "PermanentRedirect", "elsewhere").with("x-amz-bucket-region", "eu-west-1");
    check(redirect, Follow::Human, 1, "set `region` to \"eu-west-1\"").await;
    let message =
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'";
    let malformed = Does::s3(400, "AuthorizationHeaderMalformed", message);
    check(malformed, Follow::Human, 1, "set `region` to \"eu-west-1\"").await;
    let silent = Does::answers(301, "");
    check(silent, Follow::Human, 1, "in another region").await;
}

#[tokio::test]
async fn the_right_that_lacks_is_that_of_the_operation_and_its_object() {
    let server = FaultyServer::always(Does::s3(403, "AccessDenied", "Access Denied")).await;
    let bucket = server.clients().await.bucket("apps");
    let says = |error: BucketError, expected: &str| {
        let hint = hint::of(&error).unwrap();
        assert!(hint.contains(expected), "{hint}");
    };
    says(bucket.get("www/x", None).await.err().unwrap(), "s3:GetObject on arn:aws:s3:::apps/www/*");
    says(bucket.put("www/x", Bytes::new()).await.unwrap_err(), "s3:PutObject on arn:aws:s3:::apps/www/*");
    says(bucket.delete("x").await.unwrap_err(), "s3:DeleteObject on arn:aws:s3:::apps/*");
    says(bucket.wiring().await.unwrap_err(), "s3:GetBucketNotification on arn:aws:s3:::apps");
    says(bucket.facts().await.unwrap_err(), "s3:ListBucket on arn:aws:s3:::apps");
}

#[tokio::test]
async fn something_else_that_is_missing_is_not_told_as_the_bucket() {
    let check = async |does: Does, of_a_key: Option<&str>, of_the_bucket: &str| {
        let told = format!("{does:?}");
        let server = FaultyServer::always(does).await;
        let bucket = server.clients().await.bucket("apps");
        let put = hint::of(&bucket.put("www/x", Bytes::new()).await.unwrap_err());
        assert_eq!(put.is_some(), of_a_key.is_some(), "{told}: {put:?}");
        assert!(put.unwrap_or_default().contains(of_a_key.unwrap_or_default()), "{told}");
        let list = hint::of(&bucket.list("www/").await.unwrap_err()).unwrap_or_default();
        assert!(list.contains(of_the_bucket), "{told}: {list}");
    };
    check(Does::s3(404, "NoSuchUpload", "gone"), None, "no bucket `apps`").await;
    check(Does::answers(404, ""), None, "no bucket `apps`").await;
    check(Does::s3(404, "NoSuchBucket", "none"), Some("no bucket `apps`"), "no bucket `apps`").await;
}

async fn clients_of(endpoint: &str) -> aws::Clients {
    let settings = ConnectSettings {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".into()),
        credentials: Some(StaticCredentials::new("key", "secret")),
        path_style: true,
        patience: PATIENCE,
        ..ConnectSettings::default()
    };
    aws::connect(settings).await.unwrap()
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = format!("http://{free}");
    let error = clients_of(&endpoint).await.bucket("apps").list("").await.unwrap_err();
    assert_eq!(error.follow(), Follow::Retry, "{error:?}");
    let hint = hint::of(&error).unwrap();
    assert!(hint.contains(&format!("nobody listens at {endpoint}")), "{hint}");
}

#[tokio::test]
async fn https_to_a_server_that_speaks_http_is_told_as_trouble_with_tls() {
    let server = FaultyServer::always(Does::answers(400, "this is HTTP")).await;
    let endpoint = server.endpoint.replace("http://", "https://");
    let error = clients_of(&endpoint).await.bucket("apps").list("").await.unwrap_err();
    let hint = hint::of(&error).unwrap();
    assert!(hint.contains("TLS") && hint.contains("SSL_CERT_FILE"), "{hint}: {error:?}");
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_told_as_missing_credentials() {
    let settings = ConnectSettings {
        endpoint: Some("http://127.0.0.1:9".into()),
        region: Some("us-east-1".into()),
        profile: Some("a profile that nobody has".into()),
        path_style: true,
        patience: PATIENCE,
        ..ConnectSettings::default()
    };
    let clients = aws::connect(settings).await.unwrap();
    let error = clients.bucket("apps").list("").await.unwrap_err();
    let hint = hint::of(&error).unwrap_or_default();
    assert!(hint.contains("`profile`"), "{hint}: {error:?}");
    let error = clients.credentials().await.err().unwrap();
    assert!(hint::of(&error).is_some_and(|hint| hint.contains("`profile`")), "{error:?}");
}

#[tokio::test]
async fn credentials_are_handed_out_as_they_are_used() {
    let found = clients_of("http://127.0.0.1:9").await.credentials().await.unwrap();
    assert!(found == StaticCredentials::new("key", "secret"));
}
