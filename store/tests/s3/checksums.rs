//! Digests that the client names are checked before anything is replaced, wherever in the request they stand.

use std::net::SocketAddr;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};

use crate::raw::{Answer, Raw, hex_sha256};
use crate::server::{BUCKET, Server, content};

/// Header, the value for `hello`, and one for something else.
const VALUES: &[(&str, &str, &str)] = &[
    ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", "XUFAKrxLKna5cZ2REBfFkQ=="),
    ("x-amz-checksum-crc32", "NhCmhg==", "NhCmhw=="),
    ("x-amz-checksum-crc32c", "mnG7TA==", "mnG7TQ=="),
    ("x-amz-checksum-crc64nvme", "M3eFcAZSQlc=", "M3eFcAZSQlg="),
    ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=", "qvTGHdzF6KLavt4PO0gs2a6pQ04="),
    (
        "x-amz-checksum-sha256",
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCU=",
    ),
];

#[tokio::test]
async fn a_body_that_does_not_match_is_refused_and_the_old_object_stays() {
    let server = Server::start().await;
    server.put("key", b"old".to_vec()).await;
    server.notified().await;
    for (header, _, wrong) in VALUES {
        let put = Raw::new("PUT", "/workspaces/key", "").body("hello").header(header, wrong);
        let answer = put.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address).await;
        assert_eq!((answer.status, answer.code()), (400, "BadDigest"), "{header}");
    }
    let put = Raw::new("PUT", "/workspaces/key", "").body("hello");
    let answer = put.signed(server.address, &hex_sha256(b"other")).send(server.address).await;
    assert_eq!((answer.status, answer.code()), (400, "XAmzContentSHA256Mismatch"));
    assert_eq!(server.get("key").await, b"old");
    assert_eq!(server.notified().await, []);
}

#[tokio::test]
async fn a_body_that_matches_is_stored_with_its_checksum() {
    let server = Server::start().await;
    for (header, right, _) in VALUES {
        let put = Raw::new("PUT", "/workspaces/key", "").body("hello").header(header, right);
        let answer = put.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address).await;
        assert_eq!(answer.status, 200, "{header}: {answer:?}");
        let head = Raw::new("HEAD", "/workspaces/key", "").header("x-amz-checksum-mode", "ENABLED");
        let head = head.signed(server.address, "UNSIGNED-PAYLOAD").send_cut(server.address, 0).await;
        let head = head.map(|answer| answer.head).unwrap_or_default();
        if *header != "content-md5" {
            assert!(head.contains(&format!("{header}: {right}")), "{head}");
        }
    }
}

#[tokio::test]
async fn digests_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let put = || Raw::new("PUT", "/workspaces/key", "").body("hello");
    let send = |raw: Raw| raw.signed(server.address, "UNSIGNED-PAYLOAD").send(server.address);
    assert_eq!(send(put().header("content-md5", "short")).await.code(), "InvalidDigest");
    assert_eq!(send(put().header("x-amz-checksum-crc32", "%%%")).await.code(), "InvalidRequest");
    let two = put()
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .header("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=");
    assert_eq!(send(two).await.code(), "InvalidRequest");
    assert!(!server.is_there("key").await);
}

/// A PUT of `chunked`, which is framed as the SDKs do it over TLS, claiming `length` bytes of content.
async fn put_chunked(address: SocketAddr, chunked: &str, length: usize) -> Answer {
    Raw::new("PUT", "/workspaces/key", "")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", length)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body(chunked)
        .signed(address, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .send(address)
        .await
}

#[tokio::test]
async fn a_checksum_after_the_body_counts_like_one_before_it() {
    let server = Server::start().await;
    server.put("key", b"old".to_vec()).await;
    for (chunked, length, expected) in [
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhw==\r\n\r\n", 5, (400, "BadDigest")),
        ("5\r\nhello\r\n0\r\n\r\n", 5, (400, "MalformedTrailerError")),
        // The body ends early or late, though its framing does not say so.
        ("5\r\nhello\r\n", 6, (400, "IncompleteBody")),
        ("5\r\nhello\r\n", 5, (400, "MalformedTrailerError")),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 6, (400, "IncompleteBody")),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 4, (400, "IncompleteBody")),
        ("zz\r\nhello\r\n0\r\n\r\n", 5, (400, "IncompleteBody")),
    ] {
        let answer = put_chunked(server.address, chunked, length).await;
        assert_eq!((answer.status, answer.code()), expected, "{chunked:?}");
        assert_eq!(server.get("key").await, b"old", "{chunked:?}");
    }
    let right = "2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let answer = put_chunked(server.address, right, 5).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.get("key").await, b"hello");
    let got = server
        .client
        .get_object()
        .bucket(BUCKET)
        .key("key")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!((got.content_encoding(), got.checksum_crc32()), (None, Some("NhCmhg==")));
}

#[tokio::test]
async fn the_sdk_and_the_server_agree_on_every_algorithm() {
    let server = Server::start().await;
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"].map(ChecksumAlgorithm::from) {
        for size in [10, 1_000_000] {
            let put = server.client.put_object().bucket(BUCKET).key("key").body(content(size, 3).into());
            put.checksum_algorithm(algorithm.clone()).send().await.unwrap();
            // The SDK verifies what it reads.
            let got =
                server.client.get_object().bucket(BUCKET).key("key").checksum_mode(ChecksumMode::Enabled);
            let read = got.send().await.unwrap().body.collect().await.unwrap().to_vec();
            assert!(read == content(size, 3), "{algorithm:?}");
        }
    }
}
