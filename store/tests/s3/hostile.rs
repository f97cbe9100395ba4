//! Requests that break off, lie about themselves or want too much.

use crate::raw::Raw;
use crate::server::{Server, content};

#[tokio::test]
async fn a_put_that_is_cut_off_changes_nothing() {
    let server = Server::start().await;
    server.put("key", b"old".to_vec()).await;
    server.notified().await;
    for (size, cut) in [(1000, 999), (1_000_000, 0), (1_000_000, 999_999)] {
        let put = Raw::new("PUT", "/workspaces/key", "").body(content(size, 1));
        let answer = put.signed(server.address, "UNSIGNED-PAYLOAD").send_cut(server.address, cut).await;
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{cut} of {size}");
    }
    server.blobs_become(0).await;
    assert_eq!(server.get("key").await, b"old");
    assert_eq!(server.notified().await, []);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused() {
    let server = Server::start().await;
    let put = Raw::new("PUT", "/workspaces/key", "").header("transfer-encoding", "chunked");
    let put = put.bare_body("5\r\nhello\r\n0\r\n\r\n").signed(server.address, "UNSIGNED-PAYLOAD");
    let answer = put.send(server.address).await;
    assert_eq!((answer.status, answer.code()), (411, "MissingContentLength"));
    assert!(!server.is_there("key").await);
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    let put = Raw::new("PUT", "/workspaces/key", "").header("content-length", (5_u64 << 30) + 1);
    let answer = put.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address).await;
    assert_eq!((answer.status, answer.code()), (400, "EntityTooLarge"));
}

#[tokio::test]
async fn a_signed_chunk_that_would_fill_the_memory_is_refused() {
    let server = Server::start().await;
    let line = format!("{:x};chunk-signature={}\r\n", 1_u64 << 30, "0".repeat(64));
    let put = Raw::new("PUT", "/workspaces/key", "").header("x-amz-decoded-content-length", 1_u64 << 30);
    let put = put.header("content-length", (1_u64 << 30) + 200).bare_body(line);
    let answer = put.signed(server.address, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD").send(server.address).await;
    assert_eq!((answer.status, answer.code()), (400, "IncompleteBody"));
    assert!(!server.is_there("key").await);
}

#[tokio::test]
async fn documents_are_bounded_and_must_make_sense() {
    let server = Server::start().await;
    let post = |body: Vec<u8>| {
        let post = Raw::new("POST", "/workspaces", "delete=").body(body);
        post.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address)
    };
    assert_eq!(post(vec![b' '; (8 << 20) + 1]).await.status, 400);
    assert_eq!(post(b"<Delete><Object>".to_vec()).await.code(), "MalformedXML");
    assert_eq!(post(b"<Delete></Delete>".to_vec()).await.code(), "MalformedXML");
    let deep = [b"<Delete>".repeat(100_000), b"</Delete>".repeat(100_000)].concat();
    assert_eq!(post(deep).await.status, 400);
}

#[tokio::test]
async fn operations_that_do_not_exist_here_say_so() {
    let server = Server::start().await;
    for query in ["acl=", "policy=", "versions=", "lifecycle="] {
        let get = Raw::new("GET", "/workspaces", query).signed(server.address, "UNSIGNED-PAYLOAD");
        let answer = get.send(server.address).await;
        assert_eq!((answer.status, answer.code()), (501, "NotImplemented"), "{query}");
    }
}
