//! Who is let in. Authentication is always on: there is no way to serve without it.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;

use crate::raw::Raw;
use crate::server::{ACCESS_KEY, BUCKET, SECRET_KEY, Server, client, refusal};

#[tokio::test]
async fn anonymous_requests_are_refused_whatever_they_ask() {
    let server = Server::start().await;
    server.put("key", b"x".to_vec()).await;
    for (method, path, query) in [
        ("GET", "/", ""),
        ("GET", "/workspaces", "list-type=2"),
        ("GET", "/workspaces/key", ""),
        ("PUT", "/workspaces/new", ""),
        ("DELETE", "/workspaces/key", ""),
        ("PUT", "/bucket", ""),
        ("POST", "/workspaces", "delete="),
    ] {
        let answer = Raw::new(method, path, query).body("x").send(server.address).await;
        assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{method} {path}");
    }
    assert!(server.is_there("key").await && !server.is_there("new").await);
}

#[tokio::test]
async fn only_the_one_key_pair_signs() {
    let server = Server::start().await;
    let wrong_secret = client(server.address, ACCESS_KEY, "another");
    let listed = wrong_secret.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(listed), (403, "SignatureDoesNotMatch".into()));
    let wrong_key = client(server.address, "AKIDOTHER", SECRET_KEY);
    let listed = wrong_key.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(listed), (403, "InvalidAccessKeyId".into()));
}

#[tokio::test]
async fn a_signature_is_good_for_one_request_only() {
    let server = Server::start().await;
    let signed = |path: &str| Raw::new("PUT", path, "").body("x").signed(server.address, "UNSIGNED-PAYLOAD");
    assert_eq!(signed("/workspaces/key").send(server.address).await.status, 200);
    let moved = signed("/workspaces/key").moved_to("/workspaces/other");
    let answer = moved.send(server.address).await;
    assert_eq!((answer.status, answer.code()), (403, "SignatureDoesNotMatch"));
    assert!(!server.is_there("other").await);
}

#[tokio::test]
async fn presigned_urls_work_until_they_expire() {
    let server = Server::start().await;
    let target = |uri: &str| {
        let uri: http::Uri = uri.parse().unwrap();
        (uri.path().to_owned(), uri.query().unwrap().to_owned())
    };
    let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
    let put = server.client.put_object().bucket(BUCKET).key("a b/é").presigned(hour.clone()).await.unwrap();
    let (path, query) = target(put.uri());
    let answer = Raw::new("PUT", &path, &query).body("hello").send(server.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let get = server.client.get_object().bucket(BUCKET).key("a b/é").presigned(hour).await.unwrap();
    let (path, query) = target(get.uri());
    let answer = Raw::new("GET", &path, &query).send(server.address).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));

    let tampered =
        Raw::new("GET", &path, &query.replace("Expires=3600", "Expires=7200")).send(server.address).await;
    assert_eq!((tampered.status, tampered.code()), (403, "SignatureDoesNotMatch"));

    let over = PresigningConfig::builder()
        .start_time(SystemTime::now() - Duration::from_secs(120))
        .expires_in(Duration::from_secs(60))
        .build()
        .unwrap();
    let get = server.client.get_object().bucket(BUCKET).key("a b/é").presigned(over).await.unwrap();
    let (path, query) = target(get.uri());
    let answer = Raw::new("GET", &path, &query).send(server.address).await;
    assert_eq!((answer.status, answer.code()), (403, "AccessDenied"));
}

#[tokio::test]
async fn what_goes_around_version_4_is_refused() {
    let server = Server::start().await;
    let version_2 = Raw::new("GET", "/workspaces/key", "")
        .header("date", "Tue, 27 Mar 2007 19:36:42 +0000")
        .header("authorization", format!("AWS {ACCESS_KEY}:bWq2s1WEIj+Ydj0vQ697zp+IXMU="));
    assert_eq!(version_2.send(server.address).await.status, 400);
    // A presigned URL of version 2 is checked, and may ask nothing that it does not sign.
    let query = format!("AWSAccessKeyId={ACCESS_KEY}&Expires=4102444800&Signature=x");
    let unsigned = Raw::new("GET", "/workspaces/key", &query).send(server.address).await;
    assert_eq!((unsigned.status, unsigned.code()), (403, "SignatureDoesNotMatch"));
    let loose = Raw::new("GET", "/workspaces/key", &format!("{query}&tagging=")).send(server.address).await;
    assert_eq!(loose.status, 400);
    let form = Raw::new("POST", "/workspaces", "").header("content-type", "multipart/form-data; boundary=b");
    assert_eq!(form.body("--b--").send(server.address).await.code(), "NotImplemented");
}
