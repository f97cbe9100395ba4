//! Keys are any text up to 1,024 bytes, and never a path.

use aws_sdk_s3::types::EncodingType;

use crate::raw::Raw;
use crate::server::{BUCKET, Server, content, refusal};

const ODD: &[&str] = &[
    "../x",
    "../../../../tmp/x",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    "//",
    "/lead",
    ".",
    "..",
    "a b",
    "a+b",
    "a%b",
    "a%2Fb",
    "%2e%2e/x",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "a\u{1}b",
    "é/日本語/🦀",
    "?x=1#y",
    "a&b=<c>\"'",
    "a\\b",
    "~",
    "store.sqlite",
];

#[tokio::test]
async fn any_key_is_kept_as_it_is_and_never_becomes_a_path() {
    let server = Server::start().await;
    let longest = "é".repeat(512);
    let keys: Vec<&str> = ODD.iter().copied().chain([longest.as_str()]).collect();
    for (seed, key) in keys.iter().enumerate() {
        // Large enough to be a file.
        server.put(key, content(100_000, seed as u8)).await;
    }
    for (seed, key) in keys.iter().enumerate() {
        assert!(server.get(key).await == content(100_000, seed as u8), "{key:?}");
    }
    let listed =
        server.client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url).send().await.unwrap();
    let decoded = |key: &str| urlencoded_back(key);
    let mut found: Vec<String> =
        listed.contents().iter().map(|object| decoded(object.key().unwrap())).collect();
    let mut expected: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected);

    // Nothing but the store's own files, and in them only names of its own making.
    let mut entries: Vec<String> = std::fs::read_dir(server.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    entries.sort();
    assert_eq!(entries, ["blobs", "lock", "store.sqlite", "store.sqlite-shm", "store.sqlite-wal"]);
    server.blobs_become(keys.len()).await;

    while let Some(key) = found.pop() {
        server.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    server.blobs_become(0).await;
    let changes = server.notified().await;
    assert_eq!(changes.len(), 2 * keys.len());
    assert!(changes.contains(&("ObjectRemoved:Delete".into(), "a%2Bb".into())));
    assert!(changes.contains(&("ObjectCreated:Put".into(), "a+b".into())));
}

#[tokio::test]
async fn a_key_of_more_than_1024_bytes_is_refused() {
    let server = Server::start().await;
    let put = server.client.put_object().bucket(BUCKET).key("é".repeat(513)).send().await;
    assert_eq!(refusal(put), (400, "KeyTooLongError".into()));
}

#[tokio::test]
async fn a_path_with_dots_is_taken_as_it_was_sent() {
    let server = Server::start().await;
    let put = Raw::new("PUT", "/workspaces/a/../../escaped", "").body("x");
    let answer = put.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.get("a/../../escaped").await, b"x");
}

fn urlencoded_back(text: &str) -> String {
    let pair = format!("k={text}");
    url::form_urlencoded::parse(pair.as_bytes()).next().unwrap().1.into_owned()
}
