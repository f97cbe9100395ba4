//! Multipart uploads, from the first part to the object, or to nothing.

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use crate::server::{BUCKET, Server, content, refusal};

const PART: usize = 5 << 20;

async fn start(server: &Server, key: &str) -> String {
    let create = server.client.create_multipart_upload().bucket(BUCKET).key(key).content_type("text/css");
    create.send().await.unwrap().upload_id.unwrap()
}

async fn part(server: &Server, key: &str, upload: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let put = server.client.upload_part().bucket(BUCKET).key(key).upload_id(upload).part_number(number);
    let etag = put.body(body.into()).send().await.unwrap().e_tag.unwrap();
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

fn complete(
    server: &Server,
    key: &str,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> CompleteMultipartUploadFluentBuilder {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    server
        .client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .upload_id(upload)
        .multipart_upload(parts)
}

#[tokio::test]
async fn parts_become_one_object_with_one_notification() {
    let server = Server::start().await;
    let upload = start(&server, "key").await;
    let mut parts = Vec::new();
    for (number, size) in [(1, PART), (2, PART + 7), (5, 100)] {
        parts.push(part(&server, "key", &upload, number, content(size, number as u8)).await);
    }
    // Replaced, and never named.
    parts[1] = part(&server, "key", &upload, 2, content(PART + 9, 9)).await;
    part(&server, "key", &upload, 7, content(PART, 7)).await;
    assert!(!server.is_there("key").await);
    assert_eq!(server.notified().await, []);

    let etag = complete(&server, "key", &upload, parts).send().await.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-3\""), "{etag}");
    assert_eq!(server.notified().await, [("ObjectCreated:CompleteMultipartUpload".into(), "key".into())]);
    let whole = [content(PART, 1), content(PART + 9, 9), content(100, 5)].concat();
    assert!(server.get("key").await == whole);
    server.blobs_become(2).await;

    let get = || server.client.get_object().bucket(BUCKET).key("key");
    let across = get().range(format!("bytes={}-{}", PART - 3, 2 * PART + 20)).send().await.unwrap();
    assert_eq!(across.content_type(), Some("text/css"));
    assert!(across.body.collect().await.unwrap().to_vec() == whole[PART - 3..=2 * PART + 20]);
    let second = get().part_number(2).send().await.unwrap();
    assert_eq!((second.parts_count(), second.content_length()), (Some(3), Some(PART as i64 + 9)));
    assert!(second.body.collect().await.unwrap().to_vec() == content(PART + 9, 9));
    assert_eq!(refusal(get().part_number(4).send().await).0, 416);
    assert_eq!(refusal(complete(&server, "key", &upload, vec![]).send().await).0, 404);
}

#[tokio::test]
async fn a_completion_that_is_wrong_changes_nothing_and_can_be_mended() {
    let server = Server::start().await;
    server.put("key", b"old".to_vec()).await;
    let upload = start(&server, "key").await;
    let small = part(&server, "key", &upload, 1, content(100, 1)).await;
    let second = part(&server, "key", &upload, 2, content(PART, 2)).await;
    let wrong = CompletedPart::builder().part_number(1).e_tag("\"0123\"").build();
    let missing = CompletedPart::builder().part_number(3).e_tag(small.e_tag().unwrap()).build();
    for (parts, expected) in [
        (vec![small.clone(), second.clone()], "EntityTooSmall"),
        (vec![second.clone(), small.clone()], "InvalidPartOrder"),
        (vec![second.clone(), second.clone()], "InvalidPartOrder"),
        (vec![wrong, second.clone()], "InvalidPart"),
        (vec![missing], "InvalidPart"),
    ] {
        assert_eq!(refusal(complete(&server, "key", &upload, parts).send().await), (400, expected.into()));
    }
    let parts = || vec![second.clone()];
    let guarded = complete(&server, "key", &upload, parts()).if_none_match("*").send().await;
    assert_eq!(refusal(guarded), (412, "PreconditionFailed".into()));
    assert_eq!(server.get("key").await, b"old");
    complete(&server, "key", &upload, parts()).send().await.unwrap();
    assert!(server.get("key").await == content(PART, 2));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let server = Server::start().await;
    let upload = start(&server, "key").await;
    let done = part(&server, "key", &upload, 1, content(PART, 1)).await;
    server.blobs_become(1).await;
    server.client.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&upload).send().await.unwrap();
    server.blobs_become(0).await;
    assert_eq!(
        refusal(complete(&server, "key", &upload, vec![done]).send().await),
        (404, "NoSuchUpload".into())
    );
    let late =
        server.client.upload_part().bucket(BUCKET).key("key").upload_id(&upload).part_number(1).send().await;
    assert_eq!(refusal(late), (404, "NoSuchUpload".into()));
    let abort =
        server.client.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&upload).send().await;
    assert_eq!(refusal(abort), (404, "NoSuchUpload".into()));
}

#[tokio::test]
async fn parts_and_uploads_are_listed_in_pages() {
    let server = Server::start().await;
    let mut uploads = Vec::new();
    for key in ["a", "b", "b", "c/d"] {
        uploads.push((key.to_owned(), start(&server, key).await));
    }
    uploads.sort();
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let list = server.client.list_multipart_uploads().bucket(BUCKET).max_uploads(1);
        let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
        found.extend(
            page.uploads()
                .iter()
                .map(|one| (one.key().unwrap().to_owned(), one.upload_id().unwrap().to_owned())),
        );
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        id = page.next_upload_id_marker().map(str::to_owned);
    }
    assert_eq!(found, uploads);
    let below = server.client.list_multipart_uploads().bucket(BUCKET).prefix("c/").send().await.unwrap();
    assert_eq!(below.uploads().len(), 1);
    let after = server.client.list_multipart_uploads().bucket(BUCKET).key_marker("b").send().await.unwrap();
    assert_eq!(after.uploads()[0].key(), Some("c/d"));

    let (key, upload) = &uploads[0];
    for number in [3, 1, 2] {
        part(&server, key, upload, number, vec![0; number as usize]).await;
    }
    let list = || server.client.list_parts().bucket(BUCKET).key(key).upload_id(upload);
    let first = list().max_parts(2).send().await.unwrap();
    let sizes: Vec<_> =
        first.parts().iter().map(|part| (part.part_number().unwrap(), part.size().unwrap())).collect();
    assert_eq!((sizes, first.is_truncated()), (vec![(1, 1), (2, 2)], Some(true)));
    let rest = list().part_number_marker(first.next_part_number_marker().unwrap()).send().await.unwrap();
    assert_eq!((rest.parts().len(), rest.is_truncated()), (1, Some(false)));
}

#[tokio::test]
async fn a_part_may_be_copied_from_an_object() {
    let server = Server::start().await;
    server.put("source", content(PART + 50, 4)).await;
    let upload = start(&server, "key").await;
    let copy = |number: i32, range: &str| {
        let copy =
            server.client.upload_part_copy().bucket(BUCKET).key("key").upload_id(&upload).part_number(number);
        copy.copy_source("workspaces/source").copy_source_range(range).send()
    };
    let mut parts = Vec::new();
    for (number, range) in [(1, format!("bytes=0-{}", PART - 1)), (2, format!("bytes={PART}-{}", PART + 49))]
    {
        let etag = copy(number, &range).await.unwrap().copy_part_result.unwrap().e_tag.unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    assert_eq!(refusal(copy(3, "bytes=0-99999999").await), (416, "InvalidRange".into()));
    assert_eq!(refusal(copy(3, "bytes=5-").await), (400, "InvalidArgument".into()));
    complete(&server, "key", &upload, parts).send().await.unwrap();
    assert!(server.get("key").await == content(PART + 50, 4));
}

#[tokio::test]
async fn checksums_of_parts_make_the_checksum_of_the_object() {
    let server = Server::start().await;
    let bodies = [content(PART, 1), content(200, 2)];
    for (algorithm, kind, composite) in [
        (ChecksumAlgorithm::Crc32, ChecksumType::Composite, true),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite, true),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject, false),
        (ChecksumAlgorithm::Crc32C, ChecksumType::FullObject, false),
    ] {
        let create = server.client.create_multipart_upload().bucket(BUCKET).key("key");
        let create = create.checksum_algorithm(algorithm.clone()).checksum_type(kind.clone());
        let upload = create.send().await.unwrap().upload_id.unwrap();
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let put =
                server.client.upload_part().bucket(BUCKET).key("key").upload_id(&upload).part_number(number);
            let put =
                put.checksum_algorithm(algorithm.clone()).body(body.clone().into()).send().await.unwrap();
            let part = CompletedPart::builder().part_number(number).set_e_tag(put.e_tag);
            parts.push(
                part.set_checksum_crc32(put.checksum_crc32).set_checksum_sha256(put.checksum_sha256).build(),
            );
        }
        let wrong = complete(&server, "key", &upload, parts.clone()).checksum_crc32("AAAAAA==").send().await;
        assert_eq!(refusal(wrong), (400, "BadDigest".into()), "{algorithm:?}");
        complete(&server, "key", &upload, parts).send().await.unwrap();
        let head = server.client.head_object().bucket(BUCKET).key("key").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        assert_eq!(head.checksum_type(), Some(&kind), "{algorithm:?}");
        let values = [
            head.checksum_crc32(),
            head.checksum_sha256(),
            head.checksum_crc64_nvme(),
            head.checksum_crc32_c(),
        ];
        let value = values.into_iter().flatten().next().unwrap();
        assert_eq!(value.ends_with("-2"), composite, "{algorithm:?}: {value}");
        // The SDK verifies a checksum of the whole object as it reads.
        let get = server.client.get_object().bucket(BUCKET).key("key").checksum_mode(ChecksumMode::Enabled);
        assert!(get.send().await.unwrap().body.collect().await.unwrap().to_vec() == bodies.concat());
    }
}
