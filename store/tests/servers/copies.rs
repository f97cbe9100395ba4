//! Copies from one bucket to another: the same content, the same ETag where that can be, and what the object says of
//! itself.
//!
//! Not on LocalStack 4.14: when it is both ends of a copy, it was seen to read no further from the one while the other
//! waited for it, and both stood still.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition};

use crate::server::Server;

const MIB: usize = 1 << 20;

fn content(size: usize, seed: u8) -> Bytes {
    (0..size).map(|n| ((n as u32).wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect()
}

/// Uploads in parts, as most clients do with what is large.
async fn upload(server: &Server, bucket: &S3Bucket, key: &str, body: &Bytes, part_size: usize) -> String {
    let begun = server.s3.create_multipart_upload().bucket(bucket.name()).key(key).send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (at, part) in body.chunks(part_size).enumerate() {
        let number = at as i32 + 1;
        let request = server.s3.upload_part().bucket(bucket.name()).key(key).upload_id(id);
        let body = ByteStream::from(body.slice_ref(part));
        let answer = request.part_number(number).body(body).send().await.unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build());
    }
    let complete = server.s3.complete_multipart_upload().bucket(bucket.name()).key(key).upload_id(id);
    let answer = complete.multipart_upload(parts.build()).send().await.unwrap();
    answer.e_tag().unwrap().trim_matches('"').to_owned()
}

async fn copies_are_the_same(server: &Server, tells_part_sizes: bool) {
    let (from, to) = (server.new_bucket().await, server.new_bucket().await);
    // In memory, streamed in one PUT, in parts as they were, with an odd part size that only the server knows.
    let small = content(MIB, 1);
    let large = content(20 * MIB + 5, 2);
    let put = async |key: &str, body: &Bytes| from.put(key, body.clone()).await.unwrap();
    let sources = [
        ("empty", Bytes::new(), put("empty", &Bytes::new()).await),
        ("small", small.clone(), put("small", &small).await),
        ("large", large.clone(), put("large", &large).await),
        ("parts", large.clone(), upload(server, &from, "parts", &large, 8 * MIB).await),
        ("odd parts", large.clone(), upload(server, &from, "odd parts", &large, 7 * MIB + 1).await),
        ("one part", small.clone(), upload(server, &from, "one part", &small, MIB).await),
    ];
    for (key, body, etag) in &sources {
        let copied = from.copy_to(key, &to, None).await.unwrap();
        let is_equal = tells_part_sizes || *key != "odd parts";
        assert_eq!((copied.etag == *etag, copied.size), (is_equal, body.len() as u64), "{key}: {copied:?}");
        assert_eq!(copied.blake3, blake3::hash(body).to_hex().to_string(), "{key}");
        assert_eq!(to.digest(key).await.unwrap(), copied.blake3, "{key}");
    }
}

async fn a_copy_keeps_what_the_object_says_of_itself(server: &Server) {
    let (from, to) = (server.new_bucket().await, server.new_bucket().await);
    let put = server.s3.put_object().bucket(from.name()).key("page").body(ByteStream::from_static(b"<p>"));
    let put = put.content_type("text/html").cache_control("no-cache").metadata("mtime", "1700000000.5");
    put.send().await.unwrap();
    from.copy_to("page", &to, None).await.unwrap();
    let found = server.s3.head_object().bucket(to.name()).key("page").send().await.unwrap();
    assert_eq!((found.content_type(), found.cache_control()), (Some("text/html"), Some("no-cache")));
    assert_eq!(found.metadata().unwrap()["mtime"], "1700000000.5");
}

async fn a_copy_under_a_condition_replaces_nothing(server: &Server) {
    let (from, to) = (server.new_bucket().await, server.new_bucket().await);
    let large = content(20 * MIB, 3);
    from.put("small", Bytes::from_static(b"new")).await.unwrap();
    from.put("large", large.clone()).await.unwrap();
    upload(server, &from, "parts", &large, 8 * MIB).await;
    for key in ["small", "large", "parts"] {
        let theirs = to.put(key, Bytes::from_static(b"theirs")).await.unwrap();
        let refused = from.copy_to(key, &to, Some(&Condition::Absent)).await;
        assert!(matches!(refused, Err(BucketError::Changed { .. })), "{key}: {refused:?}");
        assert_eq!(to.get(key, None).await.unwrap().object.etag, theirs, "{key}");
        let copied = from.copy_to(key, &to, Some(&Condition::Unchanged(theirs))).await.unwrap();
        assert_eq!(to.digest(key).await.unwrap(), copied.blake3, "{key}");
    }
    let missing = from.copy_to("missing", &to, None).await;
    assert!(matches!(missing, Err(BucketError::NotFound { .. })), "{missing:?}");
}

async fn copies(server: &Server, tells_part_sizes: bool) {
    copies_are_the_same(server, tells_part_sizes).await;
    a_copy_keeps_what_the_object_says_of_itself(server).await;
    a_copy_under_a_condition_replaces_nothing(server).await;
}

#[tokio::test]
async fn copies_are_the_same_on_the_embedded_server() {
    let server = Server::start("embedded").await;
    copies(&server, true).await;
}

#[tokio::test]
async fn copies_are_the_same_on_moto() {
    let server = Server::start("moto").await;
    copies(&server, true).await;
}

/// Ministack 1.5.33 does not tell how large the parts were: odd ones cannot be cut again as they were.
#[tokio::test]
async fn copies_are_the_same_on_ministack() {
    let server = Server::start("ministack").await;
    copies(&server, false).await;
}

#[tokio::test]
async fn copies_are_the_same_on_seaweedfs() {
    let server = Server::start("seaweedfs").await;
    copies(&server, true).await;
}
