//! Listings: complete, in order, page by page, in both dialects.

use std::collections::BTreeSet;

use aws_sdk_s3::types::EncodingType;

use crate::raw::{Raw, hex_sha256};
use crate::server::{BUCKET, Server, refusal};

const KEYS: &[&str] = &["a", "a/1", "a/2/x", "a/2/y", "a-b", "b/", "b/c", "b//d", "c d", "é/x", "é/y", "z"];

async fn filled() -> Server {
    let server = Server::start().await;
    for key in KEYS {
        server.put(key, key.as_bytes().to_vec()).await;
    }
    server
}

/// What a listing must hold, computed in the simplest way: objects, and common prefixes.
fn expected(prefix: &str, delimiter: &str) -> (Vec<String>, Vec<String>) {
    let (mut objects, mut prefixes) = (BTreeSet::new(), BTreeSet::new());
    for key in KEYS.iter().filter(|key| key.starts_with(prefix)) {
        match key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => prefixes.insert(key[..prefix.len() + at + delimiter.len()].to_owned()),
            None => objects.insert((*key).to_owned()),
        };
    }
    (objects.into_iter().collect(), prefixes.into_iter().collect())
}

#[tokio::test]
async fn pages_of_any_size_give_the_same_listing_in_both_dialects() {
    let server = filled().await;
    for (prefix, delimiter) in
        [("", ""), ("", "/"), ("a", "/"), ("a/", "/"), ("b/", "/"), ("é", "/"), ("", "/2"), ("none", "/")]
    {
        for size in [1, 2, 3, 1000] {
            assert_eq!(
                by_version_2(&server, prefix, delimiter, size).await,
                expected(prefix, delimiter),
                "{prefix:?} {delimiter:?} {size}"
            );
            assert_eq!(
                by_version_1(&server, prefix, delimiter, size).await,
                expected(prefix, delimiter),
                "{prefix:?} {delimiter:?} {size}"
            );
        }
    }
}

async fn by_version_2(
    server: &Server,
    prefix: &str,
    delimiter: &str,
    size: i32,
) -> (Vec<String>, Vec<String>) {
    let (mut objects, mut prefixes, mut token) = (Vec::new(), Vec::new(), None);
    loop {
        let list =
            server.client.list_objects_v2().bucket(BUCKET).prefix(prefix).delimiter(delimiter).max_keys(size);
        let page = list.set_continuation_token(token).send().await.unwrap();
        assert_eq!(page.key_count(), Some((page.contents().len() + page.common_prefixes().len()) as i32));
        assert!(page.key_count() <= Some(size));
        objects.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        prefixes.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            return (objects, prefixes);
        }
        token = Some(page.next_continuation_token().unwrap().to_owned());
    }
}

async fn by_version_1(
    server: &Server,
    prefix: &str,
    delimiter: &str,
    size: i32,
) -> (Vec<String>, Vec<String>) {
    let (mut objects, mut prefixes, mut marker) = (Vec::new(), Vec::new(), None);
    loop {
        let list =
            server.client.list_objects().bucket(BUCKET).prefix(prefix).delimiter(delimiter).max_keys(size);
        let page = list.set_marker(marker).send().await.unwrap();
        objects.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        prefixes.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            return (objects, prefixes);
        }
        marker = Some(page.next_marker().unwrap().to_owned());
    }
}

#[tokio::test]
async fn a_listing_tells_etag_size_and_time_of_each_object() {
    let server = Server::start().await;
    let etag = server.put("key", b"hello".to_vec()).await;
    let listed = server.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let object = &listed.contents()[0];
    assert_eq!((object.e_tag(), object.size()), (Some(etag.as_str()), Some(5)));
    assert_eq!(object.storage_class().unwrap().as_str(), "STANDARD");
    let head = server.client.head_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(object.last_modified().unwrap().secs(), head.last_modified().unwrap().secs());
}

#[tokio::test]
async fn an_empty_delimiter_is_none_and_an_empty_page_is_no_error() {
    let server = filled().await;
    let all = server.client.list_objects_v2().bucket(BUCKET).delimiter("").send().await.unwrap();
    assert_eq!((all.contents().len(), all.common_prefixes().len()), (KEYS.len(), 0));
    let none = server.client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    let after = server.client.list_objects_v2().bucket(BUCKET).start_after("é/x").send().await.unwrap();
    let after: Vec<_> = after.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(after, ["é/y"]);
    let negative = server.client.list_objects_v2().bucket(BUCKET).max_keys(-1).send().await;
    assert_eq!(refusal(negative), (400, "InvalidArgument".into()));
    let token = server.client.list_objects_v2().bucket(BUCKET).continuation_token("made up").send().await;
    assert_eq!(refusal(token), (400, "InvalidArgument".into()));
    let nowhere = server.client.list_objects_v2().bucket("nowhere").send().await;
    assert_eq!(refusal(nowhere), (404, "NoSuchBucket".into()));
}

#[tokio::test]
async fn encoded_listings_carry_what_xml_cannot() {
    let server = Server::start().await;
    for key in ["a\u{1}b/x", "p q+r%/\r\n", "é<&>"] {
        server.put(key, b"x".to_vec()).await;
    }
    let list = server.client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url);
    let listed = list.clone().send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(keys, ["a%01b/x", "p%20q%2Br%25/%0D%0A", "%C3%A9%3C%26%3E"]);
    assert_eq!(listed.encoding_type(), Some(&EncodingType::Url));
    let listed = list.delimiter("/").prefix("p q").start_after("p").send().await.unwrap();
    assert_eq!(listed.common_prefixes()[0].prefix(), Some("p%20q%2Br%25/"));
    assert_eq!((listed.prefix(), listed.delimiter()), (Some("p%20q"), Some("/")));
}

#[tokio::test]
async fn keys_that_xml_escapes_come_back_whole_without_encoding() {
    let server = Server::start().await;
    server.put("a<&>\"'b\nc", b"x".to_vec()).await;
    let answer = Raw::new("GET", "/workspaces", "list-type=2").signed(server.address, &hex_sha256(b""));
    let answer = answer.send(server.address).await;
    assert!(answer.body.contains("<Key>a&lt;&amp;&gt;"), "{}", answer.body);
    let listed = server.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some("a<&>\"'b\nc"));
}
