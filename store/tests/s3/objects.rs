//! One object: what goes in comes out, whole or in part, with all that was said about it.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier, Tag, Tagging};

use crate::server::{BUCKET, Server, content, refusal};

#[tokio::test]
async fn headers_and_metadata_come_back_as_they_were_given() {
    let server = Server::start().await;
    let expires = DateTime::from_secs(1_900_000_000);
    server
        .client
        .put_object()
        .bucket(BUCKET)
        .key("key")
        .body(b"hello".to_vec().into())
        .content_type("text/plain; charset=utf-8")
        .cache_control("max-age=60")
        .content_disposition("attachment; filename=\"x\"")
        .content_encoding("gzip")
        .content_language("de")
        .expires(expires)
        .metadata("owner", "me")
        .metadata("note", "grüße")
        .send()
        .await
        .unwrap();
    let head = server.client.head_object().bucket(BUCKET).key("key").send().await.unwrap();
    let got = server.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(head.metadata(), got.metadata());
    assert_eq!(got.metadata().unwrap()["owner"], "me");
    assert_eq!(got.content_type(), Some("text/plain; charset=utf-8"));
    assert_eq!(got.cache_control(), Some("max-age=60"));
    assert_eq!(got.content_disposition(), Some("attachment; filename=\"x\""));
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert_eq!(got.content_language(), Some("de"));
    assert_eq!(head.expires_string(), got.expires_string());
    assert_eq!(got.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!((head.content_length(), got.content_length()), (Some(5), Some(5)));
    assert!(got.last_modified().is_some() && got.accept_ranges() == Some("bytes"));
}

#[tokio::test]
async fn ranges_give_their_bytes_and_nothing_else() {
    let server = Server::start().await;
    // One in the database, one in a file.
    for (key, size) in [("small", 1000), ("large", 1_000_000)] {
        let whole = content(size, 7);
        server.put(key, whole.clone()).await;
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=500-", 500..size),
            ("bytes=-10", size - 10..size),
            ("bytes=-9999999", 0..size),
            ("bytes=990-9999999", 990..size),
        ] {
            let got = server.client.get_object().bucket(BUCKET).key(key).range(range).send().await.unwrap();
            let told = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            assert_eq!(got.content_range(), Some(told.as_str()), "{range}");
            assert_eq!(got.content_length(), Some(expected.len() as i64), "{range}");
            assert!(got.body.collect().await.unwrap().to_vec() == whole[expected], "{range} of {key}");
        }
        let beyond =
            server.client.get_object().bucket(BUCKET).key(key).range(format!("bytes={size}-")).send().await;
        assert_eq!(refusal(beyond), (416, "InvalidRange".into()));
    }
}

#[tokio::test]
async fn the_request_may_override_headers_of_the_answer() {
    let server = Server::start().await;
    server.put("key", b"x".to_vec()).await;
    let get = server.client.get_object().bucket(BUCKET).key("key");
    let got = get.response_content_type("text/css").response_cache_control("no-store").send().await.unwrap();
    assert_eq!((got.content_type(), got.cache_control()), (Some("text/css"), Some("no-store")));
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let server = Server::start().await;
    let get = server.client.get_object().bucket(BUCKET).key("none").send().await;
    assert_eq!(refusal(get), (404, "NoSuchKey".into()));
    let get = server.client.get_object().bucket("nowhere").key("none").send().await;
    assert_eq!(refusal(get), (404, "NoSuchBucket".into()));
    let put = server.client.put_object().bucket("nowhere").key("key").send().await;
    assert_eq!(refusal(put), (404, "NoSuchBucket".into()));
    let version = server.client.get_object().bucket(BUCKET).key("none").version_id("v1").send().await;
    assert_eq!(refusal(version), (404, "NoSuchVersion".into()));
    server.client.delete_object().bucket(BUCKET).key("none").send().await.unwrap();
}

#[tokio::test]
async fn a_copy_takes_content_and_headers_unless_told_otherwise() {
    let server = Server::start().await;
    let put = server.client.put_object().bucket(BUCKET).key("a b+c/é").body(content(200_000, 1).into());
    put.content_type("text/css").metadata("m", "1").tagging("t=1").send().await.unwrap();
    server.notified().await;
    let copy = |key: &str| {
        server.client.copy_object().bucket(BUCKET).key(key).copy_source("workspaces/a%20b%2Bc/%C3%A9")
    };

    copy("copied").send().await.unwrap();
    let got = server.client.get_object().bucket(BUCKET).key("copied").send().await.unwrap();
    assert_eq!((got.content_type(), got.metadata().unwrap()["m"].as_str()), (Some("text/css"), "1"));
    assert_eq!(got.tag_count(), Some(1));
    assert!(got.body.collect().await.unwrap().to_vec() == content(200_000, 1));

    let replace = copy("a b+c/é").metadata_directive(MetadataDirective::Replace).metadata("m", "2");
    replace.content_type("text/html").send().await.unwrap();
    let head = server.client.head_object().bucket(BUCKET).key("a b+c/é").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap()["m"].as_str()), (Some("text/html"), "2"));

    assert_eq!(refusal(copy("a b+c/é").send().await), (400, "InvalidRequest".into()));
    assert_eq!(
        refusal(copy("x").copy_source_if_match("\"none\"").send().await),
        (412, "PreconditionFailed".into())
    );
    let etag = head.e_tag().unwrap();
    assert_eq!(
        refusal(copy("x").copy_source_if_none_match(etag).send().await),
        (412, "PreconditionFailed".into())
    );
    let missing =
        server.client.copy_object().bucket(BUCKET).key("x").copy_source("workspaces/none").send().await;
    assert_eq!(refusal(missing), (404, "NoSuchKey".into()));
    let created = |key: &str| ("ObjectCreated:Copy".to_owned(), key.to_owned());
    assert_eq!(server.notified().await, [created("copied"), created("a+b%2Bc/%C3%A9")]);
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_with_a_message_for_each_that_was_there() {
    let server = Server::start().await;
    for key in ["a", "b", "c"] {
        server.put(key, b"x".to_vec()).await;
    }
    server.notified().await;
    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = |quiet, keys: &[&str]| {
        let objects = keys.iter().map(|key| object(key)).collect();
        let delete = Delete::builder().set_objects(Some(objects)).quiet(quiet).build().unwrap();
        server.client.delete_objects().bucket(BUCKET).delete(delete).send()
    };
    let told = delete(false, &["a", "none"]).await.unwrap();
    let keys: Vec<_> = told.deleted().iter().map(|deleted| deleted.key().unwrap()).collect();
    assert_eq!(keys, ["a", "none"]);
    let quiet = delete(true, &["b"]).await.unwrap();
    assert!(quiet.deleted().is_empty() && quiet.errors().is_empty());
    let removed = |key: &str| ("ObjectRemoved:Delete".to_owned(), key.to_owned());
    assert_eq!(server.notified().await, [removed("a"), removed("b")]);
    assert!(server.is_there("c").await);
    let too_many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    assert_eq!(refusal(delete(true, &too_many).await), (400, "MalformedXML".into()));
}

#[tokio::test]
async fn tags_are_kept_read_and_removed() {
    let server = Server::start().await;
    server.client.put_object().bucket(BUCKET).key("key").tagging("a=1&b=x%20y").send().await.unwrap();
    let tags = || async {
        let got = server.client.get_object_tagging().bucket(BUCKET).key("key").send().await.unwrap();
        got.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(tags().await, [("a".into(), "1".into()), ("b".into(), "x y".to_owned())]);
    let tagging =
        Tagging::builder().tag_set(Tag::builder().key("c").value("3").build().unwrap()).build().unwrap();
    server.client.put_object_tagging().bucket(BUCKET).key("key").tagging(tagging).send().await.unwrap();
    assert_eq!(tags().await, [("c".into(), "3".to_owned())]);
    server.client.delete_object_tagging().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(tags().await, []);
    let too_many = (0..11).map(|n| format!("{n}=x")).collect::<Vec<_>>().join("&");
    let put = server.client.put_object().bucket(BUCKET).key("key").tagging(too_many).send().await;
    assert_eq!(refusal(put), (400, "InvalidTag".into()));
}

#[tokio::test]
async fn buckets_are_made_listed_and_deleted_only_when_nothing_rests_on_them() {
    let server = Server::start().await;
    let client = &server.client;
    client.create_bucket().bucket("other").send().await.unwrap();
    assert_eq!(
        refusal(client.create_bucket().bucket("other").send().await),
        (409, "BucketAlreadyOwnedByYou".into())
    );
    let listed = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["other", BUCKET]);
    client.head_bucket().bucket("other").send().await.unwrap();
    assert!(client.head_bucket().bucket("none").send().await.is_err());
    client.get_bucket_location().bucket("other").send().await.unwrap();
    client.put_object().bucket("other").key("key").send().await.unwrap();
    assert_eq!(refusal(client.delete_bucket().bucket("other").send().await), (409, "BucketNotEmpty".into()));
    client.delete_object().bucket("other").key("key").send().await.unwrap();
    client.delete_bucket().bucket("other").send().await.unwrap();
    assert_eq!(refusal(client.delete_bucket().bucket(BUCKET).send().await), (409, "OperationAborted".into()));
}

#[tokio::test]
async fn what_the_server_cannot_keep_is_refused_and_not_ignored() {
    use aws_sdk_s3::types::{ObjectCannedAcl, ServerSideEncryption, StorageClass};
    let server = Server::start().await;
    let put = || server.client.put_object().bucket(BUCKET).key("key");
    let encrypted = put().server_side_encryption(ServerSideEncryption::Aes256).send().await;
    assert_eq!(refusal(encrypted), (501, "NotImplemented".into()));
    assert_eq!(
        refusal(put().acl(ObjectCannedAcl::PublicRead).send().await),
        (400, "AccessControlListNotSupported".into())
    );
    assert_eq!(
        refusal(put().storage_class(StorageClass::Glacier).send().await),
        (400, "InvalidStorageClass".into())
    );
    let large = "x".repeat(3000);
    assert_eq!(refusal(put().metadata("m", large).send().await), (400, "MetadataTooLarge".into()));
    assert!(!server.is_there("key").await);
    put().acl(ObjectCannedAcl::Private).storage_class(StorageClass::Standard).send().await.unwrap();
}
